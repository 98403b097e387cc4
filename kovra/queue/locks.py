"""Locks against asking twice: owned by a message, taken with its entry, kept after its end.

A lock is taken by ``SET NX`` in the very script that appends the entry, so both exist or neither. It belongs to the
message, not to an execution: no crash can orphan it, and a redelivery finds its own lock. It is a shield; whoever must
be sure asks a database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_VALUE = re.compile(rb"(q|done|dead) (\S+)(?: (.*))?", re.DOTALL)


class Offer(StrEnum):
    """What became of an offered message."""

    ENQUEUED = "enqueued"  #: it lies in its lane, or in the delayed set
    SAME = "same"  #: this very message lies there already
    TAKEN = "taken"  #: a message with another id holds the lock
    FINISHED = "finished"  #: the lock's message was acknowledged
    DEAD = "dead"  #: the lock's message is a dead letter; redrive it, or offer it again
    FULL = "full"  #: the lane takes no more now; offer it again when it is shorter


class LockState(StrEnum):
    HELD = "q"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, kw_only=True)
class Lock:
    """What a lock says: how far its message got, the message's id, and the ref of its entry while there is one."""

    state: LockState
    message_id: str
    ref: str | None


def parse(value: bytes | None) -> Lock | None:
    """Read a lock's value; None when there is no lock or somebody else's text stands there."""
    match = _VALUE.fullmatch(value or b"")
    if match is None:
        return None
    ref = match[3].decode(errors="replace") if match[3] else None
    return Lock(state=LockState(match[1].decode()), message_id=match[2].decode(errors="replace"), ref=ref)
