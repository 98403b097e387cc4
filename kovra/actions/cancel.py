"""Who may cancel a request that still waits."""

from __future__ import annotations

from collections.abc import Collection

from kovra.actions.capabilities import NEEDS, Capability, Person
from kovra.actions.request import BY_HAND, Action, Source, State
from kovra.ids import UserId


def refusal(
    *,
    action: Action,
    source: Source,
    asker: Person,
    canceller: Person,
    owner_id: UserId,
    held: Collection[Capability],
) -> str | None:
    """Why this person may not cancel this request; None when they may.

    Who asked may take it back, whatever has become of their rights: it is only undone wishing. Anybody else decides
    over a colleague, so they need what the action takes and stand above who asked, as they would to reverse it. What
    no person asked for (AutoMod, an expiry) anyone may stop who could have asked for it.
    """
    by_hand = source in BY_HAND
    if by_hand and canceller.user_id == asker.user_id:
        return None
    needed = NEEDS[action]
    if needed not in held:
        return _not_you(action, asker, by_hand)
    if by_hand and canceller.user_id != owner_id and asker.member and asker.rank >= canceller.rank:
        return _not_you(action, asker, by_hand)
    return None


def too_late(action: Action, state: State, target_name: str) -> str:
    """Why a request in this state cannot be cancelled any more."""
    if state is State.ACCEPTED:
        return (
            f"Not cancelled: Discord did not answer the {action.noun} of {target_name}, so it may have been done. "
            "Guard looks as soon as Discord answers, and records what it finds."
        )
    if state in (State.EXECUTING, State.APPLIED):
        return f"Not cancelled: the {action.noun} of {target_name} is already running. Wait for its result."
    return f"Not cancelled: the {action.noun} of {target_name} has already ended."


def _not_you(action: Action, asker: Person, by_hand: bool) -> str:
    who = f"{asker.name}, who asked for it, or someone above them" if by_hand else "someone"
    return f"Not cancelled: only {who} with the capability “{NEEDS[action]}” can cancel this {action.noun}."
