"""``program.py send|work NAME``: a peer's sender, which sends one message for each line it reads, or its worker."""

import importlib
import sys

if __name__ == "__main__":
    app = importlib.import_module(f"{sys.argv[2]}_app")
    if sys.argv[1] == "work":
        app.run_worker()
    else:
        for _ in sys.stdin:
            app.send()
            print(flush=True)
