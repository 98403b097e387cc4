"""The record of a guild as people look through it: filtered, a page at a time, with names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from kovra.ids import UserId
from kovra.store.audit import StoredEntry
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.people import people
from kovra.store.tables import AuditLogRows


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Which entries: of these kinds, by this person, from and before these moments, about this request. None is any."""

    kinds: Collection[str] | None = None
    actor_id: UserId | None = None
    start: datetime | None = None
    end: datetime | None = None
    request_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class AuditPage:
    """A page of the record, newest first. ``names``: everybody an entry names, as the guild knows them now."""

    entries: Sequence[StoredEntry]
    names: Mapping[UserId, str]
    newer: bool
    older: bool


#: Facts that name a person.
_PEOPLE = ("target_id", "moderator_id", "user_id", "for_user_id")


class AuditPages:
    """Read the record. Only with ``view_audit``; the page's policy asks first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        scope: GuildScope,
        wanted: AuditFilter,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
    ) -> AuditPage:
        """The entries before or after a number, else the newest. Pages stay where they are while entries are added."""
        row, listed = AuditLogRows, _matching(scope, wanted)
        if after is not None:
            asked = listed.where(row.number > after).order_by(row.number.asc())
        else:
            asked = listed.order_by(row.number.desc())
            if before is not None:
                asked = asked.where(row.number < before)
        with self._database.transaction(scope.guild_id) as session:
            found = session.scalars(asked.limit(limit + 1)).all()
            shown = sorted(found[:limit], key=lambda one: one.number, reverse=True)
            more = len(found) > limit
            newer = older = more
            if shown and after is not None:
                older = bool(session.scalars(listed.where(row.number < shown[-1].number).limit(1)).all())
            elif shown:
                newer = before is not None and bool(
                    session.scalars(listed.where(row.number > shown[0].number).limit(1)).all()
                )
            entries = [
                StoredEntry(
                    number=one.number,
                    kind=one.kind,
                    actor_id=UserId(one.actor_id) if one.actor_id is not None else None,
                    facts=one.facts,
                    written_at=one.written_at,
                )
                for one in shown
            ]
            named = {user_id for entry in entries for user_id in _named(entry)}
            known = people(session, scope.guild_id, named, self._database.read_now(session)) if named else {}
        return AuditPage(
            entries=entries,
            names={user_id: person.name for user_id, person in known.items()},
            newer=newer,
            older=older,
        )


def _matching(scope: GuildScope, wanted: AuditFilter) -> Select[tuple[AuditLogRows]]:
    row = AuditLogRows
    listed = select(row).where(row.guild_id == scope.guild_id)
    if wanted.kinds is not None:
        listed = listed.where(row.kind.in_(list(wanted.kinds)))
    if wanted.actor_id is not None:
        listed = listed.where(row.actor_id == wanted.actor_id)
    if wanted.start is not None:
        listed = listed.where(row.written_at >= wanted.start)
    if wanted.end is not None:
        listed = listed.where(row.written_at < wanted.end)
    if wanted.request_id is not None:
        listed = listed.where(row.facts["request_id"].astext == str(wanted.request_id))
    return listed


def _named(entry: StoredEntry) -> list[UserId]:
    told: list[Any] = [entry.facts.get(name) for name in _PEOPLE]
    found = [UserId(int(one)) for one in told if isinstance(one, str) and one.isdigit() and len(one) < 20]
    return found if entry.actor_id is None else [entry.actor_id, *found]
