"""Who a user is to a guild: as rights see them, and by what name people know them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from kovra.actions.rights import Capability, Limit, Person
from kovra.ids import GuildId, UserId
from kovra.store.tables import Bans, CapabilityGrants, Members, ModCases, Roles

#: A grant of a capability that a later version made and this one does not know gives nothing.
_CAPABILITIES = frozenset(capability.value for capability in Capability)


def people(session: Session, guild_id: GuildId, user_ids: Iterable[UserId], now: datetime) -> dict[UserId, Person]:
    """These users as the guild sees them now; someone the mirror does not know is a stranger with their id as name."""
    wanted = list(dict.fromkeys(user_ids))
    found = {person.user_id: person for person in _members(session, guild_id, wanted, now)}
    for user_id in wanted:
        if user_id not in found:
            found[user_id] = Person(user_id=user_id, name=name_of(session, guild_id, user_id), member=False)
    return found


def _members(session: Session, guild_id: GuildId, user_ids: list[UserId], now: datetime) -> Iterable[Person]:
    standing = (
        select(
            Members,
            func.coalesce(func.max(Roles.position), 0),
            func.coalesce(func.bit_or(Roles.permissions), 0),
        )
        .outerjoin(Roles, roles_of_member())
        .where(Members.guild_id == guild_id, Members.user_id.in_(user_ids))
        .group_by(Members.guild_id, Members.user_id)
    )
    for row, rank, permissions in session.execute(standing):
        member = row.gone_at is None
        yield Person(
            user_id=UserId(row.user_id),
            name=shown_name(row),
            member=member,
            permissions=permissions if member else 0,
            rank=rank if member else 0,
            bot=row.bot,
            timed_out=row.timed_out_until is not None and row.timed_out_until > now,
        )


def roles_of_member() -> ColumnElement[bool]:
    """Joins a member to their roles; everyone has @everyone, whose id is the guild's."""
    return and_(
        Roles.guild_id == Members.guild_id,
        or_(Roles.role_id == func.any(Members.role_ids), Roles.role_id == Members.guild_id),
    )


def shown_name(row: Members | Bans) -> str:
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


def grants_of(session: Session, guild_id: GuildId, user_id: UserId, now: datetime) -> dict[Capability, Limit]:
    """What Kovra's own grants give this member, through a role or in person; of several the widest counts."""
    member = session.get(Members, (guild_id, user_id))
    role_ids = [*(member.role_ids if member else []), int(guild_id)]
    row = CapabilityGrants
    held = select(row).where(
        row.guild_id == guild_id,
        or_(row.user_id == user_id, row.role_id.in_(role_ids)),
        or_(row.ends_at.is_(None), row.ends_at > now),
    )
    grants: dict[Capability, Limit] = {}
    for grant in session.scalars(held):
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
