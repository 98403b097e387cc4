"""The points between two steps at which a process may die. Only tests put anything there."""

from __future__ import annotations


def nowhere(point: str) -> None:
    """The checkpoint of production: nothing happens there."""
