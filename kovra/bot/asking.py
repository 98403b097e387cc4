"""Turning a command into the canonical request. The same interaction always makes the same request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import discord

from kovra.actions.request import MAX_PURGE, Action, ActionRequest, Source
from kovra.actions.reverse import Undo, opposite
from kovra.bot import durations
from kovra.errors import Malformed
from kovra.ids import GuildId, UserId, derived_request_id, parse_snowflake, snowflake_ms

#: Commands that read, and ask for nothing.
READING = frozenset({"mod doctor", "case view", "case list", "history", "menu history"})
#: The menus that open a form, on a member and on a message; what was filled in is asked for under their names.
MODERATE, ACT = "menu moderate", "menu act"
#: Commands about a case, which has to be looked up first.
OF_CASE = {"case edit": Action.AMEND, "case void": Action.VOID, "case reverse": None}

#: What a choice of a command asks for.
_CHOSEN = {
    ("mod role", "give"): Action.ROLE_ADD,
    ("mod role", "take"): Action.ROLE_REMOVE,
    ("mod quarantine", "begin"): Action.QUARANTINE,
    ("mod quarantine", "end"): Action.UNQUARANTINE,
    ("mod lockdown", "on"): Action.LOCKDOWN,
    ("mod lockdown", "off"): Action.LOCKDOWN_OFF,
}
_WITH_DURATION = frozenset({Action.BAN, Action.MUTE, Action.QUARANTINE, Action.LOCK, Action.SLOWMODE, Action.LOCKDOWN})
_ROLES = frozenset({Action.ROLE_ADD, Action.ROLE_REMOVE, Action.QUARANTINE})
_WINDOWS = frozenset({Action.BAN, Action.SOFTBAN})
#: A softban is there to delete messages: those of a day, unless something else is chosen.
_DAY_S = 86_400


def action_of(name: str, options: Mapping[str, Any]) -> Action:
    """What a command of ``/mod`` asks for."""
    if "change" in options:
        return _CHOSEN[name, options["change"]]
    if name == "mod slowmode":
        return Action.SLOWMODE if options.get("seconds") is not None else Action.SLOWMODE_OFF
    return Action(name.removeprefix("mod "))


def request_of(
    name: str,
    interaction: discord.Interaction,
    options: Mapping[str, Any],
    case: Undo | None = None,
    wish: UUID | None = None,
) -> ActionRequest:
    """The request of a command; ``case`` is the one it is about, ``wish`` its id when a form had it before.

    Raises:
        Malformed: an option cannot be read, or the case cannot be taken back.
    """
    if name in OF_CASE:
        return _of_case(name, interaction, options, case)
    action = action_of(name, options)
    return ActionRequest(
        action=action,
        target_id=_target(action, interaction, options),
        params=_params(action, interaction, options),
        **_rest(interaction, options, wish),
    )


def undo_request(interaction: discord.Interaction, case: Undo) -> ActionRequest:
    """What the button *Undo* under an answer asks for.

    Raises:
        Malformed: it cannot be taken back; the message says why.
    """
    return opposite(case, **_rest(interaction, {"reason": f"Takes back case #{case.case_no}."}))


def _of_case(
    name: str, interaction: discord.Interaction, options: Mapping[str, Any], case: Undo | None
) -> ActionRequest:
    if case is None:
        raise Malformed(f"this server has no case #{options['number']}.")
    action = OF_CASE[name]
    if action is None:
        return opposite(case, **_rest(interaction, options))
    params = {"case_no": case.case_no}
    if options.get("duration"):
        params["duration_s"] = _seconds(interaction, options["duration"])
    return ActionRequest(action=action, target_id=case.target_id, params=params, **_rest(interaction, options))


def _rest(interaction: discord.Interaction, options: Mapping[str, Any], wish: UUID | None = None) -> dict[str, Any]:
    """What every request of a command has."""
    return {
        "request_id": wish or derived_request_id(snowflake_ms(interaction.id), "slash", interaction.id),
        "guild_id": GuildId(interaction.guild_id),
        "moderator_id": UserId(interaction.user.id),
        "source": Source.DISCORD,
        "reason": options.get("reason") or "",
        "issued_at": interaction.created_at,
    }


def _target(action: Action, interaction: discord.Interaction, options: Mapping[str, Any]) -> UserId:
    """Whom, or which channel: the one the command was given in when none is chosen."""
    if action in (Action.LOCKDOWN, Action.LOCKDOWN_OFF):
        return UserId(interaction.guild_id)
    user = options.get("user")
    if user is not None:
        return UserId(parse_snowflake(user) if isinstance(user, str) else user.id)
    return UserId(_channel_id(interaction, options))


def _channel_id(interaction: discord.Interaction, options: Mapping[str, Any]) -> int:
    channel = options.get("channel")
    return channel.id if channel is not None else interaction.channel_id


def _params(action: Action, interaction: discord.Interaction, options: Mapping[str, Any]) -> dict[str, int]:
    params: dict[str, int] = {}
    if action in _WINDOWS:
        chosen = options.get("delete_messages")
        params["delete_window_s"] = chosen if chosen is not None else _DAY_S * (action is Action.SOFTBAN)
    if action in _WITH_DURATION and options.get("duration"):
        params["duration_s"] = _seconds(interaction, options["duration"])
    if action in _ROLES and options.get("role") is not None:
        params["role_id"] = options["role"].id
    if options.get("delete_message"):
        params["delete_channel_id"], params["delete_message_id"] = options["delete_message"]
    if action is Action.SLOWMODE:
        params["slow_s"] = options["seconds"]
    if action is Action.PURGE:
        params["count"] = min(options["count"], MAX_PURGE)
        if options.get("user") is not None:
            params["of_member"] = 1
            if options.get("channel") is not None:
                params["channel_id"] = options["channel"].id
    return params


def _seconds(interaction: discord.Interaction, text: str) -> int:
    return durations.parse_until(text, interaction.created_at)
