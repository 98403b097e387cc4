"""Acts on a case that exists: a comment, another reason or end, void, the DM once more. They make no case.

Each has its place in the same queue, is claimed and judged as any action, and ends with an entry in the case's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kovra.actions.case_rights import check
from kovra.actions.checkpoint import nowhere
from kovra.actions.request import Action, State
from kovra.actions.rights import Standing
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached, Unavailable
from kovra.guard import outcome
from kovra.guard.case import Case
from kovra.guard.claim import Claim
from kovra.guard.endings import told_until
from kovra.guard.notices import Notices
from kovra.guard.perform import audit_reason
from kovra.guard.ports import Discord, Ledger, Roster

#: How long an act waits after Discord could not be reached or did not answer, in seconds.
RETRY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an act does to its case. ``reason``, ``ends_at``: the new ones; ``lasting`` says that the end changes."""

    reason: str | None = None
    lasting: bool = False
    ends_at: datetime | None = None
    voids: bool = False
    tells: bool = False


@dataclass(frozen=True, kw_only=True)
class CaseActs:
    """Carries an act on a case to its end. ``at`` is the executor's checkpoint."""

    ledger: Ledger
    roster: Roster
    discord: Discord
    notices: Notices
    at: Callable[[str], None] = nowhere

    def carry(self, claim: Claim) -> None:
        """From the claim to the entry in the thread; its post is edited by whoever posts."""
        case = claim.case
        if claim.state is State.EXECUTING:
            case = self._change(claim)
        if case is not None:
            self.ledger.close(claim)
            self.at("after_done")

    def _change(self, claim: Claim) -> Case | None:
        if claim.now > claim.expires_at and not claim.effect_intended:
            self.ledger.expire(claim)
            return None
        try:
            standing, case = self._standing(claim), self.ledger.case(claim)
        except Unavailable:
            self.ledger.give_back(claim, delay_s=RETRY_S, intent_stays=claim.effect_intended)
            return None
        if refusal := check(claim.request, standing):
            self.ledger.reject(claim, refusal)
            return None
        assert case is not None  # the check has seen it
        self.at("after_authz")
        change = change_of(claim, case)
        if change.lasting and not self._apply(claim, standing, case, change):
            return None
        if change.tells:
            self.notices.tell_again(claim, standing, case)
        self.at("before_finalise")
        changed = self.ledger.amend(claim, standing=standing, change=change)
        self.at("after_finalise")
        return changed

    def _apply(self, claim: Claim, standing: Standing, case: Case, change: Change) -> bool:
        """Tell Discord the new end of a mute; that of a ban or a quarantine is Guard's own to keep.

        Setting the same end twice is setting it once, so an unknown answer is simply asked for again.
        """
        if case.action is not Action.MUTE or not standing.target.member or change.ends_at is None:
            return True
        until = told_until(change.ends_at, claim.now)
        ours_until = self.ledger.intend_effect(claim, {"until": until.isoformat()})
        self.at("after_effect_intent")
        try:
            reason = audit_reason(claim.request, standing.moderator.name)
            with self.discord.leaving_before(ours_until):
                self.discord.mute(claim.guild_id, case.target_id, until=until, reason=reason)
        except DiscordRefused as error:
            self.ledger.fail(claim, outcome.failure(Action.MUTE, standing.target.name, error))
            return False
        except DiscordLimited as error:
            self.ledger.give_back(claim, delay_s=error.retry_after_s)
            return False
        except (DiscordUnknown, DiscordUnreached):
            self.ledger.give_back(claim, delay_s=RETRY_S, intent_stays=True)
            return False
        self.at("after_effect_call")
        return True

    def _standing(self, claim: Claim) -> Standing:
        request = claim.request
        standing = self.roster.standing(request.guild_id, request.moderator_id, request.target_id)
        return self.roster.around(request, standing)


def change_of(claim: Claim, case: Case) -> Change:
    """What the request asks of this case. A new length counts from the case's beginning."""
    request = claim.request
    match request.action:
        case Action.AMEND:
            duration_s = request.params.get("duration_s")
            ends_at = case.created_at + timedelta(seconds=duration_s) if duration_s else None
            return Change(reason=request.reason or None, lasting=duration_s is not None, ends_at=_whole_ms(ends_at))
        case Action.VOID:
            return Change(voids=True)
        case Action.RESEND:
            return Change(tells=True)
    return Change()


def _whole_ms(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)
