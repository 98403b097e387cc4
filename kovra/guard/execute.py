"""The story of one action, from the lane entry to the last message."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kovra.actions import already, envelope, rights
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Key
from kovra.actions.ports import Bulletin
from kovra.actions.request import CASE_ACTS, Action, Refusal, RefusalKind, State
from kovra.errors import (
    ClaimLost,
    DiscordError,
    DiscordLimited,
    DiscordRefused,
    DiscordUnknown,
    DiscordUnreached,
    EnvelopeRefused,
    Unavailable,
)
from kovra.guard import outcome, restoring
from kovra.guard.case import Case, NoticeStatus, PostResult, PostStatus
from kovra.guard.case_acts import CaseActs
from kovra.guard.claim import Claim, NotClaimed
from kovra.guard.endings import RENEWED, KeptEnd, same_ban, told_until
from kovra.guard.notices import Notices
from kovra.guard.perform import DEEDLESS, HalfDone, audit_reason, ends_at, finish_half, perform
from kovra.guard.ports import Discord, Ledger, Quarantine, Roster
from kovra.guard.probe import Verdict, fence, probe
from kovra.guard.purge import Purge, delete_message
from kovra.ids import GuildId

log = logging.getLogger(__name__)

#: How long a request waits after Discord could not be reached or the roster could not be read.
RETRY_S = 5.0

#: How long a deed that Discord may not have written down yet is left alone before the next look.
LOOK_AGAIN_S = 1.0

#: How long bans of people who are no members wait when Discord takes no more of them, in seconds.
STRANGERS_WAIT_S = 60.0

#: What a moderator reads whose request waited under a key that was taken out of service.
KEY_REVOKED = Refusal(
    kind=RefusalKind.KEY_REVOKED,
    sentence=(
        "Not done: the key that signed this request was revoked before its turn came, so Guard cannot be sure who "
        "asked. Ask again if it is still wanted."
    ),
)

#: A deed that was certainly not done is repeated once; who fails twice around it may fail for ever.
MOST_TRIES = 2


@dataclass(frozen=True, kw_only=True)
class Execute:
    """Execute what a lane brings. ``keys`` are all keys that still verify, by kid.

    ``at`` is called with the name of each point a process may die at; only tests hand one in.
    """

    ledger: Ledger
    roster: Roster
    discord: Discord
    notices: Notices
    quarantine: Quarantine
    bulletin: Bulletin
    keys: Mapping[str, Key]
    at: Callable[[str], None] = nowhere

    def __call__(self, *, lane: GuildId, body: bytes, kid: str, sig: str) -> None:
        """Carry one entry of a lane to its end, or as far as it goes now.

        Raises:
            EnvelopeRefused: the entry is forged, altered, unknown or on the wrong lane. It has been audited, was not
                executed, and must be taken off the lane.
        """
        claim = self._take(lane, body, kid, sig)
        if claim is None:
            return
        try:
            self._carry_on(claim)
        except ClaimLost:
            log.info("request %s was taken over by another worker", claim.request_id)
        except Unavailable:
            # Nothing more may be done without the record. The row keeps its place; the relay brings it back.
            self.ledger.leave(claim)
            log.warning("request %s is left where it stands: the database does not answer", claim.request_id)
        finally:
            self.bulletin.ring(claim.guild_id)
        self.at("before_ack")

    def _take(self, lane: GuildId, body: bytes, kid: str, sig: str) -> Claim | None:
        self.at("after_read")
        request = None
        try:
            verified = envelope.open_envelope(body, kid, sig, keys=self.keys, lane=lane)
            request = verified.request
            self.at("after_verify")
            claim = self.ledger.claim(verified)
        except EnvelopeRefused as refused:
            if refused.cause == "key" and self._awaits_key(lane, body, kid, sig):
                return None
            self.quarantine.refuse(lane=lane, body=body, cause=refused.cause, request=request)
            raise
        except Unavailable:
            log.warning("an entry of guild %s waits: the database does not answer", lane)
            return None
        if not isinstance(claim, NotClaimed):
            self.at("after_claim")
            self.bulletin.ring(lane)
            return claim
        if claim in (NotClaimed.FINISHED, NotClaimed.RUNNING):
            self.quarantine.replayed(lane=lane, request=request)
        return None

    def _awaits_key(self, lane: GuildId, body: bytes, kid: str, sig: str) -> bool:
        """Whether this is an accepted request under a key this worker does not know: one that does may come."""
        if not (kid.isascii() and kid.isprintable() and sig.isascii() and sig.isprintable()):
            return False  # no key and no signature of ours
        try:
            awaits = self.ledger.await_key(lane, body=body, kid=kid, sig=sig)
        except Unavailable:
            # Whatever it is, it may be looked at again: if it was accepted, the relay brings it.
            return True
        if awaits:
            log.error("a request of guild %s waits: this worker does not know its key %.60r", lane, kid)
        return awaits

    @property
    def purge(self) -> Purge:
        return Purge(ledger=self.ledger, discord=self.discord, at=self.at)

    def _carry_on(self, claim: Claim) -> None:
        if claim.request.action in CASE_ACTS:
            if claim.revoked and claim.state is State.EXECUTING and not claim.effect_intended:
                self.ledger.reject(claim, KEY_REVOKED)
                return
            parts = {"ledger": self.ledger, "roster": self.roster, "discord": self.discord}
            CaseActs(**parts, notices=self.notices, at=self.at).carry(claim)
            return
        case, told, standing = claim.case, claim.notice, None
        if claim.state is State.EXECUTING:
            case, told, standing = self._to_the_case(claim)
            self.bulletin.ring(claim.guild_id)
        if case is None:
            return
        if told in (None, NoticeStatus.SENDING):
            told = self.notices.tell_after(claim, standing or self._standing(claim), case)
        if claim.request.batch_id is not None:
            # The cases of a job are posted together (guard.log_posts), which nobody waits for.
            self.ledger.finish(claim, PostResult(status=PostStatus.WAITING))
            self.at("after_done")
            return
        try:
            post = self.notices.post(claim, case, told)
        except (DiscordLimited, DiscordUnreached) as error:
            # An earlier attempt may have sent it, so it cannot wait with others: its own nonce finds it again.
            self.ledger.put_off(claim, delay_s=getattr(error, "retry_after_s", RETRY_S))
            return
        self.at("after_log_post")
        self.ledger.finish(claim, post)
        self.at("after_done")

    def _to_the_case(self, claim: Claim) -> tuple[Case | None, NoticeStatus | None, rights.Standing | None]:
        """Act, unless an earlier attempt did, and write the case. No case: the ledger says what became of it."""
        left = self._look_back(claim)
        if left not in (None, Verdict.DONE, Verdict.NOT_DONE, Verdict.HALF):
            self._give_up(claim, left, str(claim.request.target_id))
            return None, None, None
        kept = self.ledger.kept_end(claim) if claim.request.for_case is not None else None
        standing = self._admit(claim, left, kept)
        if standing is None:
            return None, None, None
        told, end = claim.notice, self._end(claim, kept)
        if left is Verdict.HALF:
            if not self._finish(claim, standing, claim.effect_before):
                return None, None, None
        elif left is not Verdict.DONE:
            told = self.notices.tell_before(claim, standing, end)
            if claim.request.action not in DEEDLESS and not self._do(claim, standing, end, kept):
                return None, None, None
        did = self.purge.deleted(claim)
        if claim.request.over_message is not None:
            did = delete_message(self.discord, claim.request, standing.moderator.name)
            self.at("after_message_deleted")
        deleted = {"result": did} if did else {}
        self.at("before_finalise")
        case = self.ledger.finalise(claim, standing=standing, ends_at=end, **deleted)
        self.at("after_finalise")
        return case, told, standing

    def _admit(self, claim: Claim, left: Verdict | None, kept: KeptEnd | None) -> rights.Standing | None:
        """The standing under which it may run now; None when its story ends or pauses here.

        What has been done already is recorded whatever rights and time say now, and what was half done is finished.
        """
        begun = left in (Verdict.DONE, Verdict.HALF)
        if not begun and claim.revoked:
            self.ledger.reject(claim, KEY_REVOKED)
            return None
        if not begun and claim.now > claim.expires_at:
            self.ledger.expire(claim)
            return None
        try:
            standing = self._standing(claim)
        except Unavailable:
            self.ledger.give_back(claim, delay_s=RETRY_S, intent_stays=left is not None)
            return None
        if claim.request.for_case is not None:
            standing = replace(standing, end_stands=kept is not None)
        if not begun and (refusal := rights.check(claim.request, standing)):
            self.ledger.reject(claim, refusal)
            return None
        self.at("after_authz")
        return standing

    def _look_back(self, claim: Claim) -> Verdict | None:
        """What became of a deed that an earlier attempt intended; None when none was."""
        if claim.effect_at is None or claim.request.action in DEEDLESS:
            return None
        return self._look(claim, claim.effect_before, claim.now - claim.effect_at)

    def _look(self, claim: Claim, before: Mapping[str, Any], age: timedelta) -> Verdict:
        try:
            verdict = probe(self.discord, claim.request, before, age)
        except DiscordError:
            # Nobody can look now. As long as the request is wanted, somebody will look later.
            verdict = Verdict.LATER if claim.now <= claim.expires_at else Verdict.UNKNOWABLE
        self.at("after_probe")
        repeatable = claim.request.action in restoring.SETTING
        if verdict is Verdict.NOT_DONE and before.get("tries", 1) >= MOST_TRIES and not repeatable:
            return Verdict.UNKNOWABLE
        return verdict

    def _give_up(self, claim: Claim, verdict: Verdict, name: str) -> None:
        """End, or put off, a request whose deed can be neither recorded nor repeated now."""
        if verdict is Verdict.LATER:
            self.ledger.give_back(claim, delay_s=LOOK_AGAIN_S, intent_stays=True)
        elif verdict is Verdict.GONE:
            self.ledger.fail(claim, outcome.gone(claim.request.action, name))
        else:
            self.ledger.fail(claim, outcome.unconfirmed(claim.request.action, name))

    def _do(self, claim: Claim, standing: rights.Standing, end: datetime | None, kept: KeptEnd | None) -> bool:
        """Act on Discord. True when it is done; otherwise the ledger says what became of it."""
        request, name = claim.request, standing.target.name
        reason = audit_reason(request, standing.moderator.name)
        if request.action is Action.PURGE:
            return self.purge(claim, name, reason)
        try:
            before = self._before(claim, end, standing)
            if before is None:
                self.ledger.reject(claim, already.not_held(request.action, name))
                return False
            if kept is not None and not same_ban(before.get("ban"), kept):
                self.ledger.reject(claim, rights.superseded(request.for_case))
                return False
            until, first = _moment(before.get("until")), before.get("tries", 0) + 1
            # A state may be set as often as it takes; whoever takes the request next gets one try more.
            last = max(MOST_TRIES, first) if request.action in restoring.SETTING else MOST_TRIES
            for tries in range(first, last + 1):
                before = {**before, "tries": tries}
                ours_until = self.ledger.intend_effect(claim, before)
                self.at("after_effect_intent")
                try:
                    with self.discord.leaving_before(ours_until):
                        perform(self.discord, request, reason=reason, until=until, want=before.get("want"), at=self.at)
                except DiscordUnknown:
                    verdict = self._look(claim, before, timedelta())
                except DiscordRefused:
                    # The second time a refusal may mean that the first one arrived late after all.
                    verdict = Verdict.NOT_DONE if tries == 1 else self._look(claim, before, timedelta())
                    if verdict in (Verdict.NOT_DONE, Verdict.UNKNOWABLE):
                        raise
                else:
                    verdict = Verdict.DONE
                    self.at("after_effect_call")
                if verdict is Verdict.DONE:
                    return True
                if verdict is Verdict.HALF:
                    return self._finish(claim, standing, before)
                if verdict is not Verdict.NOT_DONE:
                    self._give_up(claim, verdict, name)
                    return False
            self.ledger.give_back(claim, delay_s=RETRY_S, intent_stays=True)
        except HalfDone as half:
            self._half_done(claim, half.cause, name)
        except DiscordRefused as error:
            if error.code == outcome.TOO_MANY_STRANGERS:
                # Discord takes more of them after a while; members can be banned meanwhile.
                self.ledger.give_back(claim, delay_s=STRANGERS_WAIT_S)
            else:
                self.ledger.fail(claim, outcome.failure(request.action, name, error))
        except DiscordLimited as error:
            self.ledger.give_back(claim, delay_s=error.retry_after_s)
        except (DiscordUnreached, DiscordUnknown):
            self.ledger.give_back(claim, delay_s=RETRY_S)
        return False

    def _finish(self, claim: Claim, standing: rights.Standing, before: Mapping[str, Any]) -> bool:
        """Do the second half of what is half done. True when it is done; otherwise the ledger says what became of it.

        It is finished however late it is and whoever has lost which right: nobody asked for a half.
        """
        reason = audit_reason(claim.request, standing.moderator.name)
        if claim.request.action is Action.PURGE:
            return self.purge(claim, standing.target.name, reason)
        ours_until = self.ledger.intend_effect(claim, before)
        try:
            with self.discord.leaving_before(ours_until):
                finish_half(self.discord, claim.request, reason=reason)
        except HalfDone as half:
            self._half_done(claim, half.cause, standing.target.name)
            return False
        return True

    def _half_done(self, claim: Claim, cause: DiscordError, name: str) -> None:
        """The intent stays: whoever takes the request next sees the half that is done, and does the other."""
        if isinstance(cause, DiscordRefused):
            told = outcome.half_done if claim.request.action is Action.SOFTBAN else outcome.half_set
            self.ledger.fail(claim, told(name, cause))
        else:
            self.ledger.give_back(claim, delay_s=getattr(cause, "retry_after_s", LOOK_AGAIN_S), intent_stays=True)

    def _before(self, claim: Claim, end: datetime | None, standing: rights.Standing) -> Mapping[str, Any] | None:
        """The fence: that of the first attempt when there was one, for it stood before any deed.

        None: there is nothing to restore.
        """
        if claim.effect_before:
            return {"tries": 1, **claim.effect_before}
        request = claim.request
        joined_at = (
            self.roster.joined_at(request.guild_id, request.target_id)
            if request.action in (Action.KICK, Action.SOFTBAN)
            else None
        )
        known = fence(self.discord, request, joined_at)
        if request.action in restoring.SETTING:
            hold = self.ledger.hold(claim) if request.action in restoring.HOLDS_OF else None
            if hold is None and request.action in restoring.RESTORING:
                return None
            now = restoring.Now(guard_rank=standing.guard.rank, at=claim.now, ends_at=end)
            known |= restoring.plan(self.discord, request, now, hold)
        if end is not None:
            until = told_until(end, claim.now) if request.action is Action.MUTE else None
            known |= {"ends_at": end.isoformat(), "until": until.isoformat() if until else None}
        return known

    @staticmethod
    def _end(claim: Claim, kept: KeptEnd | None) -> datetime | None:
        """When the punishment ends: as the first attempt had it, so that its deed can be known again."""
        before = claim.effect_before
        if first := _moment(before.get("ends_at") or before.get("until")):
            return first
        if kept is not None:
            return kept.ends_at if claim.request.action in RENEWED else None
        return ends_at(claim.request, claim.now)

    def _standing(self, claim: Claim) -> rights.Standing:
        request = claim.request
        standing = self.roster.standing(request.guild_id, request.moderator_id, request.target_id)
        return self.roster.around(request, standing) if rights.looks_around(request) else standing


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
