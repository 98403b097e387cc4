"""Lets a process die at a named point, as a power cut would. For tests only: ``config`` reads it in ``KOVRA_ENV=test``.

``KOVRA_CRASH=after_claim:2``    dies the second time it comes to that point
``KOVRA_CRASH=@/some/folder``    dies where the folder holds a file of the point's name, and takes the file with it: of
                                 several processes one dies, and none again. ``POINT@REQUEST_ID`` waits for this request
``stop.POINT`` in that folder    stands still there, as by SIGSTOP, until somebody sends it a SIGCONT

The points, in the order of an action's story, are ``POINTS``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

#: What a door does, the relay, the scheduler of ends, the executor, and the lane at its end.
DOOR = ("before_accept", "before_accept_commit", "after_accept", "after_enqueue", "before_answer")
RELAY = ("relay_selected", "relay_pushed")
SCHEDULER = ("end_selected", "before_end_commit", "after_end_commit")
EXECUTOR = (
    "after_read",
    "after_verify",
    "after_claim",
    "after_authz",
    "after_notice_intent",
    "after_notice_post",
    "after_effect_intent",
    "after_effect_call",
    "after_probe",
    "before_finalise",
    "before_finalise_commit",
    "after_finalise",
    "after_log_intent",
    "after_log_post",
    "after_done",
    "before_ack",
    "after_ack",
)
#: A bulk ban: intent for all, the call, each group of cases written. The other points of a chunk are an action's.
BULK = ("after_bulk_intent", "after_bulk_call", "after_bulk_settle")
#: Between the two calls of a softban, and between two parts of a purge.
HALVES = ("after_half",)
#: When the message over which somebody was acted on has gone, and no case says so yet.
OVER_MESSAGE = ("after_message_deleted",)
#: Where the cases of several who finish together are about to be kept by one transaction.
TOGETHER = ("before_shared_commit",)
POINTS = (*DOOR, *RELAY, *SCHEDULER, *EXECUTOR, *BULK, *HALVES, *OVER_MESSAGE, *TOGETHER)

#: What the name of a file begins with that lets a process stand still instead of dying.
STOP = "stop."


def checkpoint(wish: str, subject: Callable[[], str | None] = lambda: None) -> Callable[[str], None]:
    """The checkpoint of a process whose ``KOVRA_CRASH`` is ``wish``; ``subject`` names what its thread works on.

    Raises:
        ValueError: the wish names no point, or no count.
    """
    if wish.startswith("@"):
        return _from_folder(Path(wish[1:]), subject)
    point, _, nth = wish.partition(":")
    if point not in POINTS or not nth.isdecimal() or int(nth) < 1:
        raise ValueError(f"KOVRA_CRASH={wish!r}: write POINT:NTH, POINT one of {', '.join(POINTS)}")
    return _at_count(point, int(nth))


def _at_count(point: str, nth: int) -> Callable[[str], None]:
    left, turn = [nth], threading.Lock()

    def at(name: str) -> None:
        if name != point:
            return
        with turn:
            left[0] -= 1
            if left[0] == 0:
                _die(name)

    return at


def _from_folder(folder: Path, subject: Callable[[], str | None]) -> Callable[[str], None]:
    def at(name: str) -> None:
        for wish in (name, f"{name}@{subject()}"):
            for file, meet in ((wish, _die), (f"{STOP}{wish}", _stand_still)):
                try:
                    os.unlink(folder / file)  # only one succeeds
                except OSError:
                    continue  # nobody wished for it here, or another process has met it
                meet(wish)

    return at


def _die(point: str) -> None:
    """SIGKILL to ourselves: nothing is flushed, closed or said after this line."""
    sys.stderr.write(f"kovra: dies at {point}\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()  # the kernel is on its way; not one step further


def _stand_still(point: str) -> None:
    """SIGSTOP to ourselves: every thread stands, and what was taken is held."""
    sys.stderr.write(f"kovra: stands still at {point}\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGSTOP)
    signal.sigtimedwait([], 0.05)  # the kernel is on its way: it finds us waiting
