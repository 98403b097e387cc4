"""What would change nothing: banning who is banned for good, unbanning who is not, unmuting who is not muted.

Asked at the door only, so that nobody reads "done" for what was so before. When its turn comes, Discord is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kovra.actions.request import BY_HAND, Action, ActionRequest, Refusal, RefusalKind
from kovra.actions.rights import Standing


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a person is under now, as far as the mirror can be trusted.

    ``banned`` is None when it is not known: the bans were never read, the gateway is silent, or something is on its way
    to this person. ``ban_ends_at``, ``mute_ends_at``: when Guard is going to end it. ``holds``: what Guard keeps of
    the time before, by the name of the act; None while something is on its way.
    """

    banned: bool | None
    muted: bool | None
    ban_ends_at: datetime | None = None
    mute_ends_at: datetime | None = None
    holds: frozenset[str] | None = None


#: These restore what Guard keeps, and the act that it is kept of.
_LIFTS_HOLD = {
    Action.UNQUARANTINE: Action.QUARANTINE.value,
    Action.UNLOCK: Action.LOCK.value,
    Action.SLOWMODE_OFF: Action.SLOWMODE.value,
    Action.LOCKDOWN_OFF: Action.LOCKDOWN.value,
}
_NOT_HELD = {
    Action.UNQUARANTINE: "is not in quarantine",
    Action.UNLOCK: "was not locked by Guard",
    Action.SLOWMODE_OFF: "has no slowmode of Guard’s",
    Action.LOCKDOWN_OFF: "is not in lockdown",
}


def in_question(request: ActionRequest, standing: Standing) -> bool:
    """Whether it has to be looked up: a member is not banned, and a muted one may be unmuted."""
    if request.source not in BY_HAND:
        return False
    if request.action in _LIFTS_HOLD:
        return True
    if request.action in (Action.BAN, Action.UNBAN):
        return not standing.target.member
    return request.action is Action.UNMUTE and not standing.target.timed_out


def refusal(request: ActionRequest, target_name: str, held: Held) -> Refusal | None:
    """Why asking is to no purpose; None when it changes something, or nobody knows.

    A ban that ends may be made to last, and any ban may be given another end.
    """
    for_good = held.banned and held.ban_ends_at is None and "duration_s" not in request.params
    if request.action is Action.BAN and for_good:
        return _no(
            f"{target_name} is already banned, with no end. Nothing was added. Give the ban a duration to let it "
            "end, or unban them."
        )
    if request.action is Action.UNBAN and held.banned is False:
        return _no(f"{target_name} is not banned here, so there is nothing to lift.")
    if request.action is Action.UNMUTE and held.muted is False and held.mute_ends_at is None:
        return _no(f"{target_name} is not muted, so there is nothing to lift.")
    if request.action in _LIFTS_HOLD and held.holds is not None and _LIFTS_HOLD[request.action] not in held.holds:
        return not_held(request.action, target_name)
    return None


def not_held(action: Action, target_name: str) -> Refusal:
    """Nothing is kept of the time before, so there is nothing to go back to."""
    return _no(f"{target_name} {_NOT_HELD[action]}, so there is nothing to lift.")


def _no(sentence: str) -> Refusal:
    return Refusal(kind=RefusalKind.ALREADY, sentence=sentence)
