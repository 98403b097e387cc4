"""Many bans in one call: intent for all, the call, and what became of each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kovra.actions import rights
from kovra.actions.capabilities import Permission, effective_permissions
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Verified
from kovra.actions.job import Chunk, JobState
from kovra.actions.request import Action, ActionRequest
from kovra.actions.rights import Standing
from kovra.errors import (
    ClaimLost,
    DiscordError,
    DiscordLimited,
    DiscordRefused,
    DiscordUnknown,
    DiscordUnreached,
    Unavailable,
)
from kovra.guard import outcome
from kovra.guard.claim import Claim
from kovra.guard.execute import KEY_REVOKED, LOOK_AGAIN_S, MOST_TRIES, RETRY_S, STRANGERS_WAIT_S
from kovra.guard.job_ports import BulkDiscord, JobLedger, JobRoster, Work
from kovra.guard.perform import audit_reason
from kovra.guard.ports import Ledger
from kovra.ids import UserId, audit_ref

log = logging.getLogger(__name__)

#: Fewer are sooner banned one by one than by a call that Discord takes every five seconds.
FEWEST = 10

#: Discord takes one bulk ban in five seconds from a bot; a place in that line is waited for, a longer one is not.
LONGEST_WAIT_S = 6.0
MOST_WAITS = 3

#: Cases written in one transaction: a few round trips under the guild's counters, and others get their turn between.
SETTLED_AT_ONCE = 25

#: The bulk ban asks for both (API reference, Bulk Guild Ban).
NEEDED = Permission.BAN_MEMBERS | Permission.MANAGE_GUILD


def fits(work: Work, requests: Sequence[ActionRequest]) -> bool:
    """Whether a chunk may go in one call: bans for good, alike, nobody to be told, and enough of them.

    What was begun in bulk goes on so, however few are left: whether it was done is looked up for all at once.
    """
    if work.action is not Action.BAN or work.singly or work.state is not JobState.RUNNING:
        return any(entry.begun for entry in work.entries) and work.action is Action.BAN and not work.singly
    alike = len({tuple(sorted(request.params.items())) for request in requests}) == 1
    plain = all(not request.tells and "duration_s" not in request.params for request in requests)
    begun = any(entry.begun for entry in work.entries)
    return alike and plain and (len(requests) >= FEWEST or begun)


@dataclass(frozen=True, kw_only=True)
class BulkBan:
    """Bans what a chunk holds with Discord's bulk ban. What it leaves is carried on one by one.

    ``wait`` lets seconds pass; ``single`` is the ledger of one request, for the ends that are not shared.
    """

    ledger: JobLedger
    single: Ledger
    roster: JobRoster
    discord: BulkDiscord
    at: Callable[[str], None] = nowhere
    wait: Callable[[float], None] = time.sleep

    def __call__(self, chunk: Chunk, verified: Sequence[Verified]) -> None:
        claims = self.ledger.claim_all(verified)
        if not claims:
            return
        try:
            self._carry_on(chunk, claims)
        except Unavailable:
            for claim in claims:  # those that ended meanwhile are nobody's any more
                self.single.leave(claim)
            raise

    def _carry_on(self, chunk: Chunk, claims: Sequence[Claim]) -> None:
        self.at("after_claim")
        try:
            standings = self.roster.standings(
                chunk.guild_id, claims[0].request.moderator_id, [claim.request.target_id for claim in claims]
            )
        except Unavailable:
            begun = [claim for claim in claims if claim.effect_intended]
            self.ledger.give_back_all(begun, delay_s=RETRY_S, intent_stays=True)
            self.ledger.give_back_all([c for c in claims if not c.effect_intended], delay_s=RETRY_S)
            return
        begun = [claim for claim in claims if claim.effect_intended]
        tries = max((claim.effect_before.get("tries", 1) for claim in begun), default=0)
        fresh = [claim for claim in claims if not claim.effect_intended]
        if begun:
            undone = self._look(chunk, begun, standings)
            if undone is None:
                self.ledger.give_back_all(fresh, delay_s=LOOK_AGAIN_S)
                return
            fresh = undone + fresh
        admitted = self._admitted(fresh, standings)
        if admitted and not may_in_bulk(standings[admitted[0].request.target_id]):
            self._singly(chunk, admitted)
            return
        self._ban(chunk, admitted, standings, tries)

    def _ban(self, chunk: Chunk, claims: Sequence[Claim], standings: Mapping[UserId, Standing], tries: int) -> None:
        """One call for all of them; again, once, when it certainly did not reach some."""
        waits = 0
        while claims:
            if self._stopped(chunk, claims):
                return
            if tries >= MOST_TRIES:
                self._singly(chunk, claims)
                return
            claims, ours_until = self.ledger.intend_all(claims, tries + 1)
            if not claims:
                return
            self.at("after_bulk_intent")
            try:
                with self.discord.leaving_before(ours_until):
                    banned = self._call(claims, standings)
            except DiscordLimited as limited:
                waits += 1
                if limited.retry_after_s > LONGEST_WAIT_S or waits > MOST_WAITS:
                    self.ledger.give_back_all(claims, delay_s=limited.retry_after_s)
                    return
                self.wait(limited.retry_after_s)
                continue
            except DiscordUnreached:
                self.ledger.give_back_all(claims, delay_s=RETRY_S)
                return
            except DiscordUnknown:
                undone = self._look(chunk, claims, standings)
                claims, tries = undone or [], tries + 1
                continue
            except DiscordRefused as refused:
                claims = self._refused(chunk, claims, standings, refused)
                continue
            self.at("after_bulk_call")
            self._settle([claim for claim in claims if claim.request.target_id in banned], standings)
            self._leave(chunk, [claim for claim in claims if claim.request.target_id not in banned], standings)
            return

    def _call(self, claims: Sequence[Claim], standings: Mapping[UserId, Standing]) -> frozenset[UserId]:
        request = claims[0].request
        moderator = standings[request.target_id].moderator
        return self.discord.bulk_ban(
            request.guild_id,
            [claim.request.target_id for claim in claims],
            delete_window_s=request.params.get("delete_window_s", 0),
            # One reason for all: the mark is the job's.
            reason=audit_reason(request, moderator.name, request.batch_id),
        )

    def _refused(
        self, chunk: Chunk, claims: Sequence[Claim], standings: Mapping[UserId, Standing], refused: DiscordRefused
    ) -> Sequence[Claim]:
        """Read a refusal of the whole call; gives those to try again without the others."""
        if refused.code == outcome.TOO_MANY_STRANGERS:
            strangers = [c for c in claims if not standings[c.request.target_id].target.member]
            members = [c for c in claims if standings[c.request.target_id].target.member]
            waiting = strangers or members
            self.ledger.give_back_all(waiting, delay_s=STRANGERS_WAIT_S)
            return members if strangers else []
        # Nobody was banned: why, Discord says only to one who asks for each alone.
        self._leave(chunk, claims, standings)
        return []

    def _leave(self, chunk: Chunk, claims: Sequence[Claim], standings: Mapping[UserId, Standing]) -> None:
        """What the call did not ban: whoever is banned already is told apart, the others are tried one by one."""
        if not claims:
            return
        undone = self._look(chunk, claims, standings)
        if undone:
            self._singly(chunk, undone)

    def _look(self, chunk: Chunk, claims: Sequence[Claim], standings: Mapping[UserId, Standing]) -> list[Claim] | None:
        """Look what became of an intended call: settle what was done, end what another ban keeps out.

        Gives those who are not banned; None when nobody can look now, and all wait for somebody who can.
        """
        guild_id, mark = chunk.guild_id, audit_ref(chunk.batch_id)
        ids = [claim.request.target_id for claim in claims]
        try:
            bans = self.discord.bans_among(guild_id, ids)
            # Ours, and lifted since by somebody: it was done, and must not come back.
            lifted = self._noted(chunk, mark) if len(bans) < len(ids) else frozenset()
        except DiscordError:
            self.at("after_probe")
            late = [claim for claim in claims if claim.now > claim.expires_at]
            self._end(late, lambda claim: outcome.unconfirmed(claim.request.action, _name(claim, standings)))
            waiting = [claim for claim in claims if claim not in late]
            self.ledger.give_back_all(waiting, delay_s=LOOK_AGAIN_S, intent_stays=True)
            return None
        self.at("after_probe")
        ours = {user_id for user_id, reason in bans.items() if reason.rstrip().endswith(mark)} | lifted
        self._settle([claim for claim in claims if claim.request.target_id in ours], standings)
        others = [c for c in claims if c.request.target_id in bans and c.request.target_id not in ours]
        self._end(others, lambda claim: outcome.already_banned(_name(claim, standings)))
        return [c for c in claims if c.request.target_id not in bans and c.request.target_id not in ours]

    def _noted(self, chunk: Chunk, mark: str) -> frozenset[UserId]:
        try:
            return self.discord.noted_targets(chunk.guild_id, Action.BAN, mark)
        except DiscordRefused:
            return frozenset()  # not being allowed to read it is a no

    def _settle(self, claims: Sequence[Claim], standings: Mapping[UserId, Standing]) -> None:
        for start in range(0, len(claims), SETTLED_AT_ONCE):
            self.ledger.settle(claims[start : start + SETTLED_AT_ONCE], standings)
            self.at("after_bulk_settle")

    def _admitted(self, claims: Sequence[Claim], standings: Mapping[UserId, Standing]) -> list[Claim]:
        """Those that may run now, members first; the others are ended one by one."""
        admitted = []
        for claim in claims:
            standing = standings[claim.request.target_id]
            try:
                if claim.revoked:
                    self.single.reject(claim, KEY_REVOKED)
                elif claim.now > claim.expires_at:
                    self.single.expire(claim)
                elif refusal := rights.check(claim.request, standing):
                    self.single.reject(claim, refusal)
                else:
                    admitted.append(claim)
            except ClaimLost:
                log.info("request %s was taken over by another worker", claim.request_id)
        self.at("after_authz")
        return sorted(admitted, key=lambda claim: not standings[claim.request.target_id].target.member)

    def _singly(self, chunk: Chunk, claims: Sequence[Claim]) -> None:
        """Leave these, which certainly were not banned, to be carried one by one."""
        # In this order: one that still held a bulk intent would be looked at as if it had been tried alone.
        self.ledger.give_back_all(claims, delay_s=0)
        self.ledger.go_singly(chunk)

    def _stopped(self, chunk: Chunk, claims: Sequence[Claim]) -> bool:
        """Give back what the people have paused or cancelled meanwhile."""
        if self.ledger.state(chunk) is JobState.RUNNING:
            return False
        self.ledger.give_back_all(claims, delay_s=0)
        return True

    def _end(self, claims: Sequence[Claim], why: Callable[[Claim], outcome.Failure]) -> None:
        for claim in claims:
            try:
                self.single.fail(claim, why(claim))
            except ClaimLost:
                log.info("request %s was taken over by another worker", claim.request_id)


def may_in_bulk(standing: Standing) -> bool:
    """Whether Guard holds what the bulk ban asks for; without it, Guard bans one by one."""
    bits = effective_permissions(standing.guard, standing.owner_id)
    return bits & NEEDED.value == NEEDED.value


def _name(claim: Claim, standings: Mapping[UserId, Standing]) -> str:
    return standings[claim.request.target_id].target.name
