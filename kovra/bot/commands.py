"""The commands of Guard in Discord: their shape, and telling Discord about them once per release."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import discord
from discord import Option, OptionChoice, SlashCommandGroup, SlashCommandOptionType

from kovra.actions.request import MAX_REASON, Action

#: The choices of Discord's own ban dialog, in seconds.
DELETE_WINDOWS = {
    "nothing": 0,
    "the last hour": 3_600,
    "the last 6 hours": 21_600,
    "the last 12 hours": 43_200,
    "the last day": 86_400,
    "the last 3 days": 259_200,
    "the last 7 days": 604_800,
}

_DESCRIPTIONS = {
    Action.BAN: "Ban a member, or anyone by their id",
    Action.UNBAN: "Lift a ban",
    Action.KICK: "Remove a member from this server",
    Action.MUTE: "Time a member out",
    Action.UNMUTE: "End a member’s timeout",
    Action.WARN: "Warn a member; they are told by direct message",
    Action.NOTE: "Add a note that only moderators see",
}

_REASON_OPTIONAL = "Why, for the case and Discord’s audit log"
_REASON_NEEDED = {Action.WARN: "What the member is told", Action.NOTE: "What the note says"}

#: What a command gives the door: the action, and the options as Pycord read them.
Run = Callable[[Action, discord.ApplicationContext, dict[str, Any]], Awaitable[None]]


class KnownCommands(Protocol):
    """Remembers what Discord was last told."""

    def digest(self) -> str | None: ...

    def remember(self, digest: str) -> None: ...


class CommandsApi(Protocol):
    """Discord's list of an application's commands (``rest.GuardRest``)."""

    def put_commands(self, application_id: int, commands: list[dict[str, Any]]) -> None: ...


def mod_group(run: Run) -> SlashCommandGroup:
    """``/mod`` with one subcommand per action. Each calls ``run``."""
    group = SlashCommandGroup(
        "mod",
        "Moderate through Kovra",
        contexts={discord.InteractionContextType.guild},
        integration_types={discord.IntegrationType.guild_install},
        # What it takes to see the command; an admin can change it in Discord. What it takes to act is decided by
        # Kovra's capabilities alone.
        default_member_permissions=discord.Permissions(moderate_members=True),
    )
    for action in _DESCRIPTIONS:
        group.add_command(_subcommand(action, group, run))
    return group


def payloads() -> list[dict[str, Any]]:
    """The commands as Discord takes them."""

    async def never(action: Action, context: discord.ApplicationContext, options: dict[str, Any]) -> None:
        raise AssertionError("these commands are only described")

    payload = mod_group(never).to_dict()
    # Discord tells and takes permissions as text: the numbers outgrow what JSON keeps exactly.
    payload["default_member_permissions"] = str(payload["default_member_permissions"])
    payload["contexts"] = sorted(payload["contexts"])
    return [payload]


def digest(commands: list[dict[str, Any]]) -> str:
    """A fingerprint of the commands: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(commands, sort_keys=True).encode()).hexdigest()


def sync(api: CommandsApi, application_id: int, known: KnownCommands) -> bool:
    """Tell Discord the commands if they differ from what it was last told; True when it was told.

    Discord takes two such calls a minute, so this belongs to the release and not to every start.

    Raises:
        DiscordError: Discord did not take them; nothing is remembered.
    """
    commands = payloads()
    if known.digest() == digest(commands):
        return False
    api.put_commands(application_id, commands)
    known.remember(digest(commands))
    return True


def _subcommand(action: Action, group: SlashCommandGroup, run: Run) -> discord.SlashCommand:
    # Pycord hands options over by the parameters' names, so each form of command has its own function.
    async def plain(context: discord.ApplicationContext, user: Any, reason: str) -> None:
        await run(action, context, {"user": user, "reason": reason})

    async def ban(
        context: discord.ApplicationContext, user: Any, reason: str, duration: str, delete_messages: int
    ) -> None:
        options = {"user": user, "reason": reason, "duration": duration, "delete_messages": delete_messages}
        await run(action, context, options)

    async def mute(context: discord.ApplicationContext, user: Any, duration: str, reason: str) -> None:
        await run(action, context, {"user": user, "duration": duration, "reason": reason})

    return discord.SlashCommand(
        {Action.BAN: ban, Action.MUTE: mute}.get(action, plain),
        name=action.value,
        description=_DESCRIPTIONS[action],
        options=_options(action),
        parent=group,
    )


def _options(action: Action) -> list[Option]:
    options = [_target(action)]
    if action is Action.MUTE:
        options.append(_text("duration", "How long: 10m, 2h, 1h30m, 7d, 60d", 40, required=True))
    needed = action in _REASON_NEEDED
    options.append(_text("reason", _REASON_NEEDED.get(action, _REASON_OPTIONAL), MAX_REASON, required=needed))
    if action is Action.BAN:
        options.append(_text("duration", "How long: 12h, 7d, 90d; without one, for good", 40, required=False))
        choices = [OptionChoice(name=name, value=seconds) for name, seconds in DELETE_WINDOWS.items()]
        options.append(
            Option(
                SlashCommandOptionType.integer,
                name="delete_messages",
                description="Which of their messages go too; without a choice, none",
                choices=choices,
                required=False,
                default=0,
            )
        )
    return options


def _target(action: Action) -> Option:
    if action is Action.UNBAN:
        # Discord's list of people to pick from has no one who is banned.
        return _text("user", "The id of the banned user", 40, required=True)
    return Option(SlashCommandOptionType.user, name="user", description="Whom; an id will do", required=True)


def _text(name: str, description: str, longest: int, *, required: bool) -> Option:
    return Option(
        SlashCommandOptionType.string,
        name=name,
        description=description,
        max_length=longest,
        required=required,
        **({} if required else {"default": ""}),
    )
