"""The end of an act in the record: number, case, event, ends and state, for several of one guild in one transaction.

What it costs to take numbers (the line, the lock, the commit, two trips) is paid once for all who finish in a guild at
the same time. Each is still for itself: its own fence, number, seal and event, and what breaks one takes nobody along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, DateTime, bindparam, func, select, update
from sqlalchemy import case as sql_case

from kovra.actions.request import State
from kovra.actions.rights import Standing
from kovra.errors import ClaimLost, Unavailable
from kovra.guard.case import Case
from kovra.guard.claim import Claim
from kovra.guard.restoring import HOLDS_OF
from kovra.ids import GuildId
from kovra.store.casebook import CASE_WRITES, NEW_CASES, NewCase, case_values, head_for, head_of, new_case, numbers_turn
from kovra.store.database import Database, end_with, run
from kovra.store.endings import END_WRITES, end_row
from kovra.store.group_commit import GroupCommit
from kovra.store.holds import keep_or_let_go
from kovra.store.log_posts import want_edit
from kovra.store.prepared import Prepared
from kovra.store.rows import as_rows, rows_of
from kovra.store.tables import ActionRequests

_ROW = ActionRequests
_GUILD = bindparam("in_guild", type_=BigInteger)
_OURS = rows_of("ours", _ROW.__table__.c.request_id, Column("epoch", BigInteger))
_SINCE = bindparam("since", type_=DateTime(timezone=True))

#: Requests, cases, events, ends and the head of the chain. The rows were locked and their fences checked before.
_APPLY = Prepared(
    update(_ROW)
    .where(_ROW.guild_id == _GUILD, _ROW.request_id == NEW_CASES.c.request_id)
    .values(
        state=State.APPLIED.value,
        case_no=NEW_CASES.c.case_no,
        checked_at=func.coalesce(_ROW.checked_at, _SINCE),
        effect_done_at=sql_case((_ROW.effect_at.is_not(None), _SINCE), else_=None),
        applied_at=NEW_CASES.c.created_at,
    )
    .add_cte(*CASE_WRITES, *END_WRITES)
)


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What was done under a claim, and is to become a case."""

    claim: Claim
    standing: Standing
    ends_at: datetime | None
    result: Mapping[str, Any] | None = None


class Finalising:
    """Turn deeds into cases. ``at`` is the executor's checkpoint, for tests; it is passed once for each deed."""

    def __init__(self, database: Database, audit_key: bytes, at: Callable[[str], None]) -> None:
        self._database = database
        self._audit_key = audit_key
        self.at = at
        self._lock = Prepared(_lock(database.now()))
        self._together = GroupCommit(self._write)
        #: What does nothing at all when no deed is named.
        self.warmable = (self._lock, _APPLY)

    def __call__(self, deed: Deed) -> Case:
        """Write one deed, in a transaction that others may share.

        Raises:
            ClaimLost: another worker has claimed the request since.
            Unavailable: PostgreSQL did not answer; whether it was kept is not known.
        """
        return self._together(deed.claim.guild_id, deed)

    def _write(self, guild_id: GuildId, deeds: Sequence[Deed]) -> list[Case | Exception]:
        try:
            return self._in_one(guild_id, deeds)
        except Unavailable:
            raise
        except Exception as error:
            if len(deeds) == 1:
                return [error]
            # PostgreSQL refused the rows of one, and nothing of anybody was kept: halving shows whose.
            half = len(deeds) // 2
            return [*self._write(guild_id, deeds[:half]), *self._write(guild_id, deeds[half:])]

    def _in_one(self, guild_id: GuildId, deeds: Sequence[Deed]) -> list[Case | Exception]:
        """The numbers are held for two trips: the one that locks, and the one that writes everything and commits."""
        outcomes: list[Case | Exception] = []
        new: list[NewCase] = []
        ours = as_rows([{"request_id": deed.claim.request_id, "epoch": deed.claim.epoch} for deed in deeds])
        with self._database.plain_transaction(guild_id, first=numbers_turn(guild_id)) as connection:
            held = run(connection, self._lock, {"in_guild": guild_id, "ours": ours}).all()
            rows = {row.request_id: row for row in held}
            for deed in deeds:
                try:
                    row = rows.get(deed.claim.request_id)
                    if row is None:
                        raise ClaimLost(f"request {deed.claim.request_id} is no longer ours")
                    one = self._sealed(deed, row, new)
                    self.at("before_finalise_commit")
                except Exception as error:
                    # Its number goes to the next.
                    outcomes.append(error)
                else:
                    new.append(one)
                    outcomes.append(one.case)
            if len(new) > 1:
                self.at("before_shared_commit")
            if new:
                requests = {deed.claim.request_id: deed.claim.request for deed in deeds}
                for one in new:
                    if one.case.action in HOLDS_OF:
                        keep_or_let_go(connection, requests[one.case.request_id], one.case)
                    if one.case.reverses is not None:
                        want_edit(connection, guild_id, one.case.reverses, one.case.created_at)
                since = held[0].began
                ends = [end_row(requests[one.case.request_id], one.case, since) for one in new]
                written = {"in_guild": guild_id, "since": since, "new_ends": as_rows([end for end in ends if end])}
                end_with(connection, _APPLY, {**written, **case_values(new)})
        return outcomes

    def _sealed(self, deed: Deed, row: Any, before: Sequence[NewCase]) -> NewCase:
        told = {name: getattr(row, name) for name in ("notice_status", "notice_text", "notice_code")}
        told |= {"notice_at": row.notice_done_at}
        head = before[-1].head if before else head_of(row)
        return new_case(
            self._audit_key, head, deed.claim.request, deed.standing, deed.ends_at, result=deed.result, told=told
        )


def _lock(now: ColumnElement[datetime]) -> Any:
    """Lock the rows that are still under these claims, and then the guild's counters: in this order."""
    found = (_ROW.guild_id, _ROW.request_id, _ROW.notice_status, _ROW.notice_text, _ROW.notice_code)
    rows = (
        select(*found, _ROW.notice_done_at, now.label("began"))
        .where(
            _ROW.guild_id == _GUILD,
            _ROW.request_id == _OURS.c.request_id,
            _ROW.claim_epoch == _OURS.c.epoch,
            _ROW.state == State.EXECUTING.value,
        )
        .with_for_update(of=_ROW)
        .cte("rows")
    )
    head = head_for(rows, now)
    return select(rows, head).where(head.c.guild_id == rows.c.guild_id)
