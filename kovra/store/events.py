"""The numbered events of a guild: what open pages are told, and how a reader that was away catches up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Row,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from kovra.ids import GuildId
from kovra.store.database import Database, run
from kovra.store.prepared import Prepared
from kovra.store.tables import GuildCounters, GuildEvents

#: A page that was away longer reloads its fragments instead of catching up.
KEPT_FOR = timedelta(hours=72)


class EventKind(StrEnum):
    """What an event says has happened. ``docs/states.md`` names who writes which."""

    ACTION_QUEUED = "action.queued"
    ACTION_RUNNING = "action.running"
    ACTION_DONE = "action.done"
    ACTION_FAILED = "action.failed"
    ACTION_REJECTED = "action.rejected"
    ACTION_CANCELLED = "action.cancelled"
    ACTION_EXPIRED = "action.expired"
    ACTION_DISCARDED = "action.discarded"
    CASE_CREATED = "case.created"
    CASE_UPDATED = "case.updated"
    JOB_CHANGED = "job.changed"
    LANE_CHANGED = "lane.changed"
    SETTINGS_CHANGED = "settings.changed"
    POST_CHANGED = "post.changed"
    MESSAGE_TESTED = "message.tested"


Facts = Mapping[str, str | int | None]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event. ``facts`` are ids (snowflakes as text) and states, never names or texts."""

    guild_id: GuildId
    seq: int
    kind: str
    request_id: UUID | None
    facts: Facts
    at: datetime


# Taking the number and writing the event are one statement: the counters are held until commit, so every trip to
# PostgreSQL made after the number is taken is time in which nobody else in the guild gets one. The moment is taken
# from a row that exists only under the counters' lock: times rise with the numbers.
_NUMBERED = (
    insert(GuildCounters)
    .values(guild_id=bindparam("in_guild", type_=BigInteger), last_event=1)
    .on_conflict_do_update(index_elements=["guild_id"], set_={"last_event": GuildCounters.last_event + 1})
    .returning(GuildCounters.guild_id, GuildCounters.last_event)
    .cte("numbered")
)
_APPEND = Prepared(
    insert(GuildEvents)
    .from_select(
        ["guild_id", "seq", "kind", "request_id", "facts", "at"],
        select(
            _NUMBERED.c.guild_id,
            _NUMBERED.c.last_event,
            bindparam("of_kind", type_=Text),
            bindparam("of_request", type_=Uuid),
            bindparam("with_facts", type_=JSONB),
            func.clock_timestamp(),
        ),
    )
    .returning(GuildEvents.seq)
)


def event_told_of(rows: CTE, kind: ColumnElement[str], facts: ColumnElement[Any]) -> CTE:
    """Append an event for the one row, or none, of a larger statement; it asks for ``of_request``. Gives its guild.

    The row is written first: the counters are the last lock that is taken.
    """
    numbered = (
        insert(GuildCounters)
        .from_select(["guild_id", "last_event"], select(rows.c.guild_id, literal(1, BigInteger)))
        .on_conflict_do_update(index_elements=["guild_id"], set_={"last_event": GuildCounters.last_event + 1})
        .returning(GuildCounters.guild_id, GuildCounters.last_event)
        .cte("numbered")
    )
    event = select(
        numbered.c.guild_id,
        numbered.c.last_event,
        kind,
        bindparam("of_request", type_=Uuid),
        facts,
        func.clock_timestamp(),
    ).where(numbered.c.guild_id == rows.c.guild_id)
    columns = ["guild_id", "seq", "kind", "request_id", "facts", "at"]
    return insert(GuildEvents).from_select(columns, event).returning(GuildEvents.guild_id).cte("told")


def append_event(session: Session, guild_id: GuildId, kind: EventKind, request_id: UUID | None, facts: Facts) -> int:
    """Append an event and give its number.

    Holds the guild's counters until commit, so that numbers have no gaps and appear in their order: call it late.
    """
    row = {"in_guild": guild_id, "of_kind": kind.value, "of_request": request_id, "with_facts": dict(facts)}
    return run(session.connection(), _APPEND, row).scalar_one()


def append_events(session: Session, guild_id: GuildId, told: Sequence[tuple[EventKind, UUID | None, Facts]]) -> None:
    """Append several events in their order, under one taking of the counters: call it late."""
    if not told:
        return
    counters = GuildCounters
    bump = (
        insert(counters)
        .values(guild_id=guild_id, last_event=len(told))
        .on_conflict_do_update(index_elements=["guild_id"], set_={"last_event": counters.last_event + len(told)})
        .returning(counters.last_event)
    )
    last = session.connection().execute(bump).scalar_one()
    write_events(session, guild_id, last - len(told) + 1, told)


def write_events(
    session: Session, guild_id: GuildId, first: int, told: Sequence[tuple[EventKind, UUID | None, Facts]]
) -> None:
    """Write events under numbers that the transaction has taken, from ``first`` on."""
    rows = [
        {"guild_id": guild_id, "seq": seq, "kind": kind.value, "request_id": request_id, "facts": dict(facts)}
        for seq, (kind, request_id, facts) in enumerate(told, first)
    ]
    session.connection().execute(insert(GuildEvents).values([row | {"at": func.clock_timestamp()} for row in rows]))


# Columns and no objects of the mapper, and whole transactions in one trip: hubs ask these for every event there is.
_PAGE = Prepared(
    select(
        GuildEvents.guild_id,
        GuildEvents.seq,
        GuildEvents.kind,
        GuildEvents.request_id,
        GuildEvents.facts,
        GuildEvents.at,
    )
    .where(GuildEvents.guild_id == bindparam("of_guild"), GuildEvents.seq > bindparam("behind"))
    .order_by(GuildEvents.seq)
    .limit(bindparam("most", type_=Integer))
)
_NEWEST = text("SELECT guild_id, seq FROM kovra_newest_events(:guilds)")


class Events:
    """Read events. No rights are checked here: the hub filters by what each viewer may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, guild_id: GuildId, seq: int, limit: int = 500) -> list[Event]:
        """The events that came after this number, oldest first."""
        values = {"of_guild": guild_id, "behind": seq, "most": limit}
        return [_event(row) for row in self._database.once(guild_id, _PAGE, values)]

    def newest(self, guild_ids: Iterable[GuildId]) -> dict[GuildId, int]:
        """The newest number of each guild; 0 for a guild that has had no event."""
        wanted = list(guild_ids)
        found = {GuildId(guild_id): seq for guild_id, seq in self._database.once(None, _NEWEST, {"guilds": wanted})}
        return {guild_id: found.get(guild_id, 0) for guild_id in wanted}

    def prune(self, guild_id: GuildId, kept_for: timedelta = KEPT_FOR) -> int:
        """Remove the events older than this; says how many. Numbers are never used again."""
        old = delete(GuildEvents).where(
            GuildEvents.guild_id == guild_id, GuildEvents.at < self._database.now() - kept_for
        )
        with self._database.transaction(guild_id) as session:
            return session.execute(old).rowcount

    def prune_everywhere(self, kept_for: timedelta = KEPT_FOR) -> int:
        """Remove the events older than this in every guild that has some; only a worker may."""
        before = self._database.now() - kept_for
        with self._database.transaction(None) as session:
            guild_ids = session.scalars(select(func.kovra_guilds_with_events_before(before))).all()
        return sum(self.prune(GuildId(guild_id), kept_for) for guild_id in guild_ids)


def _event(row: Row[Any]) -> Event:
    return Event(
        guild_id=GuildId(row.guild_id),
        seq=row.seq,
        kind=row.kind,
        request_id=row.request_id,
        facts=MappingProxyType(row.facts),
        at=row.at,
    )
