"""Start processes that cannot outlive us, however we end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

#: From <sys/prctl.h>: the signal that the kernel sends us when the thread that started us ends.
PR_SET_PDEATHSIG = 1

# Looked up before any fork: between fork and exec, a dlopen could wait for ever on a lock another thread held.
_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


class _Spawner:
    """The one thread that starts children.

    The kernel ties a child to the *thread* that started it. A thread that lives as long as we do makes
    ``PR_SET_PDEATHSIG`` mean what its name says, whoever asks for the child.
    """

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[Future[subprocess.Popen[bytes]], Sequence[str], dict[str, Any]]]
        self._asked = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="kovra-spawner", daemon=True).start()

    def spawn(self, argv: Sequence[str], options: dict[str, Any]) -> subprocess.Popen[bytes]:
        started: Future[subprocess.Popen[bytes]] = Future()
        self._asked.put((started, argv, options))
        return started.result()

    def _serve(self) -> None:
        while True:
            started, argv, options = self._asked.get()
            try:
                started.set_result(subprocess.Popen(argv, **options))
            except BaseException as error:  # noqa: BLE001 - it is raised where the child was asked for
                started.set_exception(error)


_spawner: _Spawner | None = None
_spawner_pid = 0
_making = threading.Lock()


def spawn(
    argv: Sequence[str],
    *,
    parent_death: signal.Signals = signal.SIGTERM,
    user: tuple[int, int] | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: Any = None,
    stderr: Any = None,
) -> subprocess.Popen[bytes]:
    """Start ``argv`` in a session of its own, so that Ctrl-C reaches only us and the stop keeps its order.

    Args:
        parent_death: the signal it gets when we end without stopping it (Linux).
        user: uid and gid to run as.

    Raises:
        OSError: the program cannot be started.
    """
    options: dict[str, Any] = {
        "env": env,
        "cwd": cwd,
        "stdin": stdin,
        "stdout": stdout,
        "stderr": stderr,
        "start_new_session": True,
        "umask": 0o077,  # what they write down is nobody else's business
        "preexec_fn": _end_with_parent(parent_death),
    }
    if user is not None:
        options |= {"user": user[0], "group": user[1], "extra_groups": []}
    return _the_spawner().spawn(argv, options)


def _the_spawner() -> _Spawner:
    global _spawner, _spawner_pid
    with _making:
        if _spawner is None or _spawner_pid != os.getpid():  # a fork takes no threads along
            _spawner, _spawner_pid = _Spawner(), os.getpid()
        return _spawner


def _end_with_parent(deadly: signal.Signals) -> Callable[[], None] | None:
    prctl = _prctl
    if prctl is None:
        return None
    parent = os.getpid()

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, int(deadly), 0, 0, 0)
        if os.getppid() != parent:  # we ended before the line above took hold
            os.kill(os.getpid(), signal.SIGKILL)

    return arm


def descendants(pid: int) -> list[int]:
    """The pids of all children of a process and of their children, as ``/proc`` shows them now; empty elsewhere."""
    found: list[int] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return found  # it has ended, and has no children any more
    for task in tasks:
        try:
            children = [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue  # this thread has ended; its children are another's now
        for child in children:
            found += [child, *descendants(child)]
    return found


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process and all it started, as a power cut would, and wait until it is gone."""
    doomed = [process.pid, *descendants(process.pid)] if process.poll() is None else []
    for pid in doomed:
        _signal(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # children whose parent had already died
    process.wait()


def _signal(pid: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it was quicker
        os.kill(pid, what)
