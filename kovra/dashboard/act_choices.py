"""What the action dialog offers: its actions in their order, and what may be chosen for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from kovra.actions.request import MAX_MUTE, Action
from kovra.dashboard.wording import duration


class On(StrEnum):
    """What an action is done to."""

    MEMBER = "member"
    CHANNEL = "channel"
    SERVER = "server"


#: What the dialog can ask for, in its order.
ORDER: Mapping[On, Sequence[Action]] = {
    On.MEMBER: (
        Action.WARN,
        Action.MUTE,
        Action.UNMUTE,
        Action.KICK,
        Action.SOFTBAN,
        Action.BAN,
        Action.UNBAN,
        Action.QUARANTINE,
        Action.UNQUARANTINE,
        Action.ROLE_ADD,
        Action.ROLE_REMOVE,
        Action.PURGE,
        Action.NOTE,
    ),
    On.CHANNEL: (Action.LOCK, Action.UNLOCK, Action.SLOWMODE, Action.SLOWMODE_OFF, Action.PURGE),
    On.SERVER: (Action.LOCKDOWN, Action.LOCKDOWN_OFF),
}
#: Everything the dialog can ask for, those done to members first.
ASKABLE: Sequence[Action] = tuple(dict.fromkeys(action for actions in ORDER.values() for action in actions))
#: What stands on a person's page and in the palette; the dialog has the rest.
QUICK = frozenset(
    {Action.WARN, Action.MUTE, Action.UNMUTE, Action.KICK, Action.BAN, Action.UNBAN, Action.UNQUARANTINE, Action.NOTE}
)


def on_of(action: Action | None) -> On:
    """What an action is done to, when nothing else is said: a purge is of a member."""
    return next((on for on, actions in ORDER.items() if action in actions), On.MEMBER)


DAY_S, HOUR_S = 86_400, 3_600

PRESETS: Mapping[Action, Sequence[str]] = {
    Action.WARN: ("Spam or ads", "Harassment", "Off topic after being asked", "Invite links"),
    Action.MUTE: ("Spam or ads", "Harassment", "Cooling down"),
    Action.KICK: ("Spam or ads", "Harassment", "Account looks compromised"),
    Action.BAN: ("Spam or ads", "Harassment", "Raid", "Ban evasion", "Phishing"),
}
#: Exactly 28 days are the longest time-out that Discord does: nobody means the minute beyond it.
_LONGEST_MUTE_S = int(MAX_MUTE.total_seconds())
_NAMED = {0: "Until lifted", _LONGEST_MUTE_S: "28 days", 365 * DAY_S: "1 year"}


def lengths(*seconds: int) -> Sequence[tuple[int, str]]:
    """Lengths of time to choose from, in seconds and in words; 0: until someone lifts it."""
    return tuple((length, _NAMED.get(length) or duration(length)) for length in seconds)


DURATIONS = lengths(
    *(5 * 60, 10 * 60, 30 * 60, HOUR_S, 6 * HOUR_S, 12 * HOUR_S),
    *(DAY_S, 3 * DAY_S, 7 * DAY_S, 14 * DAY_S, _LONGEST_MUTE_S, 60 * DAY_S, 90 * DAY_S),
)
#: Of what Guard ends by itself.
LASTING_DURATIONS = lengths(
    *(0, HOUR_S, 12 * HOUR_S),
    *(DAY_S, 3 * DAY_S, 7 * DAY_S, 14 * DAY_S, 30 * DAY_S, 90 * DAY_S, 180 * DAY_S, 365 * DAY_S),
)
#: What a length is changed to.
AMENDED_LENGTHS = lengths(
    *(10 * 60, HOUR_S, 6 * HOUR_S, 12 * HOUR_S),
    *(DAY_S, 3 * DAY_S, 7 * DAY_S, 14 * DAY_S, _LONGEST_MUTE_S, 90 * DAY_S, 365 * DAY_S, 0),
)
WINDOWS = (
    (0, "Keep all"),
    (HOUR_S, "Last hour"),
    (6 * HOUR_S, "Last 6 hours"),
    (DAY_S, "Last 24 hours"),
    (3 * DAY_S, "Last 3 days"),
    (7 * DAY_S, "Last 7 days"),
)

#: The pause between two messages of one person.
SLOWS = lengths(5, 10, 30, 60, 5 * 60, 15 * 60, HOUR_S, 6 * HOUR_S)
