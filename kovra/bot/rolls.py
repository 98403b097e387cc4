"""A list that Discord tells in parts, while it goes on changing: all members, or all bans, of one guild."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Generic, TypeVar

RowT = TypeVar("RowT")


@dataclass(kw_only=True)
class Roll(Generic[RowT]):
    """One list being taken. What events say meanwhile wins over what the list says.

    Without that, someone who is banned between two parts of the member list would be written down as a member again.
    """

    nonce: str = field(default_factory=lambda: os.urandom(16).hex())
    asked_at: float = field(default_factory=time.monotonic)
    rows: dict[int, RowT] = field(default_factory=dict)
    _changed: set[int] = field(default_factory=set)
    _parts: set[int] = field(default_factory=set)

    def listed(self, user_id: int, row: RowT) -> None:
        """The list names this one."""
        if user_id not in self._changed:
            self.rows[user_id] = row

    def changed(self, user_id: int, row: RowT | None) -> None:
        """An event tells this one's present state; None: gone."""
        self._changed.add(user_id)
        if row is None:
            self.rows.pop(user_id, None)
        else:
            self.rows[user_id] = row

    def has_part(self, number: int, of: int) -> bool:
        """Note that one part has come; True when now all have."""
        self._parts.add(number)
        return len(self._parts) == of
