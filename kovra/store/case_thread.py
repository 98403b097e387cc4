"""The thread of a case: who added or changed what, when, before and after. Append-only, chained guild by guild.

A case's own seal covers what was decided first; the first entry that changed a field says what it had been.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import BigInteger, Row, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.audit import GENESIS
from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.ids import GuildId, UserId
from kovra.store.database import Database, run
from kovra.store.prepared import Prepared
from kovra.store.tables import CaseThread, GuildCounters, ModCases

if TYPE_CHECKING:
    from kovra.store.guilds import GuildScope


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry. ``kind`` is the act (amend, void, resend, comment); ``before`` and ``after`` hold what it changed.

    Names are those at the time; ``ends_at`` in before and after is ISO text or None.
    """

    number: int
    case_no: int
    kind: Action
    author_id: UserId
    author_name: str
    text: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    written_at: datetime


class Threads:
    """Read the threads of cases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, scope: GuildScope, case_no: int) -> list[Entry]:
        """The thread of a case, oldest first. Comments are for holders of ``view_notes`` only, as notes are."""
        with self._database.transaction(scope.guild_id) as session:
            return thread_of(session, scope, case_no)

    def verify(self, guild_id: GuildId, key: bytes) -> int | None:
        """The number of the first entry that was altered, removed or inserted; None when all are as written."""
        head = select(GuildCounters).where(GuildCounters.guild_id == guild_id).with_for_update()
        entries = select(CaseThread).where(CaseThread.guild_id == guild_id).order_by(CaseThread.number)
        with self._database.transaction(guild_id) as session:
            counters = session.scalars(head).one_or_none()
            number, seal = 0, GENESIS
            for row in session.scalars(entries.execution_options(yield_per=1_000)):
                number += 1
                seal = _chain(key, seal, _digest(_entry(row), guild_id, row.request_id))
                if row.number != number or not hmac.compare_digest(row.seal, seal):
                    return number
            last, head_seal = (counters.last_entry, counters.entry_seal or GENESIS) if counters else (0, GENESIS)
            return None if (last, head_seal) == (number, seal) else min(last, number) + 1


def thread_of(session: Session, scope: GuildScope, case_no: int) -> list[Entry]:
    """As :meth:`Threads.of`, inside the caller's transaction."""
    asked = {"guild": scope.guild_id, "case_no": case_no}
    found = run(session.connection(), _thread(scope.may(Capability.VIEW_NOTES)), asked)
    return [_entry(entry) for entry in found]


@cache
def _thread(notes: bool) -> Prepared:
    row, guild, case_no = CaseThread, bindparam("guild", type_=BigInteger), bindparam("case_no", type_=BigInteger)
    said = (row.number, row.case_no, row.kind, row.author_id, row.author_name, row.text, row.before, row.after)
    mine = select(*said, row.written_at).where(row.guild_id == guild, row.case_no == case_no).order_by(row.number)
    if notes:
        return Prepared(mine)
    case = ModCases
    of_note = select(case.case_no).where(case.guild_id == guild, case.case_no == case_no)
    of_note = of_note.where(case.action == Action.NOTE.value)
    return Prepared(mine.where(row.kind != Action.COMMENT.value, ~of_note.exists()))


def first_values(session: Session, guild_id: GuildId) -> dict[int, dict[str, Any]]:
    """What amended cases said first, by case number: only of what was changed since."""
    changes = (
        select(CaseThread.case_no, CaseThread.before)
        .where(CaseThread.guild_id == guild_id, CaseThread.kind == Action.AMEND.value)
        .order_by(CaseThread.number)
    )
    first: dict[int, dict[str, Any]] = {}
    for case_no, before in session.execute(changes):
        kept = first.setdefault(case_no, {})
        for name, value in before.items():
            kept.setdefault(name, value)
    return first


def last_values(session: Session, guild_id: GuildId) -> dict[int, dict[str, Any]]:
    """What amended cases say now, by case number, as their threads have it."""
    changes = (
        select(CaseThread.case_no, CaseThread.after)
        .where(CaseThread.guild_id == guild_id, CaseThread.kind == Action.AMEND.value)
        .order_by(CaseThread.number)
    )
    last: dict[int, dict[str, Any]] = {}
    for case_no, after in session.execute(changes):
        last.setdefault(case_no, {}).update(after)
    return last


def append_entry(
    session: Session,
    key: bytes,
    guild_id: GuildId,
    *,
    case_no: int,
    kind: Action,
    author_id: UserId,
    author_name: str,
    text: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    request_id: UUID,
    now: datetime,
) -> None:
    """Append to a case's thread. Holds the guild's counters until commit: call it late."""
    counters = GuildCounters
    bump = (
        insert(counters)
        .values(guild_id=guild_id, last_entry=1)
        .on_conflict_do_update(index_elements=["guild_id"], set_={"last_entry": counters.last_entry + 1})
        .returning(counters.last_entry, counters.entry_seal)
    )
    number, head = session.connection().execute(bump).one()
    entry = Entry(
        number=number,
        case_no=case_no,
        kind=kind,
        author_id=author_id,
        author_name=author_name,
        text=text,
        before=before,
        after=after,
        written_at=now,
    )
    digest = _digest(entry, guild_id, request_id)
    seal = _chain(key, head or GENESIS, digest)
    session.connection().execute(
        insert(CaseThread).values(
            guild_id=guild_id,
            number=number,
            case_no=case_no,
            kind=kind.value,
            author_id=author_id,
            author_name=author_name,
            text=text,
            before=dict(before),
            after=dict(after),
            request_id=request_id,
            written_at=now,
            digest=digest,
            seal=seal,
        )
    )
    session.connection().execute(update(counters).where(counters.guild_id == guild_id).values(entry_seal=seal))


def _entry(row: CaseThread | Row[Any]) -> Entry:
    return Entry(
        number=row.number,
        case_no=row.case_no,
        kind=Action(row.kind),
        author_id=UserId(row.author_id),
        author_name=row.author_name,
        text=row.text,
        before=row.before,
        after=row.after,
        written_at=row.written_at,
    )


def _digest(entry: Entry, guild_id: GuildId, request_id: UUID) -> bytes:
    body = {
        "after": dict(entry.after),
        "at": round(entry.written_at.timestamp() * 1_000_000),
        "author": [str(entry.author_id), entry.author_name],
        "before": dict(entry.before),
        "case_no": entry.case_no,
        "guild_id": str(guild_id),
        "kind": entry.kind.value,
        "n": entry.number,
        "request_id": str(request_id),
        "text": entry.text,
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).digest()


def _chain(key: bytes, previous_seal: bytes, digest: bytes) -> bytes:
    return hmac.new(key, b"kovra.thread.v1\0" + previous_seal + digest, hashlib.sha256).digest()
