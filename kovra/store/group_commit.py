"""Several threads, one transaction: whoever comes while one of its guild is under way shares the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from kovra.ids import GuildId
from kovra.store.rows import MOST

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    """What one thread brings, and what became of it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.done = False
        self.outcome: Result | BaseException | None = None


class GroupCommit(Generic[Item, Result]):
    """Call it as if each call were a transaction of its own. Nobody waits for company.

    A thread that finds no transaction of its guild under way in this process begins one at once. Those who come
    meanwhile wait for its end, and the first of them to wake takes the others along. Nobody was made the leader
    before, so a thread that is broken off while it waits holds up nobody.

    Args:
        commit: writes a group of up to :data:`MOST` in one transaction and says what became of each, in its order: a
            result, or an error of its own. What it raises is everybody's.
    """

    def __init__(self, commit: Callable[[GuildId, Sequence[Item]], Sequence[Result | Exception]]) -> None:
        self._commit = commit
        self._changed = threading.Condition()
        self._busy: set[GuildId] = set()
        self._waiting: dict[GuildId, list[_Waiting[Item, Result]]] = {}

    def __call__(self, guild_id: GuildId, item: Item) -> Result:
        mine: _Waiting[Item, Result] = _Waiting(item)
        with self._changed:
            self._waiting.setdefault(guild_id, []).append(mine)
        # More than once only when more were waiting before us than one group takes.
        while not mine.done:
            if group := self._turn(guild_id, mine):
                self._carry(guild_id, group)
        if isinstance(mine.outcome, BaseException):
            raise mine.outcome
        return mine.outcome  # type: ignore[return-value]

    def _turn(self, guild_id: GuildId, mine: _Waiting[Item, Result]) -> list[_Waiting[Item, Result]]:
        """Wait until ours is done, which gives nobody, or until it is our turn: those who waited longest."""
        with self._changed:
            while guild_id in self._busy and not mine.done:
                self._changed.wait()
            if mine.done:
                return []
            self._busy.add(guild_id)
            waiting = self._waiting.pop(guild_id)
            if waiting[MOST:]:
                self._waiting[guild_id] = waiting[MOST:]
            return waiting[:MOST]

    def _carry(self, guild_id: GuildId, group: list[_Waiting[Item, Result]]) -> None:
        outcomes: Sequence[Result | BaseException]
        try:
            outcomes = self._commit(guild_id, [one.item for one in group])
        except BaseException as error:
            outcomes = [error] * len(group)
        with self._changed:
            for one, outcome in zip(group, outcomes, strict=True):
                one.outcome, one.done = outcome, True
            self._busy.discard(guild_id)
            self._changed.notify_all()
