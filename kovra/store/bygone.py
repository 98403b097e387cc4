"""What members were before: names they had, how they came and went, how much they wrote.

Kept from when Guard came; what was before, nobody told it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Text,
    and_,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.orm import Session

from kovra.ids import GuildId, UserId, snowflake_ms
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.people import people
from kovra.store.tables import Bans, Joins, MemberDays, MemberNames, Members

_KINDS = ("username", "global_name", "nick")


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

    ``same_invite`` counts who else came by the same invite within an hour, ``same_hour`` who else came in that hour at
    all, and ``same_invite_banned`` how many that came by it are banned.
    """

    account_made_at: datetime
    age_at_join: timedelta | None
    joined_times: int
    pending: bool
    same_invite: int = 0
    same_hour: int = 0
    same_invite_banned: int = 0


@dataclass(frozen=True, kw_only=True)
class DayCount:
    """Messages of one day (UTC)."""

    day: date
    messages: int


class Bygone:
    """Read what somebody was before, for their profile."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def names(self, scope: GuildScope, user_id: UserId, limit: int = 50) -> list[FormerName]:
        """The names they had, the latest first."""
        row = MemberNames
        theirs = select(row).where(row.guild_id == scope.guild_id, row.user_id == user_id)
        with self._database.transaction(scope.guild_id) as session:
            found = session.scalars(theirs.order_by(row.until_at.desc(), row.kind).limit(limit))
            return [FormerName(kind=one.kind, name=one.name, until_at=one.until_at) for one in found]

    def joinings(self, scope: GuildScope, user_id: UserId, limit: int = 20) -> list[Joining]:
        """When and how they came, the latest first."""
        row = Joins
        theirs = select(row).where(row.guild_id == scope.guild_id, row.user_id == user_id)
        with self._database.transaction(scope.guild_id) as session:
            found = session.scalars(theirs.order_by(row.joined_at.desc()).limit(limit)).all()
            inviters = [UserId(one.inviter_id) for one in found if one.inviter_id is not None]
            known = people(session, scope.guild_id, inviters, self._database.read_now(session)) if inviters else {}
            return [
                Joining(
                    joined_at=one.joined_at,
                    left_at=one.left_at,
                    invite_code=one.invite_code,
                    inviter_id=UserId(one.inviter_id) if one.inviter_id is not None else None,
                    inviter_name=known[UserId(one.inviter_id)].name if one.inviter_id is not None else None,
                )
                for one in found
            ]

    def signals(self, scope: GuildScope, user_id: UserId) -> JoinSignals:
        """What stands out about their latest joining."""
        made_at = datetime.fromtimestamp(snowflake_ms(user_id) / 1000, UTC)
        row = Joins
        theirs = select(row).where(row.guild_id == scope.guild_id, row.user_id == user_id)
        with self._database.transaction(scope.guild_id) as session:
            joins = session.scalars(theirs.order_by(row.joined_at.desc())).all()
            member = session.get(Members, (scope.guild_id, user_id))
            joined_at = joins[0].joined_at if joins else member.joined_at if member else None
            others = _others(session, scope.guild_id, joins[0]) if joins else {}
            return JoinSignals(
                account_made_at=made_at,
                age_at_join=joined_at - made_at if joined_at else None,
                joined_times=max(len(joins), 1 if joined_at else 0),
                pending=bool(member and member.gone_at is None and member.pending),
                **others,
            )

    def messages(self, scope: GuildScope, user_id: UserId, days: int = 30) -> list[DayCount]:
        """How much they wrote on each of the last days on which they wrote at all, the latest first."""
        row = MemberDays
        with self._database.transaction(scope.guild_id) as session:
            since = self._database.read_now(session).astimezone(UTC).date() - timedelta(days=days - 1)
            theirs = select(row).where(row.guild_id == scope.guild_id, row.user_id == user_id, row.day >= since)
            found = session.scalars(theirs.order_by(row.day.desc()))
            return [DayCount(day=one.day, messages=one.messages) for one in found]


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


def _others(session: Session, guild_id: GuildId, latest: Joins) -> dict[str, int]:
    """How many came with them."""
    row, hour = Joins, timedelta(hours=1)
    around = and_(row.joined_at > latest.joined_at - hour, row.joined_at < latest.joined_at + hour)
    here = select(func.count(row.user_id.distinct())).where(row.guild_id == guild_id, row.user_id != latest.user_id)
    counts = {"same_hour": session.scalars(here.where(around)).one()}
    if latest.invite_code is not None:
        by_it = here.where(row.invite_code == latest.invite_code)
        counts["same_invite"] = session.scalars(by_it.where(around)).one()
        banned = tuple_(row.guild_id, row.user_id).in_(select(Bans.guild_id, Bans.user_id))
        counts["same_invite_banned"] = session.scalars(by_it.where(banned)).one()
    return counts
