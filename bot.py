"""Guard's ears: listens to Discord, mirrors it, and answers ``/mod``. Run as ``python bot.py``; stop with SIGTERM."""

from __future__ import annotations

import sys


def main() -> int:
    from kovra import config, logs, wiring
    from kovra.bot.gateway import BotFailed

    logs.configure()
    try:
        process = wiring.build_bot(config.from_environment(config.Process.BOT))
        process.run(ready=lambda: print("kovra: bot ready", flush=True))
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except BotFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
