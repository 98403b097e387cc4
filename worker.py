"""Guard's hands: executes what the lanes bring. Run as ``python worker.py``; stop with SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading


def main() -> int:
    from kovra import config, errors, logs, wiring

    logs.configure()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        process = wiring.build_worker(config.from_environment(config.Process.WORKER))
        process.start()
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except errors.Unavailable as error:
        # Whoever keeps processes running starts it again; a worker that waits in silence would look alive.
        print(f"The worker cannot start: {error}", file=sys.stderr)
        return 1
    print("kovra: worker ready", flush=True)
    stop.wait()
    process.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
