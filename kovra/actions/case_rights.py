"""Who may change a case: their own with what the case took, others' with ``amend``. Asked twice, as all rights are."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from kovra.actions.capabilities import GIVEN_BY, NEEDS, Capability, capabilities, permission_names
from kovra.actions.request import BY_HAND, Action, ActionRequest, Refusal, RefusalKind
from kovra.actions.rights import LASTING, CaseSeen, Standing, about_guard, outranked, too_long

#: Of these the target is told, so that it can be told again.
TOLD = frozenset({Action.BAN, Action.SOFTBAN, Action.KICK, Action.MUTE, Action.WARN, Action.QUARANTINE})


def check(request: ActionRequest, standing: Standing) -> Refusal | None:
    """Decide whether a case may be changed now; None when it may, else the first reason why not."""
    case = standing.case
    if case is None or case.target_id != request.target_id:
        return _no(RefusalKind.CASE_UNKNOWN, f"This server has no case #{request.case_no} of this person.")
    refusal = _about_moderator(request, standing, case) if request.source in BY_HAND else None
    return refusal or _about_state(request, standing, case) or _about_end(request, standing, case)


def needed(request: ActionRequest, case: CaseSeen) -> Capability:
    """What it takes: of one's own case what the case took, and of others' what the change takes."""
    own = case.moderator_id == request.moderator_id and request.action is not Action.COMMENT
    return NEEDS[case.action] if own else NEEDS[request.action]


def _about_moderator(request: ActionRequest, standing: Standing, case: CaseSeen) -> Refusal | None:
    if not standing.moderator.member:
        return _no(RefusalKind.NO_LONGER_MEMBER, "You are no longer a member of this server.")
    held = capabilities(standing.moderator, standing.owner_id, standing.grants)
    wanted = needed(request, case)
    if wanted not in held:
        whose = "your own" if case.moderator_id == request.moderator_id else "somebody else’s"
        return _no(
            RefusalKind.NO_CAPABILITY,
            f"You may not {_WORDS[request.action]} {whose} case here: it takes the capability “{wanted}”, which comes "
            f"with {permission_names(GIVEN_BY[wanted])} in Discord. Ask an admin of this server.",
        )
    if "duration_s" not in request.params:
        return None
    limit, verb = held.get(NEEDS[case.action]), case.action.verb
    if limit is None:
        return _no(
            RefusalKind.NO_CAPABILITY,
            f"You may not change how long this {case.action.noun} lasts: it takes the capability "
            f"“{NEEDS[case.action]}” too. Ask an admin of this server.",
        )
    wanted_s = request.params["duration_s"] or inf
    return too_long(verb, limit.longest_s, wanted_s) or outranked(verb, standing)


def _about_state(request: ActionRequest, standing: Standing, case: CaseSeen) -> Refusal | None:
    what = f"Case #{case.case_no}"
    if case.voided and request.action is not Action.COMMENT:
        return _no(RefusalKind.CASE_STATE, f"{what} is void. It stays as it is; a comment can be added to it.")
    if request.action is not Action.RESEND:
        return None
    if case.action not in TOLD:
        return _no(RefusalKind.CASE_STATE, f"{what} is a {case.action.noun}: nobody is told of those.")
    if standing.target.bot:
        return _no(RefusalKind.BOT_TARGET, f"{standing.target.name} is a bot and reads no messages.")
    if not standing.target.member:
        return _no(
            RefusalKind.NOT_A_MEMBER,
            f"{standing.target.name} shares no server with Guard any more, so Discord would refuse the message.",
        )
    return None


def _about_end(request: ActionRequest, standing: Standing, case: CaseSeen) -> Refusal | None:
    if "duration_s" not in request.params:
        return None
    duration_s, which = request.params["duration_s"], f"The {case.action.noun} of case #{case.case_no}"
    if case.action not in LASTING:
        return _no(RefusalKind.CASE_STATE, f"{which} does not last. Only its reason can change.")
    if not case.holds:
        return _no(RefusalKind.CASE_STATE, f"{which} is over, so it cannot get another end.")
    if case.action is Action.MUTE and duration_s == 0:
        return _no(RefusalKind.CASE_STATE, "A mute needs a duration. Ban them to keep them out for good.")
    if 0 < duration_s <= case.age_s:
        return _no(
            RefusalKind.CASE_STATE,
            f"{which} began longer ago than that, so it would be over. Lift it instead.",
        )
    if case.action is not Action.MUTE:
        return None
    if not standing.target.member:
        return None
    # The new end is told to Discord, as a mute is.
    return about_guard(replace(request, action=Action.MUTE, params={"duration_s": duration_s}), standing)


_WORDS = {
    Action.AMEND: "amend",
    Action.VOID: "void",
    Action.RESEND: "resend the DM of",
    Action.COMMENT: "comment on",
}


def _no(kind: RefusalKind, sentence: str) -> Refusal:
    return Refusal(kind=kind, sentence=sentence)
