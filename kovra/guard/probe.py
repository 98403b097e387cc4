"""What became of a deed whose answer never came: look before anything is repeated.

A deed leaves its mark in Discord's audit log and, for a ban, on the ban itself. What was so before the deed (its
fence) was kept with the intent, so that a person who left and came back, or was banned anew, is told apart from one
who was never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from kovra.actions.request import Action, ActionRequest
from kovra.errors import DiscordRefused
from kovra.guard.ports import Discord
from kovra.guard.restoring import SETTING, is_so
from kovra.ids import audit_ref

#: An entry of the audit log may come this much later than the deed.
AUDIT_LAG = timedelta(seconds=5)


class Verdict(StrEnum):
    """What a look at Discord says."""

    DONE = "done"
    NOT_DONE = "not_done"
    """Certainly not; it may be tried again."""
    GONE = "gone"
    """The target left without our doing: there is nobody to act on."""
    LATER = "later"
    """Discord may not have written it down yet."""
    HALF = "half"
    """Of a softban: they are banned by us and have to be let go."""
    UNKNOWABLE = "unknowable"
    """What would tell is missing or may not be read."""


def fence(discord: Discord, request: ActionRequest, joined_at: datetime | None) -> dict[str, Any]:
    """What must be known of the time before, as JSON.

    A ban needs none: whoever is banned afterwards is banned. But one that ends keeps the ban that stood already, whose
    reason Discord does not change.

    Args:
        joined_at: when the target joined, as far as it is known without asking Discord.

    Raises:
        DiscordError: it could not be read; nothing was done.
    """
    if request.action in (Action.KICK, Action.SOFTBAN):
        if joined_at is None:
            member = discord.fetch_member(request.guild_id, request.target_id)
            joined_at = member.joined_at if member else None
        return {"joined_at": joined_at.isoformat() if joined_at else None}
    if request.action is Action.UNBAN or (request.action is Action.BAN and "duration_s" in request.params):
        ban = discord.fetch_ban(request.guild_id, request.target_id)
        return {"ban": None if ban is None else {"reason": ban.reason}}
    return {}


def probe(discord: Discord, request: ActionRequest, before: Mapping[str, Any], age: timedelta) -> Verdict:
    """Look whether an intended deed was done.

    Args:
        before: what was kept with the intent: the fence, and ``until`` of a mute.
        age: how long ago the deed was intended.

    Raises:
        DiscordLimited, DiscordUnreached, DiscordUnknown: Discord cannot be looked at now.
    """
    try:
        if request.action in SETTING:
            return _state(discord, request, before)
        return _LOOKS[request.action](discord, request, before, age)
    except DiscordRefused:
        return Verdict.UNKNOWABLE


def _state(discord: Discord, request: ActionRequest, before: Mapping[str, Any]) -> Verdict:
    """A state is there or not, whoever set it; setting it again does no harm."""
    found = is_so(discord, request, before.get("want"))
    if found is None:
        return Verdict.GONE
    return Verdict.DONE if found else Verdict.NOT_DONE


def _softban(discord: Discord, request: ActionRequest, before: Mapping[str, Any], age: timedelta) -> Verdict:
    ban = discord.fetch_ban(request.guild_id, request.target_id)
    if ban is not None:
        # A ban of somebody else's is not ours to lift; ours was refused or never came, for they were out by then.
        return Verdict.HALF if (ban.reason or "").endswith(audit_ref(request.request_id)) else Verdict.GONE
    # Not banned: never, or let go already. Who was banned by us is known by the audit log, as with a kick.
    return _kick(discord, request, before, age)


def _ban(discord: Discord, request: ActionRequest, before: Mapping[str, Any], age: timedelta) -> Verdict:
    if discord.fetch_ban(request.guild_id, request.target_id) is not None:
        return Verdict.DONE
    # Not banned now; but if our ban was there and somebody has lifted it since, it must not come back.
    return Verdict.DONE if _noted(discord, request) else Verdict.NOT_DONE


def _unban(discord: Discord, request: ActionRequest, before: Mapping[str, Any], age: timedelta) -> Verdict:
    ban = discord.fetch_ban(request.guild_id, request.target_id)
    if "ban" not in before:
        return Verdict.DONE if _noted(discord, request) else Verdict.UNKNOWABLE
    if ban is None:
        # There was none before either: then Discord refuses the unban, and that is the answer.
        return Verdict.NOT_DONE if before["ban"] is None else Verdict.DONE
    if before["ban"] is not None and ban.reason == before["ban"]["reason"]:
        return Verdict.NOT_DONE
    # Another ban than the one we were asked to lift: somebody banned them anew, and that ban is not ours to lift.
    return Verdict.DONE if before["ban"] is not None else Verdict.UNKNOWABLE


def _kick(discord: Discord, request: ActionRequest, before: Mapping[str, Any], age: timedelta) -> Verdict:
    member, joined_at = discord.fetch_member(request.guild_id, request.target_id), before.get("joined_at")
    if member and member.joined_at and joined_at and member.joined_at == datetime.fromisoformat(joined_at):
        return Verdict.NOT_DONE
    # They are out, or came back since; a leaver looks the same, so only the audit log can tell.
    if _noted(discord, request, needed=True):
        return Verdict.DONE
    if age < AUDIT_LAG:
        return Verdict.LATER
    return Verdict.GONE if joined_at else Verdict.UNKNOWABLE


def _mute(discord: Discord, request: ActionRequest, before: Mapping[str, Any], age: timedelta) -> Verdict:
    member, until = discord.fetch_member(request.guild_id, request.target_id), before.get("until")
    if until is None:
        return Verdict.UNKNOWABLE
    if member and member.timed_out_until == datetime.fromisoformat(until):
        return Verdict.DONE
    if _noted(discord, request):
        return Verdict.DONE
    return Verdict.NOT_DONE if member else Verdict.GONE


def _unmute(discord: Discord, request: ActionRequest, before: Mapping[str, Any], age: timedelta) -> Verdict:
    member = discord.fetch_member(request.guild_id, request.target_id)
    if member and member.timed_out_until is None:
        return Verdict.DONE
    if _noted(discord, request):
        return Verdict.DONE
    return Verdict.NOT_DONE if member else Verdict.GONE


def _noted(discord: Discord, request: ActionRequest, *, needed: bool = False) -> bool:
    """Whether the audit log holds our mark. Where it only helps, not being allowed to read it is a no."""
    try:
        noted_as = Action.BAN if request.action is Action.SOFTBAN else request.action
        return discord.noted(request.guild_id, noted_as, audit_ref(request.request_id))
    except DiscordRefused:
        if needed:
            raise
        return False


_LOOKS = {
    Action.BAN: _ban,
    Action.UNBAN: _unban,
    Action.KICK: _kick,
    Action.SOFTBAN: _softban,
    # Which messages go was chosen before: to delete them again deletes no others.
    Action.PURGE: lambda discord, request, before, age: Verdict.HALF if before.get("done") else Verdict.NOT_DONE,
    Action.MUTE: _mute,
    Action.UNMUTE: _unmute,
}
