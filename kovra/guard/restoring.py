"""Acts that set a state and can be taken back: what was so before is kept, and exactly that is restored.

A hold is what Guard keeps for one target: what was so before the first of these acts. It begins with the intent, so a
process that dies between the deed and the case loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from kovra.actions.request import Action, ActionRequest
from kovra.errors import DiscordError
from kovra.guard import held_places, held_roles
from kovra.guard.ports import Discord

#: Whose hold an act begins or lifts.
HOLDS_OF: Mapping[Action, Action] = MappingProxyType(
    {
        Action.QUARANTINE: Action.QUARANTINE,
        Action.UNQUARANTINE: Action.QUARANTINE,
        Action.LOCK: Action.LOCK,
        Action.UNLOCK: Action.LOCK,
        Action.SLOWMODE: Action.SLOWMODE,
        Action.SLOWMODE_OFF: Action.SLOWMODE,
        Action.LOCKDOWN: Action.LOCKDOWN,
        Action.LOCKDOWN_OFF: Action.LOCKDOWN,
    }
)

#: These restore what was so before, and need a hold to know it.
RESTORING = frozenset(action for action, kind in HOLDS_OF.items() if action is not kind)

#: These set a state too; there is nothing to keep, for the opposite act restores it.
SETTING = frozenset({Action.ROLE_ADD, Action.ROLE_REMOVE, *HOLDS_OF})


@dataclass(frozen=True, kw_only=True)
class Hold:
    """What Guard keeps of the time before. ``was`` is JSON, as :func:`plan` made it; the case is the newest act's."""

    kind: Action
    request_id: UUID
    case_no: int
    was: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Now:
    """What a plan must know of this moment: Guard's rank, the database's clock, and when what is asked for ends."""

    guard_rank: int
    at: datetime
    ends_at: datetime | None = None


class SecondRefused(Exception):
    """Of two settings the second was not made, for this cause; the first one stands."""

    def __init__(self, cause: DiscordError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def plan(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> dict[str, Any]:
    """What was so before and what shall be, as JSON: ``was`` and ``want``.

    A second act on what is held already keeps what was so before the first. To restore takes a hold.

    Raises:
        DiscordError: the present state could not be read; nothing was done.
    """
    was, want = _PLANS[request.action](discord, request, now, hold)
    return {"was": was, "want": want}


def set_state(discord: Discord, request: ActionRequest, want: Mapping[str, Any] | None, *, reason: str) -> None:
    """Make it so. Doing it twice is doing it once. ``want`` None: there is nothing to change on Discord.

    Raises:
        DiscordError: it was not made so, or it is not known.
        SecondRefused: of a lockdown, only the verification level was set.
    """
    guild_id, target_id = request.guild_id, request.target_id
    match request.action:
        case Action.ROLE_ADD:
            discord.add_role(guild_id, target_id, request.params["role_id"], reason=reason)
        case Action.ROLE_REMOVE:
            discord.remove_role(guild_id, target_id, request.params["role_id"], reason=reason)
        case Action.QUARANTINE | Action.UNQUARANTINE if want is not None:
            discord.set_roles(guild_id, target_id, want["roles"], reason=reason)
        case Action.LOCK | Action.UNLOCK if want is not None:
            held_places.set_everyone(discord, request, want, reason)
        case Action.SLOWMODE | Action.SLOWMODE_OFF if want is not None:
            discord.set_slowmode(target_id, want["slow_s"], reason=reason)
        case Action.LOCKDOWN | Action.LOCKDOWN_OFF if want is not None:
            discord.set_level(guild_id, want["level"], reason=reason)
            try:
                held_places.set_pauses(discord, request, want, reason)
            except DiscordError as error:
                raise SecondRefused(error) from error


def is_so(discord: Discord, request: ActionRequest, want: Mapping[str, Any] | None) -> bool | None:
    """Whether the wanted state is there now; None when the target is gone."""
    return _LOOKS[request.action](discord, request, want)


Was = Mapping[str, Any] | None

_ROLES, _PLACES = held_roles, held_places
_PLANS: Mapping[Action, Callable[[Discord, ActionRequest, Now, Hold | None], tuple[Was, Was]]] = MappingProxyType(
    {
        Action.ROLE_ADD: _ROLES.one_role,
        Action.ROLE_REMOVE: _ROLES.one_role,
        Action.QUARANTINE: _ROLES.strip,
        Action.UNQUARANTINE: _ROLES.give_back,
        Action.LOCK: _PLACES.lock,
        Action.UNLOCK: _PLACES.unlock,
        Action.SLOWMODE: _PLACES.slow,
        Action.SLOWMODE_OFF: _PLACES.unslow,
        Action.LOCKDOWN: _PLACES.lock_down,
        Action.LOCKDOWN_OFF: _PLACES.let_up,
    }
)
_LOOKS: Mapping[Action, Callable[[Discord, ActionRequest, Was], bool | None]] = MappingProxyType(
    {
        Action.ROLE_ADD: _ROLES.has_role,
        Action.ROLE_REMOVE: _ROLES.has_role,
        Action.QUARANTINE: _ROLES.has_roles,
        Action.UNQUARANTINE: _ROLES.has_roles,
        Action.LOCK: _PLACES.is_locked_so,
        Action.UNLOCK: _PLACES.is_locked_so,
        Action.SLOWMODE: _PLACES.is_slow_so,
        Action.SLOWMODE_OFF: _PLACES.is_slow_so,
        Action.LOCKDOWN: _PLACES.is_down_so,
        Action.LOCKDOWN_OFF: _PLACES.is_down_so,
    }
)
