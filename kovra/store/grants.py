"""What a server's admins give to a Discord role beside what its permissions give: shown, and changed on record.

Nobody gives or takes away what they lack, and no change may cost its own author the capability ``settings``. Both are
asked inside the transaction, which changes of settings of one server enter one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import Capability, Limit, Person, capabilities
from kovra.ids import GuildId, RoleId, UserId, new_request_id
from kovra.store.audit import AuditLog
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.guilds import GuildScope, scope_for
from kovra.store.settings import CHANGED_MEANWHILE, TAKES_SETTINGS, Problems, always, locked_settings
from kovra.store.tables import CapabilityGrants, Guilds, Roles

Granted = Mapping[Capability, Limit]

NO_SUCH_ROLE = "This role is not there any more, or belongs to an integration: choose another."
LACKING = "You lack it yourself, so you can neither give nor take it away. Ask somebody who has it."
WIDER = "You hold it with a limit and cannot give it with a wider one."
LOCKED_OUT = (
    "Not kept: it would take away your own capability “settings”, and you could not undo it. Ask another admin to do "
    "it, or give it to another of your roles first."
)
_NOBODY = UserId(0)


@dataclass(frozen=True, kw_only=True)
class RoleGrants:
    """A role: what Discord gives whoever has it, @everyone's permissions included, and what Kovra gives beside that."""

    role_id: RoleId
    name: str
    by_discord: frozenset[Capability]
    granted: Granted


class _LockedOut(Exception):
    """The change is taken back."""


class Grants:
    """Read and change what roles are given."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database, self._audit = database, AuditLog(database, audit_key)

    def roles(self, scope: GuildScope) -> list[RoleGrants]:
        """Every role that people are given by hand, the highest first."""
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            rows = session.scalars(select(Roles).where(Roles.guild_id == scope.guild_id)).all()
            granted = _granted(session, scope.guild_id, now)
        common = next((row.permissions for row in rows if row.role_id == scope.guild_id), 0)
        return [
            RoleGrants(
                role_id=RoleId(row.role_id),
                name=row.name,
                by_discord=_by_discord(row.permissions | common, scope.owner_id),
                granted=granted.get(RoleId(row.role_id), {}),
            )
            for row in sorted(rows, key=lambda row: (-row.position, row.role_id))
            if _given_by_hand(row, scope.guild_id)
        ]

    def change(
        self, scope: GuildScope, role_id: RoleId, wanted: Granted, still: Callable[[Granted], bool] = always
    ) -> Problems:
        """Let this role be given exactly these.

        Returns:
            What stands in the way, by capability or ``form``; then nothing is changed. Empty: it is kept.
        """
        try:
            with self._database.transaction(scope.guild_id) as session:
                return self._change(session, scope, role_id, wanted, still)
        except _LockedOut:
            return {"form": [LOCKED_OUT]}

    def _change(
        self, session: Session, scope: GuildScope, role_id: RoleId, wanted: Granted, still: Callable[[Granted], bool]
    ) -> Problems:
        guild_id, viewer_id = scope.guild_id, scope.viewer.user_id
        locked_settings(session, self._database, guild_id)
        now, guild = self._database.read_now(session), session.get_one(Guilds, guild_id)
        # Rights of now: whoever went before may have taken them away.
        held = scope_for(session, guild, viewer_id, now)
        if held is None or not held.may(Capability.SETTINGS):
            return {"form": [TAKES_SETTINGS]}
        role = session.get(Roles, (guild_id, role_id))
        if role is None or not _given_by_hand(role, guild_id):
            return {"form": [NO_SUCH_ROLE]}
        before = _granted(session, guild_id, now).get(role_id, {})
        if not still(before):
            return {"form": [CHANGED_MEANWHILE]}
        changed = [one for one in Capability if before.get(one) != wanted.get(one)]
        problems = {one.value: [why] for one in changed if (why := _not_theirs(held, one, wanted.get(one)))}
        if problems or not changed:
            return problems
        row = CapabilityGrants
        ours = (row.guild_id == guild_id, row.role_id == role_id, row.capability.in_([one.value for one in changed]))
        session.connection().execute(delete(row).where(*ours))
        kept = [(one, wanted[one]) for one in changed if one in wanted]
        common = {"guild_id": guild_id, "role_id": role_id, "granted_by": viewer_id, "granted_at": now}
        for capability, limit in kept:
            bounds = {"longest_s": limit.longest_s, "largest_batch": limit.largest_batch}
            grant = {"grant_id": new_request_id(), "capability": capability.value, **bounds, **common}
            session.connection().execute(insert(row).values(grant))
        after = scope_for(session, guild, viewer_id, now)
        if after is None or not after.may(Capability.SETTINGS):
            raise _LockedOut
        append_event(session, guild_id, EventKind.SETTINGS_CHANGED, None, {})
        told = f"capabilities of the role {role.name}"
        facts = {"before": {told: _words(before)}, "after": {told: _words(wanted)}}
        entry = AuditEntry(guild_id=guild_id, kind=AuditKind.SETTINGS_CHANGED, actor_id=viewer_id, facts=facts)
        self._audit.append_in(session, entry)
        return {}


def _granted(session: Session, guild_id: GuildId, now: datetime) -> dict[RoleId, dict[Capability, Limit]]:
    """What each role is given now; grants are few, so all of the server are read."""
    row = CapabilityGrants
    in_force = select(row).where(
        row.guild_id == guild_id, row.role_id.is_not(None), or_(row.ends_at.is_(None), row.ends_at > now)
    )
    found: dict[RoleId, dict[Capability, Limit]] = {}
    for one in session.scalars(in_force):
        if one.capability in set(Capability) and one.role_id is not None:
            limit = Limit(longest_s=one.longest_s, largest_batch=one.largest_batch)
            found.setdefault(RoleId(one.role_id), {})[Capability(one.capability)] = limit
    return found


def _given_by_hand(role: Roles, guild_id: GuildId) -> bool:
    """Not @everyone, who are no staff, and none that an integration has for itself."""
    return role.role_id != guild_id and not role.managed


def _by_discord(permissions: int, owner_id: UserId) -> frozenset[Capability]:
    somebody = Person(user_id=_NOBODY, name="", member=True, permissions=permissions)
    return frozenset(capabilities(somebody, owner_id))


def _not_theirs(held: GuildScope, capability: Capability, wanted: Limit | None) -> str | None:
    """Why this person may not give, change or take away this."""
    if not held.may(capability):
        return LACKING
    own = held.capabilities[capability]
    if wanted is None or not (
        _wider(wanted.longest_s, own.longest_s) or _wider(wanted.largest_batch, own.largest_batch)
    ):
        return None
    return WIDER


def _wider(wanted: int | None, own: int | None) -> bool:
    return own is not None and (wanted is None or wanted > own)


def _words(granted: Granted) -> str:
    """What the record says a role is given."""
    return ", ".join(_word(one, granted[one]) for one in Capability if one in granted) or "none"


def _word(capability: Capability, limit: Limit) -> str:
    bounds = [f"at most {limit.longest_s // 3600} h"] if limit.longest_s is not None else []
    bounds += [f"at most {limit.largest_batch} at once"] if limit.largest_batch is not None else []
    return f"{capability.value} ({', '.join(bounds)})" if bounds else capability.value
