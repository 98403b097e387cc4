"""What members were before: names they had, how they came and went, how much they wrote.

Kept from when Guard came; what was before, nobody told it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Text,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.orm import aliased

from kovra.actions.capabilities import Person
from kovra.ids import GuildId, UserId, snowflake_ms
from kovra.store.database import Database, run
from kovra.store.guilds import GuildScope
from kovra.store.people import as_json, people
from kovra.store.prepared import Prepared
from kovra.store.tables import Bans, Joins, MemberDays, MemberNames, Members

_KINDS = ("username", "global_name", "nick")
#: So many names, and so many joinings, a profile lists; so many others are looked at who came by the same invite.
NAMES, JOININGS, LOOKED_AT = 50, 20, 1_000


@dataclass(frozen=True, kw_only=True)
class FormerName:
    """A name that somebody had until then. ``kind``: ``username``, ``global_name`` (display name) or ``nick``."""

    kind: str
    name: str
    until_at: datetime


@dataclass(frozen=True, kw_only=True)
class Joining:
    """One time that somebody came in. ``invite_code`` is None when it could not be told."""

    joined_at: datetime
    left_at: datetime | None
    invite_code: str | None
    inviter_id: UserId | None
    inviter_name: str | None


@dataclass(frozen=True, kw_only=True)
class JoinSignals:
    """What stands out about how somebody came. ``age_at_join`` is how old their account was then.

    ``same_invite`` counts who else came by the same invite within an hour, ``same_invite_banned`` how many that came by
    it are banned; both among 1,000 at most.
    """

    account_made_at: datetime
    age_at_join: timedelta | None
    joined_times: int
    pending: bool
    same_invite: int = 0
    same_invite_banned: int = 0


@dataclass(frozen=True, kw_only=True)
class DayCount:
    """Messages of one day (UTC)."""

    day: date
    messages: int


@dataclass(frozen=True, kw_only=True)
class Past:
    """What somebody was before. ``names`` and ``joinings`` the latest first; ``messages`` of the last days on which
    they wrote at all, the latest first.
    """

    names: Sequence[FormerName]
    joinings: Sequence[Joining]
    signals: JoinSignals
    messages: Sequence[DayCount]


class Bygone:
    """Read what somebody was before, for their profile."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, scope: GuildScope, user_id: UserId, since: date) -> Past:
        """All of it, with the messages since this day (UTC)."""
        asked = {"guild_id": scope.guild_id, "user_id": user_id, "since": since}
        with self._database.transaction(scope.guild_id) as session:
            (found,) = run(session.connection(), _past(), asked)
            inviters = [UserId(one["inviter_id"]) for one in found.joinings if one["inviter_id"] is not None]
            known = people(session, scope.guild_id, inviters, self._database.moment(found.now)) if inviters else {}
        joinings = [_joining(one, known) for one in _latest(found.joinings, "joined_at")]
        names = [
            FormerName(kind=one["kind"], name=one["name"], until_at=datetime.fromisoformat(one["until_at"]))
            for one in _latest(found.names, "until_at")
        ]
        messages = [
            DayCount(day=date.fromisoformat(one["day"]), messages=one["messages"]) for one in _latest(found.days, "day")
        ]
        made_at = datetime.fromtimestamp(snowflake_ms(user_id) / 1000, UTC)
        joined_at = joinings[0].joined_at if joinings else found.joined_at
        signals = JoinSignals(
            account_made_at=made_at,
            age_at_join=joined_at - made_at if joined_at else None,
            joined_times=max(found.joined_times, 1 if joined_at else 0),
            pending=bool(found.pending),
            same_invite=found.same_invite,
            same_invite_banned=found.same_invite_banned,
        )
        return Past(names=names, joinings=joinings, signals=signals, messages=messages)


class BygoneKeeper:
    """Write down comings and goings and counts, as the bot hears them. Everything may come twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def joined(
        self,
        guild_id: GuildId,
        came: Sequence[tuple[UserId, datetime]],
        invite_code: str | None = None,
        inviter_id: UserId | None = None,
    ) -> None:
        """These came in, by this invite when it is known."""
        rows = [
            {"guild_id": guild_id, "user_id": user_id, "joined_at": at}
            | {"invite_code": invite_code, "inviter_id": inviter_id}
            for user_id, at in came
        ]
        write = insert(Joins).values(rows)
        known = {name: write.excluded[name] for name in ("invite_code", "inviter_id")} if invite_code else None
        key = ["guild_id", "user_id", "joined_at"]
        with self._database.transaction(guild_id) as session:
            session.execute(
                write.on_conflict_do_update(index_elements=key, set_=known)
                if known
                else write.on_conflict_do_nothing(index_elements=key)
            )

    def left(self, guild_id: GuildId, user_ids: Sequence[UserId]) -> None:
        """They went."""
        listed = func.any(literal(list(user_ids), ARRAY(BigInteger)))
        here = update(Joins).where(Joins.guild_id == guild_id, Joins.user_id == listed, Joins.left_at.is_(None))
        with self._database.transaction(guild_id) as session:
            session.connection().execute(here.values(left_at=self._database.now()))

    def wrote(self, guild_id: GuildId, counts: Mapping[tuple[UserId, date], int]) -> None:
        """So many messages more of each person and day."""
        rows = [
            {"guild_id": guild_id, "user_id": user_id, "day": day, "messages": messages}
            for (user_id, day), messages in sorted(counts.items())
        ]
        write = insert(MemberDays).values(rows)
        more = {"messages": MemberDays.messages + write.excluded.messages}
        with self._database.transaction(guild_id) as session:
            session.execute(write.on_conflict_do_update(index_elements=["guild_id", "user_id", "day"], set_=more))


def former_names(
    told: FromClause, guild_id: ColumnElement[int], now: ColumnElement[datetime], may: ColumnElement[bool]
) -> Insert:
    """Before these members are written, when they may be: the names that they have in the mirror and will lose."""
    changed = [getattr(Members, kind).is_distinct_from(told.c[kind]) for kind in _KINDS]
    # Joined once: of fifty thousand who are listed, few are called something else than before.
    pairs = (
        select(
            Members.guild_id,
            Members.user_id,
            *(getattr(Members, kind).label(f"{kind}_before") for kind in _KINDS),
            *(told.c[kind] for kind in _KINDS),
        )
        .join(told, told.c.user_id == Members.user_id)
        .where(Members.guild_id == guild_id, or_(*changed), may)
        .cte("pairs")
    )
    former = union_all(
        *(
            select(
                pairs.c.guild_id,
                pairs.c.user_id,
                literal(kind, Text).label("kind"),
                now.label("until_at"),
                pairs.c[f"{kind}_before"].label("name"),
            ).where(pairs.c[f"{kind}_before"].is_not(None), pairs.c[f"{kind}_before"].is_distinct_from(pairs.c[kind]))
            for kind in _KINDS
        )
    )
    names = ["guild_id", "user_id", "kind", "until_at", "name"]
    return insert(MemberNames).from_select(names, former).on_conflict_do_nothing()


@cache
def _past() -> Prepared:
    """All that the guild knows of somebody's past, in one row."""
    guild_id, user_id = bindparam("guild_id", type_=BigInteger), bindparam("user_id", type_=BigInteger)

    def theirs(row: Any) -> ColumnElement[bool]:
        return and_(row.guild_id == guild_id, row.user_id == user_id)

    called, came, wrote = MemberNames, Joins, MemberDays
    names = select(called.kind, called.name, called.until_at).where(theirs(called))
    joinings = select(came.joined_at, came.left_at, came.invite_code, came.inviter_id).where(theirs(came))
    days = select(wrote.day, wrote.messages).where(theirs(wrote), wrote.day >= bindparam("since", type_=Date))
    here = and_(theirs(Members), Members.gone_at.is_(None))
    return Prepared(
        select(
            as_json(names.order_by(called.until_at.desc()).limit(NAMES).subquery("n"), "names"),
            as_json(joinings.order_by(came.joined_at.desc()).limit(JOININGS).subquery("j"), "joinings"),
            as_json(days.subquery("d"), "days"),
            select(func.count()).where(theirs(came)).scalar_subquery().label("joined_times"),
            select(Members.joined_at).where(theirs(Members)).scalar_subquery().label("joined_at"),
            select(Members.pending).where(here).scalar_subquery().label("pending"),
            func.clock_timestamp().label("now"),
            *_others(joinings.order_by(came.joined_at.desc()).limit(1).cte("latest"), guild_id, user_id),
        )
    )


def _others(latest: CTE, guild_id: Any, user_id: Any) -> Iterator[ColumnElement[int]]:
    """How many came by the invite of the latest joining, within an hour, and how many of the last that did are banned.

    Everybody may have come by the one invite of a server, so only the last of them are looked at.
    """
    row, hour = aliased(Joins), timedelta(hours=1)
    by_it = and_(row.guild_id == guild_id, row.invite_code == latest.c.invite_code, row.user_id != user_id)
    around = and_(row.joined_at > latest.c.joined_at - hour, row.joined_at < latest.c.joined_at + hour)
    lately = select(row.user_id).where(by_it).order_by(row.joined_at.desc()).limit(LOOKED_AT).lateral("lately")
    near = select(row.user_id).where(by_it, around).limit(LOOKED_AT).lateral("near")
    for name, some, only in (
        ("same_invite", near, true()),
        ("same_invite_banned", lately, lately.c.user_id.in_(select(Bans.user_id).where(Bans.guild_id == guild_id))),
    ):
        counted = select(func.count(some.c.user_id.distinct())).select_from(latest.join(some, true())).where(only)
        yield counted.scalar_subquery().label(name)


def _joining(facts: Mapping[str, Any], known: Mapping[UserId, Person]) -> Joining:
    inviter_id = UserId(facts["inviter_id"]) if facts["inviter_id"] is not None else None
    return Joining(
        joined_at=datetime.fromisoformat(facts["joined_at"]),
        left_at=datetime.fromisoformat(facts["left_at"]) if facts["left_at"] else None,
        invite_code=facts["invite_code"],
        inviter_id=inviter_id,
        inviter_name=known[inviter_id].name if inviter_id is not None else None,
    )


def _latest(facts: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """The latest first; a moment in JSON has no fixed number of letters."""
    return sorted(facts, key=lambda one: datetime.fromisoformat(one[name]), reverse=True)
