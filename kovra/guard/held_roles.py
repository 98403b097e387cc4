"""Setting and restoring the roles of a member. The parts of :mod:`kovra.guard.restoring` about roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kovra.actions.request import Action, ActionRequest
from kovra.errors import DiscordRefused
from kovra.guard.ports import Discord

if TYPE_CHECKING:
    from kovra.guard.restoring import Hold, Now

#: Discord's answer about a member who is gone (API reference, JSON error codes).
UNKNOWN_MEMBER = 10007

Was = Mapping[str, Any] | None


def strip(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> tuple[Was, Was]:
    """All roles go but those that Discord alone takes; the one of the quarantine comes."""
    member = discord.fetch_member(request.guild_id, request.target_id)
    if member is None:
        raise DiscordRefused(404, UNKNOWN_MEMBER, "Unknown Member")
    managed = {role.role_id for role in discord.fetch_roles(request.guild_id) if role.managed}
    has = sorted(set(member.role_ids) - {request.guild_id})
    meanwhile = {request.params["role_id"]} if "role_id" in request.params else set()
    was = hold.was if hold is not None else {"roles": has, "meanwhile": sorted(meanwhile)}
    return was, {"roles": sorted((set(has) & managed) | meanwhile)}


def give_back(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> tuple[Was, Was]:
    """The roles of before, as far as they exist and Guard reaches them, beside those that were given since."""
    assert hold is not None
    member = discord.fetch_member(request.guild_id, request.target_id)
    if member is None:
        return hold.was, None
    reachable = {
        role.role_id
        for role in discord.fetch_roles(request.guild_id)
        if not role.managed and role.position < now.guard_rank and role.role_id != request.guild_id
    }
    has = set(member.role_ids) - {request.guild_id}
    meanwhile = set(hold.was.get("meanwhile", ())) - set(hold.was["roles"])
    return hold.was, {"roles": sorted((has - meanwhile) | (set(hold.was["roles"]) & reachable))}


def one_role(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> tuple[Was, Was]:
    return None, {"has": request.action is Action.ROLE_ADD}


def has_roles(discord: Discord, request: ActionRequest, want: Was) -> bool | None:
    if want is None:
        return True
    member = discord.fetch_member(request.guild_id, request.target_id)
    if member is None:
        return None
    return sorted(set(member.role_ids) - {request.guild_id}) == list(want["roles"])


def has_role(discord: Discord, request: ActionRequest, want: Was) -> bool | None:
    member = discord.fetch_member(request.guild_id, request.target_id)
    if member is None:
        return None
    return (request.params["role_id"] in member.role_ids) is (request.action is Action.ROLE_ADD)
