"""The web processes that are asked: one for each core, as many behind one port as in production behind a balancer."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from kovra.launcher import children
from kovra.launcher.bootstrap import CHECKOUT
from kovra.launcher.keys import fresh_keys
from kovra.launcher.supervisor import Process, await_ready


class Webs:
    """Start them all; the kernel shares new connections out among them (SO_REUSEPORT)."""

    def __init__(self, folder: Path, opened: ExitStack, port: int, database_url: str, redis_url: str) -> None:
        env = fresh_keys() | {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "KOVRA_LOG_LEVEL": "WARNING"}
        env |= {"DISCORD_BASE_URL": "http://127.0.0.1:9", "DISCORD_CDN_URL": "http://127.0.0.1:9"}
        env |= {"KOVRA_BASE_URL": f"http://localhost:{port}", "PYTHONPATH": str(CHECKOUT)}
        words = ["-c", str(CHECKOUT / "gunicorn.conf.py"), "--bind", f"127.0.0.1:{port}", "--reuse-port", "app:app"]
        self.address = ("127.0.0.1", port)
        self._webs = [
            Process(
                name=f"web-{number}",
                argv=[sys.executable, "-m", "gunicorn", *words],
                env={**os.environ, **env},
                cwd=CHECKOUT,
                log=folder / f"web-{number}.log",
                ready=_serves,
            )
            for number in range(os.cpu_count() or 1)
        ]
        for web in self._webs:
            opened.callback(web.kill)
            web.start()
        await_ready(self._webs)

    def __len__(self) -> int:
        return len(self._webs)

    def pids(self) -> Sequence[int]:
        """All their processes, gunicorn's own included."""
        return [pid for web in self._webs for pid in children.descendants(web.pid or 0)]


def _serves(web: Process) -> bool:
    """A question to the port would be answered by any of them; gunicorn listens before it boots its worker."""
    return "Booting worker" in web.written()
