"""Writing cases: the gapless number, the digest, and the chain that binds each case to the one before."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, BigInteger, ColumnElement, Row, Select, bindparam, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from kovra.actions.audit import GENESIS
from kovra.actions.request import Action, ActionRequest, Source, State
from kovra.actions.rights import Standing
from kovra.guard.case import Case
from kovra.ids import GuildId, UserId
from kovra.store.case_thread import first_values, last_values
from kovra.store.database import Database
from kovra.store.tables import GuildCounters, ModCases

#: The name space of the guilds' advisory locks (PostgreSQL's two-number locks).
_TURN_LOCK = 7_267


def numbers_turn(guild_id: GuildId) -> str:
    """Stand in line for the numbers of a guild, to travel with the first statement of a transaction.

    Nothing depends on it: the row of counters is what is locked. But of many who wait for a row each wakes up for
    every change of it, and looks again; in this line one wakes up, whose turn it is.
    """
    return f"SELECT pg_advisory_xact_lock({_TURN_LOCK}, hashtext('{int(guild_id)}'));"


@dataclass(frozen=True, kw_only=True)
class NewCase:
    """A case that has its number and is not yet written.

    ``values`` are what :data:`CASE_WRITES` ask for, which belong into the statement that ends finalise.
    """

    case: Case
    seq: int
    values: Mapping[str, Any]


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
#: Built once: the counters are held while they run. They write the case, and the head of the chain of cases.
CASE_WRITES: tuple[CTE, ...] = (
    insert(ModCases)
    .values({column: bindparam(f"case_{column.name}") for column in ModCases.__table__.c if column.name in _WRITTEN})
    .cte("kept"),
    update(GuildCounters)
    .where(GuildCounters.guild_id == bindparam("case_guild_id"))
    .values(case_seal=bindparam("case_seal"))
    .cte("sealed"),
)


def numbers_for(row: CTE, now: ColumnElement[datetime]) -> Select[Any]:
    """Take the next case number and event number of the guild of this row, when there is the row; gives both.

    A rollback gives the numbers back, so they have no gaps. The counters are held from here until commit.
    """
    counters = GuildCounters
    one = literal(1, BigInteger)
    numbered = (
        insert(counters)
        .from_select(["guild_id", "last_case", "last_event"], select(row.c.guild_id, one, one))
        .on_conflict_do_update(
            index_elements=["guild_id"],
            set_={"last_case": counters.last_case + 1, "last_event": counters.last_event + 1},
        )
        .returning(
            counters.guild_id, counters.last_case, counters.last_event, counters.case_seal, now.label("numbered_at")
        )
        .cte("numbered")
    )
    return select(row, numbered).where(numbered.c.guild_id == row.c.guild_id)


def new_case(
    key: bytes,
    request: ActionRequest,
    standing: Standing,
    row: Row[Any],
    ends_at: datetime | None,
    result: Mapping[str, Any] | None = None,
) -> NewCase:
    """Seal a case under the numbers that ``row`` of :func:`numbers_for` has taken."""
    case, facts = sealed_case(
        key,
        request,
        standing,
        case_no=row.last_case,
        created_at=row.numbered_at,
        ends_at=ends_at,
        after=row.case_seal or GENESIS,
        result=result,
    )
    told = {
        "state": State.APPLIED.value,
        "notice_status": row.notice_status,
        "notice_text": row.notice_text,
        "notice_code": row.notice_code,
        "notice_at": row.notice_done_at,
    }
    return NewCase(
        case=case, seq=row.last_event, values={f"case_{name}": value for name, value in (facts | told).items()}
    )


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
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).digest()


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
