"""The action dialog as far as it has been filled in: what may be chosen, and what would stand in the way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from kovra.actions import already, budget, rights
from kovra.actions.capabilities import GUARD_NEEDS, NEEDS
from kovra.actions.request import MAX_PURGE, PARAMS, REASON_REQUIRED, Action, ActionRequest, Source
from kovra.actions.rights import LASTING, MEMBERS_ONLY, Standing
from kovra.dashboard import act_choices, wording
from kovra.dashboard.act_choices import DAY_S, HOUR_S, ORDER, On
from kovra.dashboard.services import Services
from kovra.guard.notice_texts import TOLD_AFTER, TOLD_BEFORE, Telling, notice_text
from kovra.ids import UserId, new_request_id
from kovra.store.guilds import GuildScope
from kovra.store.member_list import RoleCard
from kovra.store.members import MemberCard
from kovra.store.places import PlaceCard

__all__ = ["DAY_S", "HOUR_S", "Check", "Draft", "choices_for", "completed"]

#: Stands for the reason in a preview: a letter that nobody types.
_REASON = "\ue000"
_MOMENT = re.compile(r"<t:(\d+):f>")

#: The act that a lift takes back, where Guard keeps what was before.
_HELD_BY = {
    Action.UNLOCK: Action.LOCK,
    Action.SLOWMODE_OFF: Action.SLOWMODE,
    Action.LOCKDOWN_OFF: Action.LOCKDOWN,
    Action.UNQUARANTINE: Action.QUARANTINE,
}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of what was looked at before the form is sent."""

    passed: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class RoleChoice:
    """A role of the server as the dialog offers it; ``why_not`` is empty when it can be chosen."""

    role: RoleCard
    why_not: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The dialog as far as it has been filled in.

    Its target is a person, or with ``on`` a channel or the server (``place``). ``preview`` is the DM in parts, between
    which the reason stands; ``preview_bare`` the DM of an act without a reason.
    """

    on: On = On.MEMBER
    action: Action | None = None
    target: MemberCard | None = None
    place: PlaceCard | None = None
    query: str = ""
    request_id: UUID = field(default_factory=new_request_id)
    reason: str = ""
    duration_s: int = HOUR_S
    ban_duration_s: int = 0
    delete_window_s: int = 0
    role_id: int | None = None
    count: int = 50
    slow_s: int = 10
    channel_id: int | None = None
    notice: bool = True
    choices: Sequence[Action] = ()
    checks: Sequence[Check] = ()
    durations: Sequence[tuple[int, str]] = act_choices.DURATIONS
    ban_durations: Sequence[tuple[int, str]] = act_choices.LASTING_DURATIONS
    roles: Sequence[RoleChoice] = ()
    channels: Sequence[PlaceCard] = ()
    preview: Sequence[str] = ()
    preview_bare: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    windows = act_choices.WINDOWS
    slows = act_choices.SLOWS
    most_messages = MAX_PURGE

    @property
    def target_id(self) -> int | None:
        """Whom or what it is about, once that is chosen."""
        return self.target.user_id if self.target else self.place.place_id if self.place else None

    @property
    def target_name(self) -> str:
        return self.target.name if self.target else self.place.name if self.place else ""

    @property
    def refused(self) -> bool:
        return any(not check.passed for check in self.checks)

    @property
    def presets(self) -> Sequence[str]:
        return act_choices.PRESETS.get(self.action, ()) if self.action else ()

    @property
    def reason_required(self) -> bool:
        return self.action in REASON_REQUIRED

    @property
    def lasting(self) -> bool:
        """Whether Guard ends it by itself when it is given an end; a mute ends in Discord."""
        return self.action in LASTING and self.action is not Action.MUTE

    @property
    def tellable(self) -> bool:
        """Whether the target is told, unless the moderator says otherwise."""
        return self.action in TOLD_BEFORE | TOLD_AFTER

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
    if draft.target is None and draft.place is None:
        return draft
    if draft.place is not None:
        choices, held = _for_place(viewer, draft.on, draft.place), frozenset(draft.place.held)
    else:
        assert draft.target is not None
        held = known.roster.held(viewer.guild_id, draft.target.user_id).holds or frozenset()
        choices = choices_for(viewer, draft.target, held)
    action = draft.action if draft.action in choices else (draft.action or next(iter(choices), None))
    shown = [choice for choice in ORDER[draft.on] if choice in choices or choice is action] if choices else []
    draft = replace(
        draft,
        action=action,
        choices=shown,
        durations=_within(viewer, action, act_choices.DURATIONS),
        ban_durations=_within(viewer, action, act_choices.LASTING_DURATIONS),
    )
    if action in (Action.ROLE_ADD, Action.ROLE_REMOVE):
        draft = _with_roles(known, viewer, draft)
    if action is Action.PURGE and draft.on is On.MEMBER:
        draft = replace(draft, channels=known.guilds.channels(viewer))
    if draft.tellable and draft.target is not None:
        draft = _with_preview(known, viewer, draft)
    return replace(draft, checks=_checks(known, viewer, draft) if action else ())


def _within(viewer: GuildScope, action: Action | None, choices: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """The lengths of time that this viewer may choose; for good is longer than any limit."""
    needed = NEEDS.get(action) if action else None
    longest_s = viewer.capabilities[needed].longest_s if needed and viewer.may(needed) else None
    return choices if longest_s is None else [choice for choice in choices if 0 < choice[0] <= longest_s]


def choices_for(viewer: GuildScope, target: MemberCard, held: frozenset[str] = frozenset()) -> list[Action]:
    """What this viewer may do and what makes sense for this person; ``held`` is what Guard keeps of them."""
    offered = set(ORDER[On.MEMBER])
    if not target.member:
        offered -= MEMBERS_ONLY | {Action.PURGE}
    if not wording.muted(target):
        offered.discard(Action.UNMUTE)
    if target.member or not target.banned:
        offered.discard(Action.UNBAN)
    if not target.member and not target.banned:
        offered.add(Action.UNBAN)  # somebody nobody here knows may be banned all the same
    if Action.QUARANTINE.value not in held:
        offered.discard(Action.UNQUARANTINE)
    choices = [action for action in ORDER[On.MEMBER] if action in offered and viewer.may(NEEDS[action])]
    # Who is banned may be given another end; but that is not what the dialog is opened for.
    return sorted(choices, key=lambda action: target.banned and action is Action.BAN)


def _for_place(viewer: GuildScope, on: On, place: PlaceCard) -> list[Action]:
    """What this viewer may do here; a lift where there is something to lift comes first."""
    choices = [action for action in ORDER[on] if viewer.may(NEEDS[action])]
    choices = [action for action in choices if action not in _HELD_BY or _HELD_BY[action].value in place.held]
    return sorted(choices, key=lambda action: action not in _HELD_BY)


def _with_roles(known: Services, viewer: GuildScope, draft: Draft) -> Draft:
    """The roles that they have not, or have, each with why it cannot be chosen; rights decide when one is."""
    assert draft.target is not None
    theirs = {role.role_id for role in known.member_list.roles_of(viewer, draft.target.user_id)}
    wanted = draft.action is Action.ROLE_REMOVE
    standing = known.roster.standing(viewer.guild_id, viewer.viewer.user_id, draft.target.user_id)
    roles = [
        RoleChoice(role=role, why_not=_out_of_reach(role, standing, viewer.owner))
        for role in known.member_list.roles(viewer)
        if (role.role_id in theirs) is wanted
    ]
    within = [choice.role.role_id for choice in roles if not choice.why_not]
    chosen = draft.role_id if draft.role_id in within else None
    return replace(draft, roles=roles, role_id=chosen or next(iter(within), None))


def _out_of_reach(role: RoleCard, standing: Standing, owner: bool) -> str:
    """Why this role can be neither given nor taken, by this viewer through Guard; empty when it can."""
    if role.managed:
        return "an integration’s"
    if role.position >= standing.guard.rank:
        return "not below Guard’s role"
    return "not below yours" if not owner and role.position >= standing.moderator.rank else ""


def _with_preview(known: Services, viewer: GuildScope, draft: Draft) -> Draft:
    """The DM as the server words it. The number of the case is not known yet."""
    assert draft.target is not None
    assert draft.action is not None
    lasts_s = draft.duration_s if draft.action is Action.MUTE else draft.ban_duration_s if draft.lasting else 0
    told = Telling(
        action=draft.action,
        member=draft.target.name,
        moderator=viewer.viewer.name,
        reason=_REASON,
        ends_at=known.clock.now() + timedelta(seconds=lasts_s) if lasts_s > 0 else None,
        lasts_s=lasts_s if lasts_s > 0 else None,
    )
    texts = known.roster.notice_texts(viewer.guild_id)
    written, bare = (_readable(notice_text(texts, one)) for one in (told, replace(told, reason="")))
    return replace(draft, preview=written.split(_REASON), preview_bare=bare)


def _readable(text: str) -> str:
    """Discord's markup as a person reads it."""
    text = _MOMENT.sub(lambda found: wording.utc(datetime.fromtimestamp(int(found[1]), UTC)), text)
    text = re.sub(r"(?m)^-# ", "", text).replace("**", "")
    return re.sub(r"\\([\\*_~`|>\[\]()])", r"\1", text)


def _checks(known: Services, viewer: GuildScope, draft: Draft) -> list[Check]:
    """Ask the rights as ``submit`` will, so that a refusal is known before it happens."""
    action, target_id = draft.action, draft.target_id
    assert action is not None
    assert target_id is not None
    if action in (Action.ROLE_ADD, Action.ROLE_REMOVE) and draft.role_id is None:
        which = "They have no role" if action is Action.ROLE_REMOVE else "There is no role"
        return [
            Check(
                passed=False,
                text=f"{which} below yours and Guard’s that can be {'taken' if 'They' in which else 'given'}.",
            )
        ]
    question = ActionRequest(
        request_id=new_request_id(),
        guild_id=viewer.guild_id,
        action=action,
        target_id=UserId(target_id),
        moderator_id=viewer.viewer.user_id,
        source=Source.DASHBOARD,
        reason="-",
        issued_at=known.clock.now(),
        params=_plausible(draft),
    )
    standing = known.roster.standing(viewer.guild_id, viewer.viewer.user_id, question.target_id)
    if rights.looks_around(question):
        standing = known.roster.around(question, standing)
    refusal = rights.check(question, standing)
    if refusal is None and already.in_question(question, standing):
        held = known.roster.held(viewer.guild_id, question.target_id)
        refusal = already.refusal(question, standing.target.name, held)
    refusal = refusal or known.requests.running(viewer, question)
    if refusal:
        return [Check(passed=False, text=refusal.sentence)]
    checks = []
    if action in GUARD_NEEDS:
        checks.append(
            Check(passed=True, text=f"Guard can {action.verb} {'them' if draft.target else draft.target_name}")
        )
    if draft.target is not None and draft.target.member:
        owns = standing.owner_id == viewer.viewer.user_id
        checks.append(Check(passed=True, text="You own this server" if owns else "Below your role"))
    if (given := known.requests.budget(viewer, action)) is not None:
        if given.granted == 0:
            return [Check(passed=False, text=budget.refusal(action, given).sentence)]
        checks.append(Check(passed=True, text=f"Your budget: {given.used} of {given.limit} this hour"))
    return checks


def _plausible(draft: Draft) -> dict[str, int]:
    """The parameters that rights look at, as far as the dialog knows them."""
    action = draft.action
    assert action is not None
    params: dict[str, int] = {}
    if action is Action.MUTE:
        params["duration_s"] = 1
    elif draft.lasting and 0 < draft.ban_duration_s <= PARAMS[action]["duration_s"][1]:
        params["duration_s"] = draft.ban_duration_s
    if action is Action.PURGE:
        params |= {"count": 1} | ({"of_member": 1} if draft.on is On.MEMBER else {})
    if action is Action.SLOWMODE:
        params["slow_s"] = 1
    if action in (Action.ROLE_ADD, Action.ROLE_REMOVE) and draft.role_id is not None:
        params["role_id"] = draft.role_id
    return params
