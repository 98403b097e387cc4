"""The executor's statements, each built once: building one anew costs more Python than PostgreSQL takes to run it.

Each writes the claim's row only under its fence (epoch and state), and is a transaction of its own when it can be.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy import case as sql_case
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.dml import ReturningUpdate

from kovra.actions.request import ActionRequest, State
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.guard.claim import Claim
from kovra.store.events import EventKind, event_told_of
from kovra.store.prepared import Prepared
from kovra.store.tables import ActionRequests, ModCases

NOBODY: Mapping[str, None] = {"claim_owner": None, "claim_key": None, "claim_until": None}

_ROW = ActionRequests
_MINE = (
    _ROW.guild_id == bindparam("in_guild", type_=BigInteger),
    _ROW.request_id == bindparam("of_request", type_=Uuid),
)
_EXECUTING = _ROW.state == State.EXECUTING.value
_APPLIED = _ROW.state == State.APPLIED.value


def names(request: ActionRequest) -> dict[str, Any]:
    """The row a statement is about."""
    return {"in_guild": request.guild_id, "of_request": request.request_id}


def fence(claim: Claim) -> dict[str, Any]:
    """The row, and the epoch under which alone it may be written."""
    return {**names(claim.request), "with_epoch": claim.epoch}


def _new(column: Any) -> Any:
    """A value handed in as ``new_`` and the column's name."""
    return bindparam(f"new_{column.key}", type_=column.type)


class Writes:
    """The statements of one ledger.

    Args:
        now: the clock, as an expression.
        owner, claim_key, claim_for, max_attempts: as the ledger's.
    """

    def __init__(
        self, now: ColumnElement[datetime], *, owner: str, claim_key: int, claim_for: timedelta, max_attempts: int
    ) -> None:
        self._now, self._claim_for, self._max_attempts = now, claim_for, max_attempts
        self._nobody_but = {"claim_owner": owner, "claim_key": claim_key}
        self.take = self._take()
        self.take_and_tell = Prepared(self._take_and_tell())
        self.intend_notice = Prepared(self._intend_notice())
        self.record_notice = Prepared(self._record_notice())
        self.intend_effect = Prepared(self._intend_effect())
        self.intend_post = Prepared(self._intend_post())
        self.finish = Prepared(self._finish())
        #: Those that do nothing at all when nobody's request is named.
        self.warmable = (
            *(self.take_and_tell, self.intend_notice, self.record_notice, self.intend_effect),
            *(self.intend_post, self.finish),
        )

    def _take(self) -> ReturningUpdate[Any]:
        """Claims a row in one statement: due, and free because nobody has it, its time is over, or its owner died."""
        row, now = _ROW, self._now
        free = or_(
            row.state == State.ACCEPTED.value,
            row.claim_until.is_(None),
            row.claim_until < now,
            func.pg_try_advisory_xact_lock(row.claim_key),
        )
        return (
            update(row)
            .where(
                *_MINE,
                or_(row.state == State.ACCEPTED.value, _EXECUTING, _APPLIED),
                or_(row.due_at.is_(None), row.due_at <= now),
                free,
            )
            .values(
                state=sql_case((_APPLIED, row.state), else_=State.EXECUTING.value),
                attempts=row.attempts + 1,
                claim_epoch=row.claim_epoch + 1,
                claim_until=now + self._claim_for,
                claimed_at=now,
                due_at=None,
                **self._nobody_but,
            )
            .returning(
                row.guild_id,
                row.body,
                row.state,
                row.attempts,
                row.claim_epoch,
                row.case_no,
                row.accepted_at,
                row.created_at,
                row.expires_at,
                row.effect_at,
                row.effect_before,
                row.notice_status,
                row.notice_at,
                row.post_status,
                row.post_at,
                now.label("now"),
            )
        )

    def _take_and_tell(self) -> Any:
        """The claim of a request that travelled as it was kept and has tries left, and its event."""
        kept = [
            column == bindparam(f"same_{column.key}", type_=column.type) for column in (_ROW.body, _ROW.kid, _ROW.sig)
        ]
        taken = self._take().where(*kept, _ROW.attempts < self._max_attempts).cte("taken")
        running = select(taken.c.guild_id).where(taken.c.state == State.EXECUTING.value).cte("running")
        facts = bindparam("with_facts", type_=JSONB)
        return select(taken).add_cte(event_told_of(running, literal(EventKind.ACTION_RUNNING.value, Text), facts))

    def _intend_notice(self) -> ReturningUpdate[Any]:
        return self._fenced(_EXECUTING, _APPLIED).values(
            notice_status=NoticeStatus.SENDING.value,
            notice_at=func.coalesce(_ROW.notice_at, self._now),
            checked_at=func.coalesce(_ROW.checked_at, self._now),
        )

    def _record_notice(self) -> Any:
        """On the row, and on the case when there is one."""
        row = _ROW
        told = {column.key: _new(column) for column in (row.notice_status, row.notice_text, row.notice_code)}
        of_message = {column.key: _new(column) for column in (row.notice_channel_id, row.notice_message_id)}
        # A notice that was not tried has no moment: on the case it would read as one that was.
        status = _new(row.notice_status)
        tried = and_(status != NoticeStatus.NOT_TRIED.value, status != NoticeStatus.NOT_NEEDED.value)
        at = sql_case((tried, self._now), else_=None)
        written = self._fenced(_EXECUTING, _APPLIED).values(**told, **of_message, notice_done_at=at).cte("written")
        on_case = (
            update(ModCases)
            .where(ModCases.guild_id == written.c.guild_id, ModCases.case_no == written.c.case_no)
            .values(**told, notice_at=at)
        )
        return select(written).add_cte(on_case.cte("on_case"))

    def _intend_effect(self) -> ReturningUpdate[Any]:
        return self._fenced(_EXECUTING).values(
            effect_at=self._now,
            effect_before=_new(_ROW.effect_before),
            # The call that follows must end while the claim is surely ours.
            claim_until=self._now + self._claim_for,
            checked_at=func.coalesce(_ROW.checked_at, self._now),
        )

    def _intend_post(self) -> ReturningUpdate[Any]:
        return self._fenced(_APPLIED).values(
            post_status=PostStatus.SENDING.value,
            post_channel_id=_new(_ROW.post_channel_id),
            post_at=func.coalesce(_ROW.post_at, self._now),
        )

    def _finish(self) -> Any:
        """The row's end, the same on its case, and the event that says so."""
        row = _ROW
        columns = (row.post_status, row.post_code, row.post_channel_id, row.post_message_id)
        posted = {column.key: _new(column) for column in columns}
        # What is left to be posted with others was not begun.
        begun = sql_case((_new(row.post_status) == PostStatus.WAITING.value, None), else_=row.post_at)
        ended = (
            self._fenced(_APPLIED)
            .values(
                **posted,
                **NOBODY,
                state=State.DONE.value,
                done_at=self._now,
                post_at=begun,
                post_done_at=sql_case((begun.is_not(None), self._now), else_=None),
                notice_status=func.coalesce(row.notice_status, NoticeStatus.NOT_NEEDED.value),
            )
            .cte("ended")
        )
        on_case = (
            update(ModCases)
            .where(ModCases.guild_id == ended.c.guild_id, ModCases.case_no == ended.c.case_no)
            .values(**posted, notice_status=ended.c.notice_status, state=State.DONE.value)
        )
        now_known = func.jsonb_build_object(
            literal("case_no", Text), ended.c.case_no, literal("notice", Text), ended.c.notice_status, type_=JSONB
        )
        facts = cast(bindparam("with_facts", type_=JSONB), JSONB).concat(now_known)
        told = event_told_of(ended, literal(EventKind.ACTION_DONE.value, Text), facts)
        return select(ended).add_cte(on_case.cte("on_case"), told)

    @staticmethod
    def _fence(*states: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
        return *_MINE, _ROW.claim_epoch == bindparam("with_epoch", type_=BigInteger), or_(*states)

    def _fenced(self, *states: ColumnElement[bool]) -> ReturningUpdate[Any]:
        return update(_ROW).where(*self._fence(*states)).returning(_ROW.guild_id, _ROW.case_no, _ROW.notice_status)
