"""A ledger in memory, with epochs: who lost the claim writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kovra.actions import envelope
from kovra.actions.envelope import Sealed
from kovra.actions.request import State
from kovra.actions.rights import Standing
from kovra.errors import ClaimLost, EnvelopeRefused
from kovra.guard.case import Case, NoticeStatus
from kovra.guard.case_acts import Change
from kovra.guard.claim import Claim, NotClaimed
from kovra.guard.endings import KeptEnd
from kovra.guard.restoring import Hold
from kovra.ids import ChannelId, GuildId
from tests.guard.cast import NOON
from tests.guard.story import Story

#: How long a claim lasts after an intent, in seconds of the story.
CLAIM_S = 30


@dataclass
class Row:
    sealed: Sealed
    state: State = State.ACCEPTED
    epoch: int = 0
    attempt: int = 0
    effect_at: datetime | None = None
    effect_before: dict = field(default_factory=dict)
    notice: Any = None
    notice_at: datetime | None = None
    post: Any = None
    post_at: datetime | None = None
    case: Case | None = None
    end: Any = None
    due_in_s: float = 0.0


@dataclass
class LedgerSide(Story):
    """The executor's port to the record."""

    rows: dict = field(default_factory=dict)
    held: Hold | None = None
    old_case: Case | None = None
    changes: list[Change] = field(default_factory=list)
    left: list[Claim] = field(default_factory=list)
    not_claimed: NotClaimed | None = None
    kept: KeptEnd | None = None

    def claim(self, verified: envelope.Verified) -> Claim | NotClaimed:
        self._tell("claim")
        row = self.rows.get(verified.request.request_id)
        if row is None:
            raise EnvelopeRefused("unknown_request")
        if (row.sealed.body, row.sealed.kid, row.sealed.sig) != (verified.body, verified.kid, verified.sig):
            raise EnvelopeRefused("row_differs")
        if self.not_claimed or row.state.terminal:
            return self.not_claimed or NotClaimed.FINISHED
        if row.state is State.ACCEPTED:
            row.state = State.EXECUTING
        row.epoch, row.attempt = row.epoch + 1, row.attempt + 1
        return Claim(
            request=verified.request,
            revoked=verified.revoked,
            epoch=row.epoch,
            attempt=row.attempt,
            state=row.state,
            accepted_at=NOON,
            expires_at=row.sealed.expires_at,
            now=self.now,
            effect_at=row.effect_at,
            effect_before=row.effect_before,
            notice=row.notice,
            notice_at=row.notice_at,
            post=row.post,
            post_at=row.post_at,
            case=row.case,
        )

    def await_key(self, lane: GuildId, *, body: bytes, kid: str, sig: str) -> bool:
        if (error := self.fail.get("await_key")) is not None:
            raise error
        sealed = [row.sealed for row in self.rows.values() if row.state is State.ACCEPTED]
        return any((one.request.guild_id, one.body, one.kid, one.sig) == (lane, body, kid, sig) for one in sealed)

    def _write(self, what: str, claim: Claim, **changed: Any) -> Row:
        row = self.rows[claim.request_id]
        if claim.epoch != row.epoch:
            raise ClaimLost
        self._tell(what)
        for name, value in changed.items():
            setattr(row, name, value)
        return row

    def intend_notice(self, claim: Claim) -> None:
        self._write("intend_notice", claim, notice=NoticeStatus.SENDING, notice_at=claim.notice_at or self.now)

    def record_notice(self, claim: Claim, result: Any) -> None:
        self._write("record_notice", claim, notice=result.status)

    def intend_effect(self, claim: Claim, before: Mapping[str, Any]) -> float:
        self._write("intend_effect", claim, effect_at=self.now, effect_before=dict(before))
        return self.now.timestamp() + CLAIM_S

    def intended(self, claim: Claim) -> Any:
        return self.rows[claim.request_id].effect_before

    def finalise(self, claim: Claim, *, standing: Standing, ends_at: datetime | None, result: Any = None) -> Case:
        request = claim.request
        case = Case(
            guild_id=request.guild_id,
            case_no=sum(row.case is not None for row in self.rows.values()) + 1,
            request_id=request.request_id,
            action=request.action,
            target_id=request.target_id,
            target_name=standing.target.name,
            moderator_id=request.moderator_id,
            moderator_name=standing.moderator.name,
            source=request.source,
            reason=request.reason,
            created_at=self.now,
            ends_at=ends_at,
            for_case=request.for_case,
            result=result,
        )
        assert self.rows[request.request_id].case is None, "a second case for one request"
        self._write("finalise", claim, case=case, state=State.APPLIED)
        return case

    def kept_end(self, claim: Claim) -> KeptEnd | None:
        return self.kept

    def case(self, claim: Claim) -> Case | None:
        return self.old_case

    def amend(self, claim: Claim, *, standing: Standing, change: Change) -> Case:
        changed = {"reason": change.reason} if change.reason else {}
        changed |= {"ends_at": change.ends_at} if change.lasting else {}
        self.old_case = replace(self.old_case, voided=change.voids, **changed)
        self.changes.append(change)
        self._write("amend", claim, state=State.APPLIED, case=self.old_case)
        return self.old_case

    def close(self, claim: Claim) -> None:
        self._write("close", claim, state=State.DONE)

    def hold(self, claim: Claim) -> Hold | None:
        return self.held

    def intend_post(self, claim: Claim, channel_id: ChannelId) -> None:
        self._write("intend_post", claim, post="sending", post_at=claim.post_at or self.now)

    def finish(self, claim: Claim, post: Any) -> None:
        told = self.rows[claim.request_id].notice or "not_needed"
        row = self._write("finish", claim, state=State.DONE, post=post.status, notice=told)
        row.post_at = None if post.status == "waiting" else row.post_at

    def reject(self, claim: Claim, refusal: Any) -> None:
        self._write("reject", claim, state=State.REJECTED, end=refusal)

    def expire(self, claim: Claim) -> None:
        self._write("expire", claim, state=State.EXPIRED)

    def give_back(self, claim: Claim, *, delay_s: float, intent_stays: bool = False) -> None:
        undone = {} if intent_stays else {"effect_at": None, "effect_before": {}}
        self._write("give_back", claim, state=State.ACCEPTED, due_in_s=delay_s, **undone)

    def leave(self, claim: Claim) -> None:
        self.left.append(claim)

    def put_off(self, claim: Claim, *, delay_s: float) -> None:
        self._write("put_off", claim, post=claim.post, post_at=claim.post_at, due_in_s=delay_s)


class Ledger:
    """The ledger's ``fail`` is a method, so it stands apart from the world's table of failures."""

    def __init__(self, world: LedgerSide) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def fail(self, claim: Claim, failure: Any) -> None:
        self._world._write("fail", claim, state=State.FAILED, end=failure)
