"""The story of one action, from the lane entry to the last message."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kovra.actions import envelope, rights
from kovra.actions.envelope import Key
from kovra.actions.ports import Bulletin
from kovra.actions.request import State
from kovra.errors import (
    ClaimLost,
    DiscordLimited,
    DiscordRefused,
    DiscordUnknown,
    DiscordUnreached,
    EnvelopeRefused,
    Unavailable,
)
from kovra.guard import outcome
from kovra.guard.case import Case, NoticeStatus
from kovra.guard.claim import Claim, NotClaimed
from kovra.guard.notices import Notices
from kovra.guard.perform import DEEDLESS, audit_reason, ends_at, perform
from kovra.guard.ports import Discord, Ledger, Quarantine, Roster
from kovra.ids import GuildId

log = logging.getLogger(__name__)

#: How long a request waits after Discord could not be reached or the roster could not be read.
RETRY_S = 5.0


def _nowhere(_: str) -> None:
    """The checkpoint of production: nothing happens there."""


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
    at: Callable[[str], None] = _nowhere

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
            log.warning("request %s is left where it stands: the database does not answer", claim.request_id)
        finally:
            self.bulletin.ring(claim.guild_id)

    def _take(self, lane: GuildId, body: bytes, kid: str, sig: str) -> Claim | None:
        self.at("after_read")
        request = None
        try:
            verified = envelope.open_envelope(body, kid, sig, keys=self.keys, lane=lane)
            request = verified.request
            self.at("after_verify")
            claim = self.ledger.claim(verified)
        except EnvelopeRefused as refused:
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

    def _carry_on(self, claim: Claim) -> None:
        case, told, standing = claim.case, claim.notice, None
        if claim.state is State.EXECUTING:
            standing = self._admit(claim)
            case, told = self._act(claim, standing) if standing else (None, None)
            self.bulletin.ring(claim.guild_id)
        if case is None:
            return
        if told in (None, NoticeStatus.SENDING):
            told = self.notices.tell_after(claim, standing or self._standing(claim), case)
        post = self.notices.post(claim, case, told)
        self.at("after_log_post")
        self.ledger.finish(claim, post)

    def _act(self, claim: Claim, standing: rights.Standing) -> tuple[Case | None, NoticeStatus | None]:
        told = self.notices.tell_before(claim, standing)
        until = ends_at(claim.request, claim.now)
        if claim.request.action not in DEEDLESS and not self._do(claim, standing, until):
            return None, None
        case = self.ledger.finalise(claim, standing=standing, ends_at=until)
        self.at("after_finalise")
        return case, told

    def _admit(self, claim: Claim) -> rights.Standing | None:
        """The standing under which it may run now; None when its story ends or pauses here."""
        request = claim.request
        if claim.effect_intended and request.action not in DEEDLESS:
            # Whether the earlier attempt reached Discord is unknown, so it is not repeated.
            self.ledger.fail(claim, outcome.unconfirmed(request.action, str(request.target_id)))
            return None
        if claim.now > claim.expires_at:
            self.ledger.expire(claim)
            return None
        try:
            standing = self._standing(claim)
        except Unavailable:
            self.ledger.give_back(claim, delay_s=RETRY_S)
            return None
        if refusal := rights.check(request, standing):
            self.ledger.reject(claim, refusal)
            return None
        self.at("after_authz")
        return standing

    def _do(self, claim: Claim, standing: rights.Standing, until: datetime | None) -> bool:
        """Act on Discord, once. True when it is done; otherwise the ledger says what became of it."""
        request, name = claim.request, standing.target.name
        self.ledger.intend_effect(claim, {"until": until.isoformat() if until else None})
        self.at("after_effect_intent")
        try:
            perform(self.discord, request, reason=audit_reason(request, standing.moderator.name), until=until)
        except DiscordRefused as error:
            self.ledger.fail(claim, outcome.failure(request.action, name, error))
        except DiscordLimited as error:
            self.ledger.give_back(claim, delay_s=error.retry_after_s)
        except DiscordUnreached:
            self.ledger.give_back(claim, delay_s=RETRY_S)
        except DiscordUnknown:
            self.ledger.fail(claim, outcome.unconfirmed(request.action, name))
        else:
            self.at("after_effect_call")
            return True
        return False

    def _standing(self, claim: Claim) -> rights.Standing:
        request = claim.request
        return self.roster.standing(request.guild_id, request.moderator_id, request.target_id)
