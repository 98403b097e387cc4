"""What was heard on a server until it is posted: kept by the bot, taken and forgotten by the worker.

Texts of members are among it, so nothing stays here once it has been posted, or is not wanted any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.guard.deleters import Deleter
from kovra.guard.heard import GATHERED, MOST_HEARD, MOST_WAITING, Heard
from kovra.guard.log_channels import HEARD, EventClass, LogChannels
from kovra.ids import ChannelId, GuildId, UserId, derived_request_id, new_request_id
from kovra.store.database import Database
from kovra.store.log_credits import OwnDeed, deleted_by_guard, removed
from kovra.store.mirror import MemberRow
from kovra.store.tables import LogEvents, Members

_NAMES = ("username", "global_name", "nick")


class LogEventKeeper:
    """Write down what the bot hears, in guilds that want it posted. Everything may come twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wanted(self) -> dict[GuildId, frozenset[EventClass]]:
        """What each guild has chosen a channel for; guilds that chose none are left out."""
        with self._database.transaction(None) as session:
            rows = session.execute(select(func.kovra_log_channels().table_valued("guild_id", "log_channels"))).all()
        return {
            GuildId(guild_id): frozenset(EventClass(one) for one, where in chosen.items() if where) & HEARD
            for guild_id, chosen in rows
        }

    def keep(self, guild_id: GuildId, heard: Sequence[Heard]) -> None:
        """Keep these. Of what is more than a guild may have waiting, only how many there were."""
        with self._database.transaction(guild_id) as session:
            _keep(session, guild_id, heard)

    def left(self, guild_id: GuildId, heard: Sequence[Heard]) -> None:
        """Keep that these left, with what the mirror knows of them."""
        row = Members
        theirs = select(row.user_id, row.joined_at).where(
            row.guild_id == guild_id, row.user_id.in_([one.user_id for one in heard])
        )
        with self._database.transaction(guild_id) as session:
            joined = {user_id: at.isoformat() for user_id, at in session.execute(theirs) if at is not None}
            _keep(
                session,
                guild_id,
                [replace(one, facts={**one.facts, "joined_at": joined.get(one.user_id)}) for one in heard],
            )

    def credit(self, guild_id: GuildId, deleters: Mapping[UUID, Deleter]) -> None:
        """Keep who deleted these. What is being posted already stays as it reads."""
        row = LogEvents
        with self._database.transaction(guild_id) as session:
            for event_id, deleter in deleters.items():
                mine = update(row).where(row.guild_id == guild_id, row.event_id == event_id, row.post_id.is_(None))
                session.connection().execute(mine.values(facts=row.facts.concat(deleter.facts)))

    def changed(self, guild_id: GuildId, member: MemberRow, at: datetime, classes: Collection[EventClass]) -> None:
        """Keep what is new about a member. To be called before the mirror has it."""
        with self._database.transaction(guild_id) as session:
            before = session.get(Members, (guild_id, member.user_id))
            if before is None or before.gone_at is not None:
                return
            found = {EventClass.NAMES: _renamed(before, member), EventClass.ROLES: _other_roles(before, member)}
            heard = [
                Heard(
                    event_id=new_request_id(),
                    guild_id=guild_id,
                    event_class=event_class,
                    at=at,
                    user_id=member.user_id,
                    user_name=member.nick or member.global_name or member.username,
                    facts=facts,
                )
                for event_class, facts in found.items()
                if facts and event_class in classes
            ]
            _keep(session, guild_id, heard)


def gather(
    session: Session, guild_id: GuildId, channels: LogChannels, free: Collection[EventClass], now: datetime
) -> tuple[UUID, EventClass, ChannelId] | None:
    """Put what was heard into a new post: the oldest, and those after it for the same channel, ten at most.

    What a guild does not want any more is forgotten. The latest waits a moment for company.
    """
    row = LogEvents
    mine = (row.guild_id == guild_id, row.post_id.is_(None))
    unwanted = [one.value for one in HEARD if channels.of(one) is None]
    if unwanted:
        session.connection().execute(delete(row).where(*mine, row.event_class.in_(unwanted)))
    ready = [one.value for one in HEARD if one in free and channels.of(one) is not None]
    waiting = select(row.event_id, row.event_class, row.at).where(*mine, row.event_class.in_(ready))
    found = session.execute(waiting.order_by(row.at, row.event_id).limit(50).with_for_update(skip_locked=True)).all()
    if not found or found[0].at > now - GATHERED:
        return None
    event_class = EventClass(found[0].event_class)
    channel_id = channels.of(event_class)
    together = [one.event_id for one in found if channels.of(EventClass(one.event_class)) == channel_id][:MOST_HEARD]
    post_id = derived_request_id(int(now.timestamp() * 1000), "heard", together[0])
    session.connection().execute(update(row).where(*mine, row.event_id.in_(together)).values(post_id=post_id))
    assert channel_id is not None  # ready classes have one
    return post_id, event_class, channel_id


def heard_of(session: Session, guild_id: GuildId, post_id: UUID) -> tuple[Heard, ...]:
    """What a post shows. Who was removed by a case is told with it, and what was deleted by one."""
    row = LogEvents
    theirs = select(row).where(row.guild_id == guild_id, row.post_id == post_id).order_by(row.at, row.event_id)
    rows = session.scalars(theirs).all()
    by_class = {one: [each for each in rows if each.event_class == one.value] for one in HEARD}
    by_case = removed(session, guild_id, by_class[EventClass.LEAVES])
    own = deleted_by_guard(session, guild_id, by_class[EventClass.DELETIONS])
    return tuple(_heard(one, by_case.get(one.event_id), own.get(one.event_id)) for one in rows)


def _heard(one: LogEvents, case_no: int | None, own: OwnDeed | None) -> Heard:
    facts = one.facts
    if own is not None:
        case_no, facts = own.case_no, {**facts, "asked_by": str(own.moderator_id)}
    return Heard(
        event_id=one.event_id,
        guild_id=GuildId(one.guild_id),
        event_class=EventClass(one.event_class),
        at=one.at,
        user_id=UserId(one.user_id) if one.user_id is not None else None,
        user_name=one.user_name,
        channel_id=ChannelId(one.channel_id) if one.channel_id is not None else None,
        facts=facts,
        case_no=case_no,
    )


def forget(session: Session, guild_id: GuildId, post_id: UUID) -> None:
    """It was posted, or will not be."""
    session.connection().execute(delete(LogEvents).where(LogEvents.guild_id == guild_id, LogEvents.post_id == post_id))


def _keep(session: Session, guild_id: GuildId, heard: Sequence[Heard]) -> None:
    if not heard:
        return
    row = LogEvents
    some = select(row.event_id).where(row.guild_id == guild_id).limit(MOST_WAITING).subquery()
    room = MOST_WAITING - session.scalars(select(func.count()).select_from(some)).one()
    kept, beyond = heard[: max(room, 0)], heard[max(room, 0) :]
    if kept:
        session.execute(insert(row).values([_row(one) for one in kept]).on_conflict_do_nothing())
    counts: dict[tuple[EventClass, int], list[Heard]] = {}
    for one in beyond:
        counts.setdefault((one.event_class, int(one.at.timestamp()) // 60), []).append(one)
    for (event_class, minute), some_more in counts.items():
        first = some_more[0]
        sum_up = Heard(
            event_id=derived_request_id(minute * 60_000, "missed", guild_id, event_class),
            guild_id=guild_id,
            event_class=event_class,
            at=first.at,
            facts={"missed": len(some_more)},
        )
        write = insert(row).values(_row(sum_up))
        more = func.jsonb_build_object("missed", row.facts["missed"].as_integer() + len(some_more))
        session.execute(write.on_conflict_do_update(index_elements=["event_id"], set_={"facts": more}))


def _row(heard: Heard) -> dict[str, Any]:
    return {
        "event_id": heard.event_id,
        "guild_id": heard.guild_id,
        "event_class": heard.event_class.value,
        "at": heard.at,
        "user_id": heard.user_id,
        "user_name": heard.user_name,
        "channel_id": heard.channel_id,
        "facts": dict(heard.facts),
    }


def _renamed(before: Members, member: MemberRow) -> Mapping[str, Any]:
    changed = {
        kind: [getattr(before, kind), getattr(member, kind)]
        for kind in _NAMES
        if getattr(before, kind) != getattr(member, kind)
    }
    return {"changed": changed} if changed else {}


def _other_roles(before: Members, member: MemberRow) -> Mapping[str, Any]:
    # @everyone has the guild's id, and stands in some lists of roles and not in others.
    had, has = set(before.role_ids) - {before.guild_id}, set(member.role_ids) - {before.guild_id}
    given, taken = sorted(has - had), sorted(had - has)
    return {"given": [str(one) for one in given], "taken": [str(one) for one in taken]} if given or taken else {}
