"""Who a user is to a guild: as rights see them, and by what name people know them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Row,
    Select,
    Subquery,
    and_,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Capability, Limit, Person
from kovra.ids import GuildId, UserId
from kovra.store.database import Database
from kovra.store.prepared import Prepared
from kovra.store.tables import Bans, CapabilityGrants, Channels, ClosedDms, Guilds, Members, ModCases, Roles

#: Whose DMs are closed may open them at any time and nobody tells Guard, so it asks again after so long.
CLOSED_FOR = timedelta(days=7)

#: A grant of a capability that a later version made and this one does not know gives nothing.
_CAPABILITIES = frozenset(capability.value for capability in Capability)


def roles_of_member() -> ColumnElement[bool]:
    """Joins a member to their roles; everyone has @everyone, whose id is the guild's."""
    return and_(
        Roles.guild_id == Members.guild_id,
        or_(Roles.role_id == func.any(Members.role_ids), Roles.role_id == Members.guild_id),
    )


# Every action and every page asks these. Built once, with columns instead of whole rows, they cost a third.
GUILD_ID, _USER_ID = bindparam("guild_id", type_=BigInteger), bindparam("user_id", type_=BigInteger)
_USER_IDS = bindparam("user_ids", type_=ARRAY(BigInteger))


# Who came back since has a new beginning.
_DMS_REFUSED_AT = (
    select(ClosedDms.refused_at)
    .where(
        ClosedDms.guild_id == Members.guild_id,
        ClosedDms.user_id == Members.user_id,
        or_(Members.joined_at.is_(None), ClosedDms.refused_at > Members.joined_at),
    )
    .scalar_subquery()
    .label("dms_refused_at")
)


def members_where(wanted: ColumnElement[bool]) -> Select[Any]:
    """Those members of the guild of ``GUILD_ID``, each with rank and permissions."""
    return (
        select(
            Members.user_id,
            Members.username,
            Members.global_name,
            Members.nick,
            Members.bot,
            Members.timed_out_until,
            Members.gone_at,
            _DMS_REFUSED_AT,
            func.coalesce(func.max(Roles.position), 0).label("rank"),
            func.coalesce(func.bit_or(Roles.permissions), 0).label("permissions"),
        )
        .outerjoin(Roles, roles_of_member())
        .where(Members.guild_id == GUILD_ID, wanted)
        .group_by(Members.guild_id, Members.user_id)
    )


def grants_to(user_id: ColumnElement[int], now: ColumnElement[datetime]) -> Select[Any]:
    """What the guild of ``GUILD_ID`` gives this member now, through a role or in person."""
    roles = select(func.unnest(Members.role_ids)).where(Members.guild_id == GUILD_ID, Members.user_id == user_id)
    roles = roles.correlate_except(Members)  # to the one row, where there are many
    return select(CapabilityGrants.capability, CapabilityGrants.longest_s, CapabilityGrants.largest_batch).where(
        CapabilityGrants.guild_id == GUILD_ID,
        or_(
            CapabilityGrants.user_id == user_id,
            CapabilityGrants.role_id == GUILD_ID,
            CapabilityGrants.role_id.in_(roles),
        ),
        or_(CapabilityGrants.ends_at.is_(None), CapabilityGrants.ends_at > now),
    )


_MEMBERS = members_where(Members.user_id == any_(_USER_IDS))
_GRANTS = grants_to(_USER_ID, bindparam("now", type_=DateTime(timezone=True)))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A guild, people of it, and the grants of the one who asks, at one moment. ``gone``: Guard was removed."""

    name: str
    member_count: int
    owner_id: UserId
    guard_id: UserId
    gone: bool
    people: Mapping[UserId, Person]
    grants: Mapping[Capability, Limit]


class Sight:
    """Looks at a guild and at people of it in one trip; rights are decided from nothing else."""

    def __init__(self, database: Database) -> None:
        self._database = database
        own = (Guilds.name, Guilds.member_count, Guilds.owner_id, Guilds.guard_id, Guilds.gone_at)
        guild = select(*own, database.now().label("now")).where(Guilds.guild_id == GUILD_ID).cte("guild")
        guard_id = select(guild.c.guard_id).scalar_subquery()
        members = members_where(or_(Members.user_id == any_(_USER_IDS), Members.user_id == guard_id)).subquery("m")
        grants = grants_to(_USER_ID, select(guild.c.now).scalar_subquery()).subquery("g")
        self._look = Prepared(select(guild, as_json(members, "members"), as_json(grants, "grants")))

    def see(self, guild_id: GuildId, asker_id: UserId, user_ids: Iterable[UserId]) -> Seen | None:
        """The guild with these people, Guard and the one who asks; None when it has never been mirrored."""
        wanted = [asker_id, *user_ids]
        asked = {"guild_id": guild_id, "user_id": asker_id, "user_ids": list(dict.fromkeys(wanted))}
        rows = self._database.once(guild_id, self._look, asked)
        if not rows:
            return None
        (guild,) = rows
        found = {UserId(facts["user_id"]): person_in(facts, guild.now) for facts in guild.members}
        guard_id = UserId(guild.guard_id)
        if unknown := [user_id for user_id in [*wanted, guard_id] if user_id not in found]:
            with self._database.transaction(guild_id) as session:
                found |= strangers(session, guild_id, unknown)
        return Seen(
            name=guild.name,
            member_count=guild.member_count,
            owner_id=UserId(guild.owner_id),
            guard_id=guard_id,
            gone=guild.gone_at is not None,
            people=found,
            grants=widest_in(guild.grants),
        )


def as_json(rows: Subquery, name: str) -> ColumnElement[Any]:
    """All rows of a subquery as one value."""
    listed = func.coalesce(func.jsonb_agg(func.to_jsonb(rows.table_valued())), literal([], JSONB), type_=JSONB)
    return select(listed).select_from(rows).scalar_subquery().label(name)


def person_in(member: Mapping[str, Any], now: datetime) -> Person:
    """The person in a row of :func:`members_where` that came as JSON."""
    moments = {name: member[name] for name in ("timed_out_until", "dms_refused_at")}
    read = {name: datetime.fromisoformat(at) if at else None for name, at in moments.items()}
    return _person(SimpleNamespace(**{**member, **read}), now)


def people(session: Session, guild_id: GuildId, user_ids: Iterable[UserId], now: datetime) -> dict[UserId, Person]:
    """These users as the guild sees them now; someone the mirror does not know is a stranger with their id as name."""
    wanted = list(dict.fromkeys(user_ids))
    rows = session.connection().execute(_MEMBERS, {"guild_id": guild_id, "user_ids": wanted})
    found = {UserId(row.user_id): _person(row, now) for row in rows}
    unknown = [user_id for user_id in wanted if user_id not in found]
    return found | strangers(session, guild_id, unknown) if unknown else found


def strangers(session: Session, guild_id: GuildId, user_ids: Sequence[UserId]) -> dict[UserId, Person]:
    """These users, whom the guild's mirror has never seen."""
    names = names_of_strangers(session, guild_id, user_ids)
    return {
        user_id: Person(user_id=user_id, name=names.get(user_id, str(user_id)), member=False) for user_id in user_ids
    }


def _person(row: Row[Any] | SimpleNamespace, now: datetime) -> Person:
    member = row.gone_at is None
    return Person(
        user_id=UserId(row.user_id),
        name=shown_name(row),
        member=member,
        permissions=row.permissions if member else 0,
        rank=row.rank if member else 0,
        bot=row.bot,
        timed_out=row.timed_out_until is not None and row.timed_out_until > now,
        dms_closed=row.dms_refused_at is not None and row.dms_refused_at > now - CLOSED_FOR,
    )


def shown_name(row: Members | Bans | Row[Any] | SimpleNamespace) -> str:
    """The name people see: nickname, else display name, else username."""
    return getattr(row, "nick", None) or row.global_name or row.username


def name_of(session: Session, guild_id: GuildId, user_id: UserId) -> str:
    """The best name the guild's records have: member (also one who left), ban, newest case, else the id."""
    for kept in (Members, Bans):
        row = session.get(kept, (guild_id, user_id))
        if row is not None:
            return shown_name(row)
    newest = (
        select(ModCases.target_name)
        .where(ModCases.guild_id == guild_id, ModCases.target_id == user_id)
        .order_by(ModCases.case_no.desc())
        .limit(1)
    )
    return session.scalars(newest).one_or_none() or str(user_id)


def names_of(session: Session, guild_id: GuildId, target_ids: Iterable[UserId], now: datetime) -> dict[UserId, str]:
    """What to call whom or what actions are about: people, this server's channels, and the server itself."""
    wanted = set(target_ids)
    if not wanted:
        return {}
    places = select(Channels.channel_id, Channels.name).where(
        Channels.guild_id == guild_id, Channels.channel_id.in_(wanted)
    )
    named = {UserId(row.channel_id): f"#{row.name}" for row in session.execute(places)}
    if guild_id in wanted:
        named[UserId(guild_id)] = session.scalars(select(Guilds.name).where(Guilds.guild_id == guild_id)).one()
    seen = people(session, guild_id, wanted - named.keys(), now)
    return named | {user_id: person.name for user_id, person in seen.items()}


def names_of_strangers(session: Session, guild_id: GuildId, user_ids: Sequence[UserId]) -> dict[UserId, str]:
    """The names that bans and cases have for people who were never seen as members; who has none is left out."""
    newest = (
        select(ModCases.target_id, ModCases.target_name)
        .where(ModCases.guild_id == guild_id, ModCases.target_id.in_(user_ids))
        .order_by(ModCases.target_id, ModCases.case_no.desc())
        .ext(distinct_on(ModCases.target_id))
    )
    banned = select(Bans.user_id, Bans.username, Bans.global_name).where(
        Bans.guild_id == guild_id, Bans.user_id.in_(user_ids)
    )
    names = {UserId(row.target_id): row.target_name for row in session.execute(newest)}
    return names | {UserId(row.user_id): shown_name(row) for row in session.execute(banned)}


def grants_of(session: Session, guild_id: GuildId, user_id: UserId, now: datetime) -> dict[Capability, Limit]:
    """What Kovra's own grants give this member, through a role or in person; of several the widest counts."""
    return _widest(session.connection().execute(_GRANTS, {"guild_id": guild_id, "user_id": user_id, "now": now}))


def widest_in(grants: Iterable[Mapping[str, Any]]) -> dict[Capability, Limit]:
    """What rows of :func:`grants_to` that came as JSON give together."""
    return _widest(SimpleNamespace(**grant) for grant in grants)


def _widest(held: Iterable[Row[Any] | SimpleNamespace]) -> dict[Capability, Limit]:
    grants: dict[Capability, Limit] = {}
    for grant in held:
        if grant.capability in _CAPABILITIES:
            capability = Capability(grant.capability)
            limit = Limit(longest_s=grant.longest_s, largest_batch=grant.largest_batch)
            grants[capability] = _wider(grants[capability], limit) if capability in grants else limit
    return grants


def grants_of_many(
    session: Session, guild_id: GuildId, user_ids: Collection[UserId], now: datetime
) -> dict[UserId, dict[Capability, Limit]]:
    """As :func:`grants_of`, for many: grants are few, so all of the guild are read. Who has none is left out."""
    row = CapabilityGrants
    in_force = select(row.user_id, row.role_id, row.capability, row.longest_s, row.largest_batch).where(
        row.guild_id == guild_id, or_(row.ends_at.is_(None), row.ends_at > now)
    )
    grants = session.execute(in_force).all()
    if not grants:
        return {}
    roles = select(Members.user_id, Members.role_ids).where(Members.guild_id == guild_id, Members.user_id.in_(user_ids))
    roles_of = {user_id: {guild_id, *role_ids} for user_id, role_ids in session.execute(roles)}

    def theirs(user_id: UserId) -> dict[Capability, Limit]:
        roles = roles_of.get(user_id, {guild_id})
        return _widest(grant for grant in grants if grant.user_id == user_id or grant.role_id in roles)

    return {user_id: held for user_id in user_ids if (held := theirs(user_id))}


def _wider(one: Limit, other: Limit) -> Limit:
    return Limit(
        longest_s=_more(one.longest_s, other.longest_s),
        largest_batch=_more(one.largest_batch, other.largest_batch),
    )


def _more(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
