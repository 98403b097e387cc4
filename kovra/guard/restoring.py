"""Acts that set a state and can be taken back: what was so before is kept, and exactly that is restored.

A hold is what Guard keeps for one target: what was so before the first of these acts. It begins with the intent, so a
process that dies between the deed and the case loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from kovra.actions.request import Action, ActionRequest
from kovra.errors import DiscordRefused
from kovra.guard.ports import Discord

#: Whose hold an act begins or lifts.
HOLDS_OF: Mapping[Action, Action] = MappingProxyType(
    {
        Action.QUARANTINE: Action.QUARANTINE,
        Action.UNQUARANTINE: Action.QUARANTINE,
    }
)

#: These restore what was so before, and need a hold to know it.
RESTORING = frozenset(action for action, kind in HOLDS_OF.items() if action is not kind)

#: These set a state too; there is nothing to keep, for the opposite act restores it.
SETTING = frozenset({Action.ROLE_ADD, Action.ROLE_REMOVE, *HOLDS_OF})

#: Discord's answer about a member who is gone (API reference, JSON error codes).
UNKNOWN_MEMBER = 10007


@dataclass(frozen=True, kw_only=True)
class Hold:
    """What Guard keeps of the time before. ``was`` is JSON, as :func:`plan` made it; the case is the newest act's."""

    kind: Action
    request_id: UUID
    case_no: int
    was: Mapping[str, Any]


def plan(discord: Discord, request: ActionRequest, guard_rank: int, hold: Hold | None) -> dict[str, Any]:
    """What was so before and what shall be, as JSON: ``was`` and ``want``.

    A second act on what is held already keeps what was so before the first. To restore takes a hold.

    Raises:
        DiscordError: the present state could not be read; nothing was done.
    """
    was, want = _PLANS[request.action](discord, request, guard_rank, hold)
    return {"was": was, "want": want}


def set_state(discord: Discord, request: ActionRequest, want: Mapping[str, Any] | None, *, reason: str) -> None:
    """Make it so. Doing it twice is doing it once. ``want`` None: there is nothing to change on Discord."""
    guild_id, target_id = request.guild_id, request.target_id
    match request.action:
        case Action.ROLE_ADD:
            discord.add_role(guild_id, target_id, request.params["role_id"], reason=reason)
        case Action.ROLE_REMOVE:
            discord.remove_role(guild_id, target_id, request.params["role_id"], reason=reason)
        case Action.QUARANTINE | Action.UNQUARANTINE if want is not None:
            discord.set_roles(guild_id, target_id, want["roles"], reason=reason)


def is_so(discord: Discord, request: ActionRequest, want: Mapping[str, Any] | None) -> bool | None:
    """Whether the wanted state is there now; None when the target is gone."""
    return _LOOKS[request.action](discord, request, want)


# -- roles

Was = Mapping[str, Any] | None


def _strip(discord: Discord, request: ActionRequest, guard_rank: int, hold: Hold | None) -> tuple[Was, Was]:
    """All roles go but those that Discord alone takes; the one of the quarantine comes."""
    member = discord.fetch_member(request.guild_id, request.target_id)
    if member is None:
        raise DiscordRefused(404, UNKNOWN_MEMBER, "Unknown Member")
    managed = {role.role_id for role in discord.fetch_roles(request.guild_id) if role.managed}
    has = sorted(set(member.role_ids) - {request.guild_id})
    meanwhile = {request.params["role_id"]} if "role_id" in request.params else set()
    was = hold.was if hold is not None else {"roles": has, "meanwhile": sorted(meanwhile)}
    return was, {"roles": sorted((set(has) & managed) | meanwhile)}


def _give_back(discord: Discord, request: ActionRequest, guard_rank: int, hold: Hold | None) -> tuple[Was, Was]:
    """The roles of before, as far as they exist and Guard reaches them, beside those that were given since."""
    assert hold is not None
    member = discord.fetch_member(request.guild_id, request.target_id)
    if member is None:
        return hold.was, None
    reachable = {
        role.role_id
        for role in discord.fetch_roles(request.guild_id)
        if not role.managed and role.position < guard_rank and role.role_id != request.guild_id
    }
    has = set(member.role_ids) - {request.guild_id}
    meanwhile = set(hold.was.get("meanwhile", ())) - set(hold.was["roles"])
    return hold.was, {"roles": sorted((has - meanwhile) | (set(hold.was["roles"]) & reachable))}


def _one_role(discord: Discord, request: ActionRequest, guard_rank: int, hold: Hold | None) -> tuple[Was, Was]:
    return None, {"has": request.action is Action.ROLE_ADD}


def _has_roles(discord: Discord, request: ActionRequest, want: Was) -> bool | None:
    if want is None:
        return True
    member = discord.fetch_member(request.guild_id, request.target_id)
    if member is None:
        return None
    return sorted(set(member.role_ids) - {request.guild_id}) == list(want["roles"])


def _has_role(discord: Discord, request: ActionRequest, want: Was) -> bool | None:
    member = discord.fetch_member(request.guild_id, request.target_id)
    if member is None:
        return None
    return (request.params["role_id"] in member.role_ids) is (request.action is Action.ROLE_ADD)


_PLANS: Mapping[Action, Callable[[Discord, ActionRequest, int, Hold | None], tuple[Was, Was]]] = MappingProxyType(
    {
        Action.ROLE_ADD: _one_role,
        Action.ROLE_REMOVE: _one_role,
        Action.QUARANTINE: _strip,
        Action.UNQUARANTINE: _give_back,
    }
)
_LOOKS: Mapping[Action, Callable[[Discord, ActionRequest, Was], bool | None]] = MappingProxyType(
    {
        Action.ROLE_ADD: _has_role,
        Action.ROLE_REMOVE: _has_role,
        Action.QUARANTINE: _has_roles,
        Action.UNQUARANTINE: _has_roles,
    }
)
