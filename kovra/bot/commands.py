"""The commands of Guard in Discord: their shape, and telling Discord about them once per release."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import discord
from discord import Option, OptionChoice, SlashCommandGroup, SlashCommandOptionType

from kovra.actions.request import MAX_PURGE, MAX_REASON, MAX_SLOWMODE_S, Action
from kovra.bot.asking import ACT, MODERATE
from kovra.bot.suggestions import suggest_durations, suggest_reasons
from kovra.bot.tongues import spoken

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

#: What a command gives the door: its name, such as ``mod ban``, and the options as Pycord read them.
Run = Callable[[str, discord.ApplicationContext, dict[str, Any]], Awaitable[None]]

_Kind = SlashCommandOptionType
#: Text and announcements: where people write and Guard can lock, slow and delete.
_CHANNELS = [discord.ChannelType.text, discord.ChannelType.news]


class KnownCommands(Protocol):
    """Remembers what Discord was last told."""

    def digest(self) -> str | None: ...

    def remember(self, digest: str) -> None: ...


class CommandsApi(Protocol):
    """Discord's list of an application's commands (``rest.GuardRest``)."""

    def put_commands(self, application_id: int, commands: list[dict[str, Any]]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command or subcommand. ``options`` are made anew for each, as Pycord writes in them."""

    name: str
    description: str
    options: Callable[[], Sequence[Option]]


def _option(kind: _Kind, name: str, description: str, *, required: bool = False, **more: Any) -> Option:
    rest = {} if required else {"default": None}
    localized = {"description_localizations": spoken(description)}
    return Option(kind, name=name, description=description, required=required, **localized, **rest, **more)


def _user(*, required: bool = True) -> Option:
    return _option(_Kind.user, "user", "Whom; an id will do", required=required)


def _reason(description: str = "Why, for the case and Discord’s audit log", *, required: bool = False) -> Option:
    return _option(
        _Kind.string, "reason", description, required=required, max_length=MAX_REASON, autocomplete=suggest_reasons
    )


def _duration(*, required: bool = False) -> Option:
    text = "How long: 10m, 2h, 7d, or a date such as 2026-12-24"
    return _option(_Kind.string, "duration", text, required=required, max_length=40, autocomplete=suggest_durations)


def _window() -> Option:
    choices = [OptionChoice(name=name, value=seconds) for name, seconds in DELETE_WINDOWS.items()]
    text = "Which of their messages go too; without a choice, none"
    return _option(_Kind.integer, "delete_messages", text, choices=choices)


def _channel() -> Option:
    return _option(_Kind.channel, "channel", "Which channel; this one if none is chosen", channel_types=_CHANNELS)


def _one_of(name: str, description: str, *choices: str) -> Option:
    listed = [OptionChoice(name=choice, value=choice) for choice in choices]
    return _option(_Kind.string, name, description, required=True, choices=listed)


def _number() -> Option:
    return _option(_Kind.integer, "number", "The number of the case", required=True, min_value=1)


def _count(name: str, description: str, low: int, high: int) -> Option:
    return _option(_Kind.integer, name, description, required=True, min_value=low, max_value=high)


def _banned() -> Option:
    # Discord's list of people to pick from has no one who is banned.
    return _option(_Kind.string, "user", "The id of the banned user", required=True, max_length=40)


_ROLE = "Which role"
_MEANWHILE = "A role to have meanwhile"

MOD = (
    Command(
        name="ban",
        description="Ban a member, or anyone by their id",
        options=lambda: [_user(), _reason(), _duration(), _window()],
    ),
    Command(name="unban", description="Lift a ban", options=lambda: [_banned(), _reason()]),
    Command(
        name="softban",
        description="Remove a member with their messages; they may come back",
        options=lambda: [_user(), _reason(), _window()],
    ),
    Command(name="kick", description="Remove a member from this server", options=lambda: [_user(), _reason()]),
    Command(
        name="mute",
        description="Time a member out",
        options=lambda: [_user(), _duration(required=True), _reason()],
    ),
    Command(name="unmute", description="End a member’s timeout", options=lambda: [_user(), _reason()]),
    Command(
        name="warn",
        description="Warn a member; they are told by direct message",
        options=lambda: [_user(), _reason("What the member is told", required=True)],
    ),
    Command(
        name="note",
        description="Add a note that only moderators see",
        options=lambda: [_user(), _reason("What the note says", required=True)],
    ),
    Command(
        name="role",
        description="Give a member a role, or take it",
        options=lambda: [
            _one_of("change", "Give it or take it", "give", "take"),
            _user(),
            _option(_Kind.role, "role", _ROLE, required=True),
            _reason(),
        ],
    ),
    Command(
        name="quarantine",
        description="Take all roles of a member, or give them back",
        options=lambda: [
            _one_of("change", "Begin it or end it", "begin", "end"),
            _user(),
            _reason(),
            _duration(),
            _option(_Kind.role, "role", _MEANWHILE),
        ],
    ),
    Command(
        name="purge",
        description="Delete the latest messages of a channel or a member",
        options=lambda: [
            _count("count", "How many messages", 1, MAX_PURGE),
            _channel(),
            _user(required=False),
            _reason(),
        ],
    ),
    Command(
        name="lock",
        description="Let nobody write in a channel",
        options=lambda: [_channel(), _reason(), _duration()],
    ),
    Command(name="unlock", description="Open a locked channel again", options=lambda: [_channel(), _reason()]),
    Command(
        name="slowmode",
        description="Slow a channel down, or let it be as it was",
        options=lambda: [
            _option(
                _Kind.integer,
                "seconds",
                "Between two messages; without it, as it was before",
                min_value=0,
                max_value=MAX_SLOWMODE_S,
            ),
            _channel(),
            _reason(),
            _duration(),
        ],
    ),
    Command(
        name="lockdown",
        description="Close the server to newcomers, or open it again",
        options=lambda: [_one_of("change", "On or off", "on", "off"), _reason(), _duration()],
    ),
    Command(name="doctor", description="What keeps Guard from its work, and what to do about it", options=list),
)
CASE = (
    Command(name="view", description="Show a case", options=lambda: [_number()]),
    Command(name="list", description="List the latest cases", options=lambda: [_user(required=False)]),
    Command(
        name="edit",
        description="Change the reason or the duration of a case",
        options=lambda: [_number(), _reason(), _duration()],
    ),
    Command(
        name="void",
        description="Make a case count no more",
        options=lambda: [_number(), _reason(required=True)],
    ),
    Command(name="reverse", description="Take a case back", options=lambda: [_number(), _reason()]),
)
HISTORY = Command(name="history", description="What a member has on record", options=lambda: [_user()])

# What it takes to see a command; an admin can change it in Discord. What it takes to act is decided by Kovra's
# capabilities alone.
_SHOWN_TO = {"default_member_permissions": discord.Permissions(moderate_members=True)}
_WHERE = {
    "contexts": {discord.InteractionContextType.guild},
    "integration_types": {discord.IntegrationType.guild_install},
}


def all_commands(run: Run) -> list[discord.ApplicationCommand]:
    """Every command of Guard's. Each calls ``run``."""
    return [
        _group("mod", "Moderate through Kovra", MOD, run),
        _group("case", "Look at cases and change them", CASE, run),
        _slash(HISTORY, "history", run, **_SHOWN_TO, **_WHERE),
        _menu("History", "menu history", run),
        _menu("Moderate", MODERATE, run),
        _message_menu("Act on this message", ACT, run),
    ]


def description_of(action: Action) -> str:
    """What ``/mod`` says of an action."""
    return next(command.description for command in MOD if command.name == action.value)


def payloads() -> list[dict[str, Any]]:
    """The commands as Discord takes them."""

    async def never(name: str, context: discord.ApplicationContext, options: dict[str, Any]) -> None:
        raise AssertionError("these commands are only described")

    return [_payload(command) for command in all_commands(never)]


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


def _payload(command: discord.ApplicationCommand) -> dict[str, Any]:
    payload = command.to_dict()
    # Discord tells and takes permissions as text: the numbers outgrow what JSON keeps exactly.
    payload["default_member_permissions"] = str(payload["default_member_permissions"])
    for name in ("contexts", "integration_types"):
        payload[name] = sorted(payload[name])
    return payload


def _group(name: str, description: str, commands: Sequence[Command], run: Run) -> SlashCommandGroup:
    group = SlashCommandGroup(name, description, description_localizations=spoken(description), **_SHOWN_TO, **_WHERE)
    for command in commands:
        group.add_command(_slash(command, f"{name} {command.name}", run, parent=group))
    return group


def _slash(command: Command, name: str, run: Run, **more: Any) -> discord.SlashCommand:
    options = list(command.options())

    async def called(context: discord.ApplicationContext, **given: Any) -> None:
        await run(name, context, given)

    # Pycord hands options over by the parameters' names, and reads these from the signature.
    named = [inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY) for option in options]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    called.__signature__ = inspect.Signature([context, *named])  # type: ignore[attr-defined]
    return discord.SlashCommand(
        called,
        name=command.name,
        description=command.description,
        description_localizations=spoken(command.description),
        options=options,
        **more,
    )


def _menu(shown: str, name: str, run: Run) -> discord.UserCommand:
    async def called(context: discord.ApplicationContext, user: Any) -> None:
        await run(name, context, {"user": user})

    return discord.UserCommand(called, name=shown, name_localizations=spoken(shown), **_SHOWN_TO, **_WHERE)


def _message_menu(shown: str, name: str, run: Run) -> discord.MessageCommand:
    async def called(context: discord.ApplicationContext, message: Any) -> None:
        # Pycord's own message leaves out what it does not know; evidence is what Discord said.
        resolved = context.interaction.data["resolved"]["messages"]
        await run(name, context, {"message": resolved[context.interaction.data["target_id"]]})

    return discord.MessageCommand(called, name=shown, name_localizations=spoken(shown), **_SHOWN_TO, **_WHERE)
