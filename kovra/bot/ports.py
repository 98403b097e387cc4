"""What Guard's ears and hands ask of the world."""

from __future__ import annotations

from typing import Protocol


class Pacer(Protocol):
    """One pace for all processes that speak with one bot token."""

    def take(self, longest_wait_s: float) -> float:
        """Ask for a turn: the seconds to wait before sending.

        More than ``longest_wait_s`` means that no turn was taken and nothing may be sent. Never raises.
        """
