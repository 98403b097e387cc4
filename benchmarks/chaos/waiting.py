"""Waiting for a condition, within a patience that a slow machine does not run out of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(look: Callable[[], Any], patience_s: float = 30.0) -> Any:
    """The first true answer of ``look``; its last when none came in time."""
    deadline = time.monotonic() + patience_s
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)  # between two looks
    return found


def must(look: Callable[[], Any], what: str, patience_s: float = 30.0) -> Any:
    """The first true answer of ``look``.

    Raises:
        RuntimeError: none came in time; ``what`` names it.
    """
    if not (found := until(look, patience_s)):
        raise RuntimeError(f"{what} did not come within {patience_s:.0f} s")
    return found
