"""What a server's admins give to a Discord role or to a person beside what Discord gives: shown, and changed on record.

Nobody gives or takes away what they lack, gives it for longer than they have it, or gives anything to themselves; no
change may cost its own author the capability ``settings``. All of it is asked inside the transaction, which changes of
settings of one server enter one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import Capability, Limit, Person, capabilities
from kovra.ids import GuildId, RoleId, UserId, new_request_id
from kovra.store.audit import AuditLog
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.guilds import GuildScope, scope_for
from kovra.store.people import people
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
NO_SUCH_PERSON = "They are no member of this server now, or a bot: only members are given something."
OWN = "What you are given yourself only another admin can change. Ask one."
LONGER = "You hold it for a time yourself and cannot give it for longer."
_NOBODY = UserId(0)
#: When what has no end ends.
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class RoleGrants:
    """A role: what Discord gives whoever has it, @everyone's permissions included, and what Kovra gives beside that."""

    role_id: RoleId
    name: str
    by_discord: frozenset[Capability]
    granted: Granted


@dataclass(frozen=True, kw_only=True)
class PersonGrants:
    """A person: what Discord gives them, and what Kovra gives them by name. ``ends``: what of it ends, and when."""

    user_id: UserId
    name: str
    member: bool
    by_discord: frozenset[Capability]
    granted: Granted
    ends: Mapping[Capability, datetime]


@dataclass(frozen=True, kw_only=True)
class _Holder:
    """Whom a change is about: the column that names them, their id, and how the record calls them."""

    column: str
    holder_id: int
    told: str


@dataclass(frozen=True, kw_only=True)
class _Given:
    """One capability as it is given."""

    limit: Limit
    ends_at: datetime | None


class _LockedOut(Exception):
    """The change is taken back."""


class Grants:
    """Read and change what roles and people are given."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database, self._audit = database, AuditLog(database, audit_key)

    def roles(self, scope: GuildScope) -> list[RoleGrants]:
        """Every role that people are given by hand, the highest first."""
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            rows = session.scalars(select(Roles).where(Roles.guild_id == scope.guild_id)).all()
            granted = _granted(session, scope.guild_id, now, "role_id")
        common = next((row.permissions for row in rows if row.role_id == scope.guild_id), 0)
        return [
            RoleGrants(
                role_id=RoleId(row.role_id),
                name=row.name,
                by_discord=_by_discord(row.permissions | common, scope.owner_id),
                granted=_limits(granted.get(row.role_id, {})),
            )
            for row in sorted(rows, key=lambda row: (-row.position, row.role_id))
            if _given_by_hand(row, scope.guild_id)
        ]

    def people(self, scope: GuildScope) -> list[PersonGrants]:
        """Everybody who is given something by name, also who has left: it is theirs again when they come back."""
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            granted = _granted(session, scope.guild_id, now, "user_id")
            found = people(session, scope.guild_id, map(UserId, granted), now)
        return sorted((_person_grants(scope, one, granted[one.user_id]) for one in found.values()), key=_by_name)

    def person(self, scope: GuildScope, user_id: UserId) -> PersonGrants | None:
        """One person, who may be given something or has been; None: somebody else."""
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            granted = _granted(session, scope.guild_id, now, "user_id").get(user_id, {})
            found = people(session, scope.guild_id, [user_id], now)[user_id]
        return _person_grants(scope, found, granted) if granted or _may_be_given(found) else None

    def change(
        self, scope: GuildScope, role_id: RoleId, wanted: Granted, still: Callable[[Granted], bool] = always
    ) -> Problems:
        """Let this role be given exactly these.

        Returns:
            What stands in the way, by capability or ``form``; then nothing is changed. Empty: it is kept.
        """

        def find(session: Session, _: datetime) -> _Holder | str:
            role = session.get(Roles, (scope.guild_id, role_id))
            if role is None or not _given_by_hand(role, scope.guild_id):
                return NO_SUCH_ROLE
            return _Holder(column="role_id", holder_id=role_id, told=f"capabilities of the role {role.name}")

        def given(_: Mapping[Capability, _Given], now: datetime) -> dict[Capability, _Given]:
            return {one: _Given(limit=limit, ends_at=None) for one, limit in wanted.items()}

        return self._changed(scope, find, given, lambda before: still(_limits(before)))

    def change_person(
        self,
        scope: GuildScope,
        user_id: UserId,
        wanted: Granted,
        lasts: timedelta | None,
        still: Callable[[Granted], bool] = always,
        *,
        keep_ends: bool = False,
    ) -> Problems:
        """Let this person be given exactly these, for so long from now; None: until somebody takes it away.

        ``keep_ends``: what they have keeps its end, and only what is new gets this one. What the writer lacks keeps it
        anyway. Returns as :meth:`change`.
        """

        def find(session: Session, now: datetime) -> _Holder | str:
            person = people(session, scope.guild_id, [user_id], now)[user_id]
            if user_id == scope.viewer.user_id:
                return OWN
            # From who has left it can be taken away.
            if not _may_be_given(person) and (wanted or person.bot):
                return NO_SUCH_PERSON
            return _Holder(column="user_id", holder_id=user_id, told=f"capabilities of {person.name} ({user_id})")

        def given(before: Mapping[Capability, _Given], now: datetime) -> dict[Capability, _Given]:
            ends_at = None if lasts is None else now + lasts
            return {
                one: _Given(
                    limit=limit,
                    ends_at=before[one].ends_at if one in before and (keep_ends or not scope.may(one)) else ends_at,
                )
                for one, limit in wanted.items()
            }

        return self._changed(scope, find, given, lambda before: still(_limits(before)))

    def _changed(self, scope: GuildScope, *how: Any) -> Problems:
        try:
            with self._database.transaction(scope.guild_id) as session:
                return self._change(session, scope, *how)
        except _LockedOut:
            return {"form": [LOCKED_OUT]}

    def _change(
        self,
        session: Session,
        scope: GuildScope,
        find: Callable[[Session, datetime], _Holder | str],
        given: Callable[[Mapping[Capability, _Given], datetime], Mapping[Capability, _Given]],
        still: Callable[[Mapping[Capability, _Given]], bool],
    ) -> Problems:
        guild_id, viewer_id = scope.guild_id, scope.viewer.user_id
        locked_settings(session, self._database, guild_id)
        now, guild = self._database.read_now(session), session.get_one(Guilds, guild_id)
        # Rights of now: whoever went before may have taken them away.
        held = scope_for(session, guild, viewer_id, now)
        if held is None or not held.may(Capability.SETTINGS):
            return {"form": [TAKES_SETTINGS]}
        holder = find(session, now)
        if isinstance(holder, str):
            return {"form": [holder]}
        before = _granted(session, guild_id, now, holder.column).get(holder.holder_id, {})
        if not still(before):
            return {"form": [CHANGED_MEANWHILE]}
        wanted = given(before, now)
        changed = [one for one in Capability if before.get(one) != wanted.get(one)]
        problems = {one.value: [why] for one in changed if (why := _not_theirs(held, one, wanted.get(one)))}
        for one in changed:
            if one in wanted and one.value not in problems:
                then = scope_for(session, guild, viewer_id, wanted[one].ends_at or _NEVER)
                if then is None or _not_theirs(then, one, wanted[one]):
                    problems[one.value] = [LONGER]
        if problems or not changed:
            return problems
        row = CapabilityGrants
        ours = (row.guild_id == guild_id, getattr(row, holder.column) == holder.holder_id)
        session.connection().execute(delete(row).where(*ours, row.capability.in_([one.value for one in changed])))
        common = {"guild_id": guild_id, holder.column: holder.holder_id, "granted_by": viewer_id, "granted_at": now}
        for capability, grant in [(one, wanted[one]) for one in changed if one in wanted]:
            bounds = {"longest_s": grant.limit.longest_s, "largest_batch": grant.limit.largest_batch}
            values = {"grant_id": new_request_id(), "capability": capability.value, "ends_at": grant.ends_at, **bounds}
            session.connection().execute(insert(row).values({**values, **common}))
        after = scope_for(session, guild, viewer_id, now)
        if after is None or not after.may(Capability.SETTINGS):
            raise _LockedOut
        append_event(session, guild_id, EventKind.SETTINGS_CHANGED, None, {})
        facts = {"before": {holder.told: _words(before)}, "after": {holder.told: _words(wanted)}}
        entry = AuditEntry(guild_id=guild_id, kind=AuditKind.SETTINGS_CHANGED, actor_id=viewer_id, facts=facts)
        self._audit.append_in(session, entry)
        return {}


def _granted(session: Session, guild_id: GuildId, now: datetime, column: str) -> dict[int, dict[Capability, _Given]]:
    """What each role or person is given now, by id; grants are few, so all of the server are read."""
    row, named = CapabilityGrants, getattr(CapabilityGrants, column)
    in_force = select(row).where(
        row.guild_id == guild_id, named.is_not(None), or_(row.ends_at.is_(None), row.ends_at > now)
    )
    found: dict[int, dict[Capability, _Given]] = {}
    for one in session.scalars(in_force):
        if one.capability in set(Capability):
            limit = Limit(longest_s=one.longest_s, largest_batch=one.largest_batch)
            given = _Given(limit=limit, ends_at=one.ends_at)
            found.setdefault(getattr(one, column), {})[Capability(one.capability)] = given
    return found


def _limits(given: Mapping[Capability, _Given]) -> dict[Capability, Limit]:
    return {one: grant.limit for one, grant in given.items()}


def _person_grants(scope: GuildScope, person: Person, given: Mapping[Capability, _Given]) -> PersonGrants:
    return PersonGrants(
        user_id=person.user_id,
        name=person.name,
        member=person.member,
        by_discord=frozenset(capabilities(replace(person, timed_out=False), scope.owner_id)),
        granted=_limits(given),
        ends={one: grant.ends_at for one, grant in given.items() if grant.ends_at is not None},
    )


def _by_name(one: PersonGrants) -> tuple[str, int]:
    return one.name.casefold(), one.user_id


def _may_be_given(person: Person) -> bool:
    return person.member and not person.bot


def _given_by_hand(role: Roles, guild_id: GuildId) -> bool:
    """Not @everyone, who are no staff, and none that an integration has for itself."""
    return role.role_id != guild_id and not role.managed


def _by_discord(permissions: int, owner_id: UserId) -> frozenset[Capability]:
    somebody = Person(user_id=_NOBODY, name="", member=True, permissions=permissions)
    return frozenset(capabilities(somebody, owner_id))


def _not_theirs(held: GuildScope, capability: Capability, wanted: _Given | None) -> str | None:
    """Why this person may not give, change or take away this."""
    if not held.may(capability):
        return LACKING
    own = held.capabilities[capability]
    if wanted is None or not (
        _wider(wanted.limit.longest_s, own.longest_s) or _wider(wanted.limit.largest_batch, own.largest_batch)
    ):
        return None
    return WIDER


def _wider(wanted: int | None, own: int | None) -> bool:
    return own is not None and (wanted is None or wanted > own)


def _words(granted: Mapping[Capability, _Given]) -> str:
    """What the record says somebody is given."""
    return ", ".join(_word(one, granted[one]) for one in Capability if one in granted) or "none"


def _word(capability: Capability, given: _Given) -> str:
    limit = given.limit
    bounds = [f"at most {limit.longest_s // 3600} h"] if limit.longest_s is not None else []
    bounds += [f"at most {limit.largest_batch} at once"] if limit.largest_batch is not None else []
    bounds += [f"until {given.ends_at:%Y-%m-%d %H:%M} UTC"] if given.ends_at is not None else []
    return f"{capability.value} ({', '.join(bounds)})" if bounds else capability.value
