"""Who uses a PostgreSQL cluster: its pid file, and the processes that work in its folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Whose cluster it is, and what that server says of itself: ``starting``, ``ready``, ``stopping``."""

    pid: int
    state: str


def read(data: Path) -> Lock | None:
    """The pid file of a cluster; None when there is none."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return Lock(pid=abs(int(lines[0])), state=lines[7].strip() if len(lines) > 7 else "")
    except (OSError, ValueError, IndexError):
        return None  # none, or PostgreSQL is writing it just now


def is_postgres_of(pid: int, data: Path) -> bool:
    """Whether the process is a PostgreSQL that works in ``data`` (it changes into its cluster)."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")) == data.resolve()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    except PermissionError:
        return False  # another user's process: not the server we could have started here
    return _alive(pid)


def any_postgres_in(data: Path) -> bool:
    """Whether any process works in ``data``: a server, or what is left of one."""
    resolved = str(data.resolve())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == resolved:
                return True
        except OSError:
            continue  # it has ended, or belongs to somebody else
    return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
