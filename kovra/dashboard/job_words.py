"""How one mass action reads: how fast it is, how long it took, and why some of it came to nothing, with what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kovra.actions.request import RefusalKind, State
from kovra.guard.outcome import FailureKind
from kovra.ids import UserId
from kovra.store.job_control import JobTarget

#: The pace is that of this last stretch: a burst that Discord held back long ago says nothing of what is left.
STRETCH = timedelta(minutes=1)

#: By what stands against a target: what it is called, and what to do. Failures, then refusals, then what people chose.
_REASONS: Mapping[str, tuple[str, str]] = {
    FailureKind.TARGET_UNKNOWN: ("No such account", "Nobody on Discord has this ID. There is nothing to do."),
    FailureKind.TARGET_GONE: ("Left the server", "A ban still reaches them by their ID."),
    FailureKind.NOT_BANNED: ("Was not banned", "There was no ban to lift. There is nothing to do."),
    FailureKind.ALREADY_BANNED: ("Banned already", "Somebody else was faster. There is nothing to do."),
    FailureKind.FORBIDDEN: (
        "Guard’s role or permission",
        "Move Guard’s role higher or give the permission back, then try again.",
    ),
    FailureKind.NO_ACCESS: ("Guard is not in the server", "Invite Guard again, then try again."),
    FailureKind.INVALID: ("Discord did not accept it", "Try again with other values."),
    FailureKind.TOKEN: ("Guard could not sign in", "Whoever runs Kovra sets a new token. Then try again."),
    FailureKind.UNCONFIRMED: ("Unconfirmed", "It may have happened: look at them in Discord before you try again."),
    FailureKind.REFUSED: ("Discord refused it", "Try again; if it refuses again, the health check may say why."),
    FailureKind.ATTEMPTS: ("Gave up", "Discord did not answer, time and again. Try again when it does."),
    FailureKind.HALF_DONE: ("Done by half", "Look at them in Discord and finish it by hand."),
    FailureKind.ROLE_GONE: ("The role was deleted", "Choose another role."),
    RefusalKind.BUDGET: ("Over the budget", "Somebody else who may approve releases them, or wait until it frees up."),
    RefusalKind.OWNER: ("Owner of the server", "Nobody can act on the owner."),
    RefusalKind.SELF: ("Yourself", "Nobody acts on themselves."),
    RefusalKind.GUARD: ("Guard itself", "Guard does not act on itself."),
    RefusalKind.OUTRANKED: ("Not below you", "Somebody with a higher role may ask for it."),
    RefusalKind.GUARD_OUTRANKED: ("Not below Guard", "Move Guard’s role above theirs in Discord, then try again."),
    RefusalKind.TARGET_ADMINISTRATOR: ("Administrators", "Discord protects them: take their role first."),
    RefusalKind.NOT_A_MEMBER: ("Not in the server", "It takes a member. A ban still reaches them by their ID."),
    RefusalKind.BOT_TARGET: ("Bots", "This cannot be done to a bot."),
    RefusalKind.ALREADY: ("So already", "Nothing would have changed. There is nothing to do."),
    RefusalKind.RUNNING: ("Somebody was faster", "The same was under way already. Look at its result."),
    RefusalKind.DUPLICATE: ("Named twice", "The first mention counts. There is nothing to do."),
    RefusalKind.NO_CAPABILITY: ("Not allowed", "An admin of this server can give the capability."),
    RefusalKind.CAPABILITY_LIMIT: ("Beyond a limit", "Choose fewer targets or a shorter time, or ask an admin."),
    RefusalKind.GUARD_PERMISSION: ("Guard lacks a permission", "Give it back in Discord, then try again."),
    RefusalKind.GUARD_ABSENT: ("Guard was not in the server", "Invite Guard again, then try again."),
    RefusalKind.RELEASED: ("Released already", "Look at the first release for the result."),
    RefusalKind.KEY_REVOKED: ("Its seal does not hold", "The key that signed it was revoked. Try again."),
    State.DEAD: ("Gave up", "Try again when the cause is gone."),
    State.CANCELLED: ("Cancelled", "Somebody cancelled the rest before its turn came."),
    State.EXPIRED: ("Too late", "It waited longer than a day and is no longer wanted. Try again if it is."),
}

#: What another try of the same act cannot mend: nothing is left to do, or something else is.
_FINAL = frozenset(
    {
        *(FailureKind.TARGET_UNKNOWN, FailureKind.TARGET_GONE, FailureKind.NOT_BANNED, FailureKind.ALREADY_BANNED),
        *(FailureKind.HALF_DONE, RefusalKind.OWNER, RefusalKind.SELF, RefusalKind.GUARD, RefusalKind.BOT_TARGET),
        *(RefusalKind.NOT_A_MEMBER, RefusalKind.ALREADY, RefusalKind.RUNNING, RefusalKind.DUPLICATE),
        RefusalKind.RELEASED,
    }
)

#: The words by which an address asks for those targets alone.
WHY = frozenset(str(why) for why in (*FailureKind, *RefusalKind, State.DEAD, State.CANCELLED, State.EXPIRED))


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why some targets came to nothing: ``why`` is its word in an address; ``again``: another try may help."""

    why: str
    title: str
    remedy: str
    again: bool
    target_ids: Sequence[UserId]

    @property
    def count(self) -> int:
        return len(self.target_ids)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast it goes now. ``left_s``: how long the rest takes at this pace."""

    a_minute: float
    left_s: float


def reasons(targets: Sequence[JobTarget]) -> list[Reason]:
    """Why some came to nothing, the most frequent first."""
    held: dict[str, list[UserId]] = {}
    for one in targets:
        if one.why:
            held.setdefault(one.why, []).append(one.target_id)
    return [
        Reason(why=why, title=title, remedy=remedy, again=why not in _FINAL, target_ids=those)
        for why, those in sorted(held.items(), key=lambda pair: (-len(pair[1]), pair[0]))
        for title, remedy in [_REASONS.get(why, ("Came to nothing", "Each line says why."))]
    ]


def taken_back(targets: Sequence[JobTarget]) -> int:
    """How many of its cases were taken back."""
    return sum(one.reversed_by is not None for one in targets)


def worth_another(targets: Sequence[JobTarget], shown: Sequence[JobTarget]) -> list[JobTarget]:
    """Those shown for whom asking once more may help; nobody once all that was done to the job's targets is taken
    back: it was not to be.
    """
    done = sum(one.case_no is not None for one in targets)
    if done and taken_back(targets) == done:
        return []
    return [one for one in shown if one.why and one.why not in _FINAL and not one.released]


def pace(targets: Sequence[JobTarget], now: datetime) -> Pace | None:
    """How fast targets have ended lately; None when none has, or none is left."""
    ended = [one.ended_at for one in targets if one.began_at is not None and one.ended_at is not None]
    left = sum(not one.state.terminal for one in targets)
    lately = [moment for moment in ended if moment > now - STRETCH]
    if not left or not lately:
        return None
    began = min(one.began_at for one in targets if one.began_at is not None)
    stretch_s = max(1.0, min(STRETCH, now - began).total_seconds())
    return Pace(a_minute=60 * len(lately) / stretch_s, left_s=left * stretch_s / len(lately))


def took_s(targets: Sequence[JobTarget], asked_at: datetime) -> float | None:
    """From the confirmation to the end of the last; None while something is left, or when nothing ever began."""
    ended = [one.ended_at for one in targets if one.began_at is not None and one.ended_at is not None]
    if not ended or any(not one.state.terminal for one in targets):
        return None
    return max(0.0, (max(ended) - asked_at).total_seconds())
