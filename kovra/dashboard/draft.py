"""The action dialog as far as it has been filled in: what may be chosen, and what would stand in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from kovra.actions import budget, rights
from kovra.actions.request import MAX_MUTE, REASON_REQUIRED, Action, ActionRequest, Source
from kovra.actions.rights import GUARD_NEEDS, MEMBERS_ONLY, NEEDS, Capability
from kovra.dashboard import wording
from kovra.dashboard.services import Services
from kovra.guard.notice_texts import TOLD_AFTER, TOLD_BEFORE
from kovra.ids import new_request_id
from kovra.store.guilds import GuildScope
from kovra.store.members import MemberCard

DAY_S, HOUR_S = 86_400, 3_600

_PRESETS: Mapping[Action, Sequence[str]] = {
    Action.WARN: ("Spam or ads", "Harassment", "Off topic after being asked", "Invite links"),
    Action.MUTE: ("Spam or ads", "Harassment", "Cooling down"),
    Action.KICK: ("Spam or ads", "Harassment", "Account looks compromised"),
    Action.BAN: ("Spam or ads", "Harassment", "Raid", "Ban evasion", "Phishing"),
}
_DURATIONS = (
    (5 * 60, "5 minutes"),
    (10 * 60, "10 minutes"),
    (30 * 60, "30 minutes"),
    (HOUR_S, "1 hour"),
    (6 * HOUR_S, "6 hours"),
    (12 * HOUR_S, "12 hours"),
    (DAY_S, "1 day"),
    (3 * DAY_S, "3 days"),
    (7 * DAY_S, "7 days"),
    (14 * DAY_S, "14 days"),
    # Exactly 28 days are the longest time-out that Discord does: nobody means the minute beyond it.
    (int(MAX_MUTE.total_seconds()), "28 days"),
    (60 * DAY_S, "60 days"),
    (90 * DAY_S, "90 days"),
)
#: 0: until someone lifts it.
_BAN_DURATIONS = (
    (0, "Until lifted"),
    (HOUR_S, "1 hour"),
    (12 * HOUR_S, "12 hours"),
    (DAY_S, "1 day"),
    (3 * DAY_S, "3 days"),
    (7 * DAY_S, "7 days"),
    (14 * DAY_S, "14 days"),
    (30 * DAY_S, "30 days"),
    (90 * DAY_S, "90 days"),
    (180 * DAY_S, "180 days"),
    (365 * DAY_S, "1 year"),
)
_WINDOWS = (
    (0, "Keep all"),
    (HOUR_S, "Last hour"),
    (6 * HOUR_S, "Last 6 hours"),
    (DAY_S, "Last 24 hours"),
    (3 * DAY_S, "Last 3 days"),
    (7 * DAY_S, "Last 7 days"),
)
#: What the dialog can ask for, in its order: the other actions need a field that it does not have.
ORDER = (Action.WARN, Action.MUTE, Action.UNMUTE, Action.KICK, Action.BAN, Action.UNBAN, Action.NOTE)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of what was looked at before the form is sent."""

    passed: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The dialog as far as it has been filled in."""

    action: Action | None = None
    target: MemberCard | None = None
    query: str = ""
    request_id: UUID = field(default_factory=new_request_id)
    reason: str = ""
    duration_s: int = HOUR_S
    ban_duration_s: int = 0
    delete_window_s: int = 0
    choices: Sequence[Action] = ()
    checks: Sequence[Check] = ()
    durations: Sequence[tuple[int, str]] = _DURATIONS
    ban_durations: Sequence[tuple[int, str]] = _BAN_DURATIONS
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    windows = _WINDOWS

    @property
    def refused(self) -> bool:
        return any(not check.passed for check in self.checks)

    @property
    def presets(self) -> Sequence[str]:
        return _PRESETS.get(self.action, ()) if self.action else ()

    @property
    def reason_required(self) -> bool:
        return self.action in REASON_REQUIRED

    @property
    def told(self) -> str:
        """Whether and when the target hears of it."""
        if self.action in TOLD_BEFORE:
            return "They are told by DM before it happens"
        if self.action in TOLD_AFTER:
            return "They are told by DM, with the case number"
        return "No DM is sent" if self.action else ""


def completed(known: Services, viewer: GuildScope, draft: Draft) -> Draft:
    """Add what may be chosen and what would stand in the way."""
    if draft.target is None:
        return draft
    choices = choices_for(viewer, draft.target)
    action = draft.action if draft.action in choices else (draft.action or next(iter(choices), None))
    shown = [choice for choice in ORDER if choice in choices or choice is action] if choices else []
    return replace(
        draft,
        action=action,
        choices=shown,
        checks=_checks(known, viewer, draft.target, action) if action else (),
        durations=_within(viewer, Capability.MUTE, _DURATIONS),
        ban_durations=_within(viewer, Capability.BAN, _BAN_DURATIONS),
    )


def _within(
    viewer: GuildScope, capability: Capability, choices: Sequence[tuple[int, str]]
) -> Sequence[tuple[int, str]]:
    """The lengths of time that this viewer may choose; for good is longer than any limit."""
    longest_s = viewer.capabilities[capability].longest_s if viewer.may(capability) else None
    return choices if longest_s is None else [choice for choice in choices if 0 < choice[0] <= longest_s]


def choices_for(viewer: GuildScope, target: MemberCard) -> list[Action]:
    """What this viewer may do and what makes sense for this person."""
    offered = set(ORDER)
    if not target.member:
        offered -= MEMBERS_ONLY
    if not wording.muted(target):
        offered.discard(Action.UNMUTE)
    if target.member or not target.banned:
        offered.discard(Action.UNBAN)
    if not target.member and not target.banned:
        offered.add(Action.UNBAN)  # somebody nobody here knows may be banned all the same
    choices = [action for action in ORDER if action in offered and viewer.may(NEEDS[action])]
    # Who is banned may be given another end; but that is not what the dialog is opened for.
    return sorted(choices, key=lambda action: target.banned and action is Action.BAN)


def _checks(known: Services, viewer: GuildScope, target: MemberCard, action: Action) -> list[Check]:
    """Ask the rights as ``submit`` will, so that a refusal is known before it happens."""
    standing = known.roster.standing(viewer.guild_id, viewer.viewer.user_id, target.user_id)
    question = ActionRequest(
        request_id=new_request_id(),
        guild_id=viewer.guild_id,
        action=action,
        target_id=target.user_id,
        moderator_id=viewer.viewer.user_id,
        source=Source.DASHBOARD,
        reason="-",
        issued_at=known.clock.now(),
        params={"duration_s": 1} if action is Action.MUTE else {},
    )
    refusal = rights.check(question, standing)
    if refusal:
        return [Check(passed=False, text=refusal.sentence)]
    checks = []
    if action in GUARD_NEEDS:
        checks.append(Check(passed=True, text=f"Guard can {action} them"))
    if target.member:
        owns = standing.owner_id == viewer.viewer.user_id
        checks.append(Check(passed=True, text="You own this server" if owns else "Below your role"))
    if (given := known.requests.budget(viewer, action)) is not None:
        if given.granted == 0:
            return [Check(passed=False, text=budget.refusal(action, given).sentence)]
        checks.append(Check(passed=True, text=f"Your budget: {given.used} of {given.limit} this hour"))
    return checks
