"""Writing cases: the gapless number, the digest, and the chain that binds each case to the one before."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    LargeBinary,
    Row,
    Text,
    bindparam,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from kovra.actions.audit import GENESIS
from kovra.actions.request import Action, ActionRequest, Source, State
from kovra.actions.rights import Standing
from kovra.guard.case import Case
from kovra.ids import GuildId, UserId
from kovra.store.case_thread import first_values, last_values
from kovra.store.database import Database
from kovra.store.events import EventKind
from kovra.store.requests import request_facts
from kovra.store.rows import as_rows, rows_of
from kovra.store.tables import GuildCounters, GuildEvents, ModCases

#: The name space of the guilds' advisory locks (PostgreSQL's two-number locks).
_TURN_LOCK = 7_267


def numbers_turn(guild_id: GuildId) -> str:
    """Stand in line for the numbers of a guild, to travel with the first statement of a transaction.

    Nothing depends on it: the row of counters is what is locked. But of many who wait for a row each wakes up for
    every change of it, and looks again; in this line one wakes up, whose turn it is.
    """
    return f"SELECT pg_advisory_xact_lock({_TURN_LOCK}, hashtext('{int(guild_id)}'));"


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last numbers of a guild and the head of its chain of cases, as whoever holds the counters knows them."""

    last_case: int
    last_event: int
    seal: bytes
    at: datetime


@dataclass(frozen=True, kw_only=True)
class NewCase:
    """A case under its number that is not yet written: its row, and the head once it is."""

    case: Case
    row: Mapping[str, Any]
    head: Head


#: Made once: json.dumps would make one for each case, while the counters are held.
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

_NOT_COLUMNS = frozenset({"for_case", "role_id", "voided", "of_member"})
_OF_CASE = tuple(field.name for field in fields(Case) if field.name not in _NOT_COLUMNS)
_WRITTEN = frozenset(_OF_CASE) | {
    "params",
    "state",
    "notice_status",
    "notice_text",
    "notice_code",
    "notice_at",
    "digest",
    "seal",
}
_COLUMNS = [column for column in ModCases.__table__.c if column.name in _WRITTEN]
#: The cases that a statement writes, and what their events say; see :func:`case_values`.
NEW_CASES = rows_of("new_cases", *_COLUMNS, Column("event_seq", BigInteger), Column("event_facts", JSONB))
#: Built once: the counters are held while they run. They write the cases, their events and the guild's new head.
CASE_WRITES: tuple[CTE, ...] = (
    insert(ModCases)
    .from_select([column.name for column in _COLUMNS], select(*(NEW_CASES.c[column.name] for column in _COLUMNS)))
    .cte("kept"),
    insert(GuildEvents)
    .from_select(
        ["guild_id", "seq", "kind", "request_id", "facts", "at"],
        select(
            NEW_CASES.c.guild_id,
            NEW_CASES.c.event_seq,
            literal(EventKind.CASE_CREATED.value, Text),
            NEW_CASES.c.request_id,
            NEW_CASES.c.event_facts,
            # Taken under the counters' lock, row after row: times rise with the numbers.
            func.clock_timestamp(),
        ),
    )
    .cte("told"),
    update(GuildCounters)
    .where(GuildCounters.guild_id == bindparam("head_guild", type_=BigInteger))
    .values(
        last_case=bindparam("head_case", type_=BigInteger),
        last_event=bindparam("head_event", type_=BigInteger),
        case_seal=bindparam("head_seal", type_=LargeBinary),
    )
    .cte("sealed"),
)


def head_for(rows: CTE, now: ColumnElement[datetime]) -> CTE:
    """Lock the counters of the guild of these rows, when there are any, and give its head.

    They are held until commit: the numbers after these are ours, and what is rolled back has taken none.
    """
    counters = GuildCounters
    # All rows before the counters: grouping reads them to the end.
    guild = select(rows.c.guild_id).group_by(rows.c.guild_id)
    return (
        insert(counters)
        .from_select(["guild_id"], guild)
        .on_conflict_do_update(index_elements=["guild_id"], set_={"last_case": counters.last_case})
        .returning(
            counters.guild_id, counters.last_case, counters.last_event, counters.case_seal, now.label("numbered_at")
        )
        .cte("head")
    )


def head_of(row: Row[Any]) -> Head:
    """The head as :func:`head_for` gave it."""
    return Head(last_case=row.last_case, last_event=row.last_event, seal=row.case_seal or GENESIS, at=row.numbered_at)


def new_case(
    key: bytes,
    head: Head,
    request: ActionRequest,
    standing: Standing,
    ends_at: datetime | None,
    result: Mapping[str, Any] | None = None,
    told: Mapping[str, Any] = MappingProxyType({}),
) -> NewCase:
    """Seal the next case of a guild; ``told`` is what became of its notice so far."""
    number, seq = head.last_case + 1, head.last_event + 1
    case, facts = sealed_case(
        key,
        request,
        standing,
        case_no=number,
        created_at=head.at,
        ends_at=ends_at,
        after=head.seal,
        result=result,
    )
    event = request_facts(request, State.APPLIED) | {"case_no": number}
    row = facts | {"state": State.APPLIED.value, "event_seq": seq, "event_facts": event, **told}
    return NewCase(case=case, row=row, head=replace(head, last_case=number, last_event=seq, seal=facts["seal"]))


def case_values(new: Sequence[NewCase]) -> dict[str, Any]:
    """What :data:`CASE_WRITES` ask for; the cases are of one guild, each sealed to the one before."""
    head = new[-1].head
    return {
        "new_cases": as_rows([one.row for one in new]),
        "head_guild": new[-1].case.guild_id,
        "head_case": head.last_case,
        "head_event": head.last_event,
        "head_seal": head.seal,
    }


def sealed_case(
    key: bytes,
    request: ActionRequest,
    standing: Standing,
    *,
    case_no: int,
    created_at: datetime,
    ends_at: datetime | None,
    after: bytes,
    result: Mapping[str, Any] | None = None,
) -> tuple[Case, dict[str, Any]]:
    """The case that a request becomes under this number, and its row; its seal is bound to the seal ``after``."""
    case = Case(
        guild_id=request.guild_id,
        case_no=case_no,
        request_id=request.request_id,
        action=request.action,
        target_id=request.target_id,
        target_name=standing.target.name,
        moderator_id=request.moderator_id,
        moderator_name=standing.moderator.name,
        source=request.source,
        reason=request.reason,
        created_at=created_at,
        ends_at=ends_at,
        batch_id=request.batch_id,
        for_case=request.for_case,
        reverses=request.reverses,
        of_member="of_member" in request.params,
        result=result,
        role_id=request.params.get("role_id"),
    )
    params = dict(request.params)
    digest = case_digest(case, params)
    return case, case_row(case) | {"params": params, "digest": digest, "seal": chain(key, after, digest)}


def case_row(case: Case) -> dict[str, Any]:
    """The columns of a case; which case it continues is one of its params."""
    # Not asdict, which copies each value deeply: a tenth of a millisecond in which the counters are held.
    return {name: getattr(case, name) for name in _OF_CASE}


def case_of(row: ModCases) -> Case:
    """A case as it stood at finalise."""
    return Case(
        guild_id=GuildId(row.guild_id),
        case_no=row.case_no,
        request_id=UUID(str(row.request_id)),
        action=Action(row.action),
        target_id=UserId(row.target_id),
        target_name=row.target_name,
        moderator_id=UserId(row.moderator_id),
        moderator_name=row.moderator_name,
        source=Source(row.source),
        reason=row.reason,
        created_at=row.created_at,
        ends_at=row.ends_at,
        batch_id=UUID(str(row.batch_id)) if row.batch_id else None,
        for_case=row.params.get("for_case"),
        role_id=row.params.get("role_id"),
        voided=row.voided_at is not None,
        reverses=row.reverses,
        of_member="of_member" in row.params,
        result=row.result,
    )


def case_digest(case: Case, params: dict[str, int]) -> bytes:
    """The fingerprint of what a case decided: 32 bytes. What became of its messages is not under it."""
    body = {
        "action": case.action.value,
        "at": _us(case.created_at),
        "ends_at": _us(case.ends_at) if case.ends_at else None,
        "guild_id": str(case.guild_id),
        "moderator": [str(case.moderator_id), case.moderator_name],
        "n": case.case_no,
        "params": params,
        "reason": case.reason,
        "request_id": str(case.request_id),
        "source": case.source.value,
        "target": [str(case.target_id), case.target_name],
    }
    if case.batch_id is not None:
        body["batch_id"] = str(case.batch_id)
    return hashlib.sha256(_ENCODE(body).encode()).digest()


def chain(key: bytes, previous_seal: bytes, digest: bytes) -> bytes:
    """The seal of a case, bound to the case before: 32 bytes."""
    return hmac.new(key, b"kovra.case.v1\0" + previous_seal + digest, hashlib.sha256).digest()


class Casebook:
    """Check the chain of cases."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._key = audit_key

    def verify(self, guild_id: GuildId) -> int | None:
        """The number of the first case that was altered, removed or inserted; None when all are as they were written.

        Holds the guild's counters, so no case is written while it reads.
        """
        head = select(GuildCounters).where(GuildCounters.guild_id == guild_id).with_for_update()
        cases = select(ModCases).where(ModCases.guild_id == guild_id).order_by(ModCases.case_no)
        with self._database.transaction(guild_id) as session:
            counters = session.scalars(head).one_or_none()
            number, seal = 0, GENESIS
            first, last = first_values(session, guild_id), last_values(session, guild_id)
            for row in session.scalars(cases.execution_options(yield_per=1_000)):
                number += 1
                if any(_said(row, name) != value for name, value in last.get(row.case_no, {}).items()):
                    return number
                digest = case_digest(_as_first(case_of(row), first.get(row.case_no, {})), row.params)
                seal = chain(self._key, seal, digest)
                if row.case_no != number or not hmac.compare_digest(row.seal, seal):
                    return number
            head_no, head_seal = (counters.last_case, counters.case_seal or GENESIS) if counters else (0, GENESIS)
            return None if (head_no, head_seal) == (number, seal) else min(head_no, number) + 1


def _said(row: ModCases, name: str) -> str | None:
    """A field as a thread's entry spells it."""
    value = getattr(row, name)
    return value.isoformat() if isinstance(value, datetime) else value


def _as_first(case: Case, first: Mapping[str, str | None]) -> Case:
    """A case as it stood at finalise: what was amended since says what it had been."""
    moments = {name: value and datetime.fromisoformat(value) for name, value in first.items() if name == "ends_at"}
    return replace(case, **{**first, **moments})


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
