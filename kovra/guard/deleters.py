"""Who deleted messages: deletions, which name nobody, told together with Discord's audit log, which names no message.

Discord tells of a deletion where and which, and writes into its log who deleted whose, where and how many. What authors
delete themselves, and single messages that bots delete, is not in the log. What one person deletes of another in a
channel is counted in one entry for some minutes, and Discord tells of that entry once, when it is made. So one entry
and one deletion that fits it are certain; whatever else fits is only probable, and is told so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kovra.ids import ChannelId, UserId

#: Discord's numbers for what stands in its audit log (API reference, Audit Log Events).
DELETE, BULK_DELETE = 72, 73


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """A deletion that was heard. ``author_id`` is None when the message was not known; ``swept``: how many at once.

    ``suspects`` are those whom earlier entries fitted.
    """

    event_id: UUID
    channel_id: ChannelId
    author_id: UserId | None = None
    swept: int | None = None
    suspects: tuple[UserId, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """What the audit log says was deleted: ``count`` messages since it was last looked at.

    ``fresh``: Discord told of the entry as it was made; otherwise an older entry was found to have grown.
    """

    audit_id: int
    actor_id: UserId
    channel_id: ChannelId
    author_id: UserId | None
    count: int
    fresh: bool = True

    @property
    def of(self) -> tuple[ChannelId, UserId | None]:
        """Where, and whose; None is a sweep of anybody's."""
        return self.channel_id, self.author_id


@dataclass(frozen=True, kw_only=True)
class Deleter:
    """Who deleted a message. Not ``certain``: one of these, or its author or a bot."""

    actor_ids: tuple[UserId, ...]
    certain: bool

    @property
    def facts(self) -> dict[str, Any]:
        """As it is kept with what was heard."""
        return {"by": [str(one) for one in self.actor_ids], "certain": self.certain}


def log_entry(payload: Mapping[str, Any], counted: int = 0, *, fresh: bool = True) -> LogEntry | None:
    """An entry of the audit log about deletions; None of one about anything else, or of one that has not grown.

    Args:
        counted: how many of its messages are known already.
    """
    kind, actor, target = payload["action_type"], payload.get("user_id"), payload.get("target_id")
    options = payload.get("options") or {}
    if kind not in (DELETE, BULK_DELETE) or not actor or not target:
        return None
    grown = int(options.get("count") or 0) - counted
    # A sweep names the channel as its target.
    channel = options.get("channel_id") if kind == DELETE else target
    if grown <= 0 or not channel:
        return None
    return LogEntry(
        audit_id=int(payload["id"]),
        actor_id=UserId(int(actor)),
        channel_id=ChannelId(int(channel)),
        author_id=UserId(int(target)) if kind == DELETE else None,
        count=grown,
        fresh=fresh,
    )


def whose(deletions: Sequence[Deletion], entries: Iterable[LogEntry]) -> dict[UUID, Deleter]:
    """Who deleted which of these; those that no entry fits are left out."""
    found: dict[UUID, Deleter] = {}
    entries = list(entries)
    singly, swept = [one for one in entries if one.author_id], [one for one in entries if not one.author_id]
    for channel_id, author_id in dict.fromkeys(one.of for one in singly):
        theirs = [one for one in singly if one.of == (channel_id, author_id)]
        fit = [
            one
            for one in deletions
            if one.swept is None and one.channel_id == channel_id and one.author_id in (author_id, None)
        ]
        # A message nobody remembers may be of any author of whom something was deleted there.
        shared = any(one.channel_id == channel_id and one.author_id != author_id for one in singly)
        certain = sum(one.count for one in theirs) == len(fit) and all(one.fresh for one in theirs)
        for one in fit:
            _credit(found, one, theirs, certain and not (shared and one.author_id is None))
    for entry in swept:
        same = [one for one in swept if (one.channel_id, one.count) == (entry.channel_id, entry.count)]
        fit = [one for one in deletions if (one.swept, one.channel_id) == (entry.count, entry.channel_id)]
        for one in fit:
            _credit(found, one, same, len(same) == len(fit))
    return found


def _credit(found: dict[UUID, Deleter], one: Deletion, entries: Sequence[LogEntry], certain: bool) -> None:
    known = found[one.event_id].actor_ids if one.event_id in found else one.suspects
    actors = tuple(dict.fromkeys((*known, *(entry.actor_id for entry in entries))))
    found[one.event_id] = Deleter(actor_ids=actors, certain=certain and len(actors) == 1)
