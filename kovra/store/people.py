"""Who a user is to a guild: as rights see them, and by what name people know them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, DateTime, Row, and_, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import Session

from kovra.actions.rights import Capability, Limit, Person
from kovra.ids import GuildId, UserId
from kovra.store.tables import Bans, CapabilityGrants, Members, ModCases, Roles

#: A grant of a capability that a later version made and this one does not know gives nothing.
_CAPABILITIES = frozenset(capability.value for capability in Capability)


def roles_of_member() -> ColumnElement[bool]:
    """Joins a member to their roles; everyone has @everyone, whose id is the guild's."""
    return and_(
        Roles.guild_id == Members.guild_id,
        or_(Roles.role_id == func.any(Members.role_ids), Roles.role_id == Members.guild_id),
    )


# Every action and every page asks these. Built once, with columns instead of whole rows, they cost a third.
_GUILD_ID, _USER_ID = bindparam("guild_id", type_=BigInteger), bindparam("user_id", type_=BigInteger)
_MEMBERS = (
    select(
        Members.user_id,
        Members.username,
        Members.global_name,
        Members.nick,
        Members.bot,
        Members.timed_out_until,
        Members.gone_at,
        func.coalesce(func.max(Roles.position), 0).label("rank"),
        func.coalesce(func.bit_or(Roles.permissions), 0).label("permissions"),
    )
    .outerjoin(Roles, roles_of_member())
    .where(Members.guild_id == _GUILD_ID, Members.user_id == any_(bindparam("user_ids", type_=ARRAY(BigInteger))))
    .group_by(Members.guild_id, Members.user_id)
)
_THEIR_ROLES = select(func.unnest(Members.role_ids)).where(Members.guild_id == _GUILD_ID, Members.user_id == _USER_ID)
_GRANTS = select(CapabilityGrants.capability, CapabilityGrants.longest_s, CapabilityGrants.largest_batch).where(
    CapabilityGrants.guild_id == _GUILD_ID,
    or_(
        CapabilityGrants.user_id == _USER_ID,
        CapabilityGrants.role_id == _GUILD_ID,
        CapabilityGrants.role_id.in_(_THEIR_ROLES),
    ),
    or_(
        CapabilityGrants.ends_at.is_(None),
        CapabilityGrants.ends_at > bindparam("now", type_=DateTime(timezone=True)),
    ),
)


def people(session: Session, guild_id: GuildId, user_ids: Iterable[UserId], now: datetime) -> dict[UserId, Person]:
    """These users as the guild sees them now; someone the mirror does not know is a stranger with their id as name."""
    wanted = list(dict.fromkeys(user_ids))
    rows = session.connection().execute(_MEMBERS, {"guild_id": guild_id, "user_ids": wanted})
    found = {UserId(row.user_id): _person(row, now) for row in rows}
    strangers = [user_id for user_id in wanted if user_id not in found]
    names = names_of_strangers(session, guild_id, strangers) if strangers else {}
    return found | {
        user_id: Person(user_id=user_id, name=names.get(user_id, str(user_id)), member=False) for user_id in strangers
    }


def _person(row: Row[Any], now: datetime) -> Person:
    member = row.gone_at is None
    return Person(
        user_id=UserId(row.user_id),
        name=shown_name(row),
        member=member,
        permissions=row.permissions if member else 0,
        rank=row.rank if member else 0,
        bot=row.bot,
        timed_out=row.timed_out_until is not None and row.timed_out_until > now,
    )


def shown_name(row: Members | Bans | Row[Any]) -> str:
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
    held = session.connection().execute(_GRANTS, {"guild_id": guild_id, "user_id": user_id, "now": now})
    grants: dict[Capability, Limit] = {}
    for grant in held:
        if grant.capability in _CAPABILITIES:
            capability = Capability(grant.capability)
            limit = Limit(longest_s=grant.longest_s, largest_batch=grant.largest_batch)
            grants[capability] = _wider(grants[capability], limit) if capability in grants else limit
    return grants


def _wider(one: Limit, other: Limit) -> Limit:
    return Limit(
        longest_s=_more(one.longest_s, other.longest_s),
        largest_batch=_more(one.largest_batch, other.largest_batch),
    )


def _more(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
