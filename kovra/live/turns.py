"""Long work among many open streams is done in turns, so that a page somebody asks for meanwhile is answered."""

from __future__ import annotations

import time

#: Streams that are looked after before others get their turn: a write costs some 15 µs.
TURN = 128

#: Too short to wait for, and yet a wait. ``sleep(0)`` would not do: gevent then goes on with whoever can run, this very
#: loop among them, for 50 turns or 5 ms, whichever is later, before it looks whether anything came in.
_MOMENT_S = 1e-9


def give_way() -> None:
    """Let everybody else run who can, and whoever has been sent something."""
    time.sleep(_MOMENT_S)
