"""Guard's hands: executes what the lanes bring. Run as ``python worker.py``; stop with SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading


def main() -> int:
    from kovra import config, logs, wiring

    logs.configure()
    try:
        process = wiring.build_worker(config.from_environment(config.Process.WORKER))
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    process.start()
    print("kovra: worker ready", flush=True)
    stop.wait()
    process.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
