"""What the action dialog offers: its actions in their order, and what may be chosen for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from kovra.actions.request import MAX_MUTE, Action


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
DURATIONS = (
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
#: Of what Guard ends by itself; 0: until someone lifts it.
LASTING_DURATIONS = (
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
WINDOWS = (
    (0, "Keep all"),
    (HOUR_S, "Last hour"),
    (6 * HOUR_S, "Last 6 hours"),
    (DAY_S, "Last 24 hours"),
    (3 * DAY_S, "Last 3 days"),
    (7 * DAY_S, "Last 7 days"),
)

#: The pause between two messages of one person.
SLOWS = (
    (5, "5 seconds"),
    (10, "10 seconds"),
    (30, "30 seconds"),
    (60, "1 minute"),
    (5 * 60, "5 minutes"),
    (15 * 60, "15 minutes"),
    (HOUR_S, "1 hour"),
    (6 * HOUR_S, "6 hours"),
)
