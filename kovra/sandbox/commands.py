"""A person runs a command: its name and options become the interaction Discord would send."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import payloads, permissions
from kovra.sandbox.dialogs import filled_in
from kovra.sandbox.interactions import (
    AUTOCOMPLETE,
    CHANNEL,
    COMMAND,
    COMPONENT,
    GROUP,
    MENTIONABLE,
    MODAL,
    ROLE,
    SUBCOMMAND,
    USER,
    CommandRefused,
    Desk,
    Interaction,
)
from kovra.sandbox.rest.commands import known_commands
from kovra.sandbox.world import Channel, Guild, User, World

__all__ = ["CommandRefused", "run_command"]

Json = dict[str, Any]

#: Command types: a slash command, and the two context menus.
SLASH, USER_MENU, MESSAGE_MENU = 1, 2, 3
# Option types whose value is not text.
INTEGER, BOOLEAN, NUMBER = 4, 5, 10


def run_command(
    desk: Desk, world: World, user: User, guild: Guild | None, channel: Channel, asked: Json
) -> Interaction:
    """Begin an interaction.

    Args:
        asked: either ``command`` ("mod warn") with ``options`` {name: value}; or ``target_id`` with ``command`` for a
            context menu; or ``component`` {"custom_id", "message_id", "values"}; or ``modal`` {"custom_id", "fields"}.
            ``autocomplete`` names the option being typed.
    """
    if component := asked.get("component"):
        message = world.messages.get(channel.id, {}).get(int(component["message_id"]))
        if message is None:
            raise CommandRefused(f"there is no message {component['message_id']} in this channel")
        return desk.begin(user, guild, channel, COMPONENT, _component(component), pressed_on=message)
    if modal := asked.get("modal"):
        return desk.begin(user, guild, channel, MODAL, filled_in(modal, desk.shown(user.id, str(modal["custom_id"]))))
    words = str(asked.get("command", "")).removeprefix("/").split()
    command = _find(world, guild, words, menu="target_id" in asked)
    resolved = _Resolved(world, guild)
    data: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    if command["type"] == SLASH:
        options = dict(asked.get("options") or {})
        data["options"] = _options(command, words[1:], options, resolved, asked.get("autocomplete"))
    else:
        data["target_id"] = str(asked["target_id"])
        resolved.target(command["type"], int(asked["target_id"]), channel)
    if resolved.found:
        data["resolved"] = resolved.found
    kind = AUTOCOMPLETE if asked.get("autocomplete") else COMMAND
    return desk.begin(user, guild, channel, kind, data)


def _find(world: World, guild: Guild | None, words: list[str], *, menu: bool) -> Json:
    known = known_commands(world, None if guild is None else guild.id)
    # Menus have names with spaces in them; slash commands are the first word.
    name = " ".join(words) if menu else words[0] if words else ""
    for command in known:
        if command["name"] == name and (command["type"] != SLASH) == menu:
            return command
    have = ", ".join(sorted(command["name"] for command in known)) or "none: the bot has not synced its commands"
    raise CommandRefused(f"there is no command {name!r}; the bot has: {have}")


def _options(command: Json, path: list[str], values: Json, resolved: _Resolved, typing: str | None) -> list[Json]:
    """The options in Discord's nested form, following the path of subcommands."""
    declared = command.get("options") or []
    if path:
        for option in declared:
            if option["name"] == path[0] and option["type"] in (SUBCOMMAND, GROUP):
                inner = _options(option, path[1:], values, resolved, typing)
                return [{"type": option["type"], "name": option["name"], "options": inner}]
        names = ", ".join(o["name"] for o in declared if o["type"] in (SUBCOMMAND, GROUP))
        raise CommandRefused(f"there is no subcommand {path[0]!r}; there are: {names or 'none'}")
    if any(option["type"] in (SUBCOMMAND, GROUP) for option in declared):
        names = ", ".join(option["name"] for option in declared)
        raise CommandRefused(f"{command['name']} needs a subcommand: {names}")
    by_name = {option["name"]: option for option in declared}
    for name in values:
        if name not in by_name:
            raise CommandRefused(f"there is no option {name!r}; there are: {', '.join(by_name) or 'none'}")
    missing = [o["name"] for o in declared if o.get("required") and o["name"] not in values]
    if missing and typing is None:
        raise CommandRefused(f"missing: {', '.join(missing)}")
    return [_option(by_name[name], value, resolved, typing) for name, value in values.items()]


def _option(declared: Json, value: Any, resolved: _Resolved, typing: str | None) -> Json:
    kind = declared["type"]
    if kind == BOOLEAN:
        value = value if isinstance(value, bool) else str(value).lower() == "true"
    elif kind == INTEGER and typing != declared["name"]:
        value = int(value)
    elif kind == NUMBER and typing != declared["name"]:
        value = float(value)
    else:
        value = str(value)
    if kind in (USER, CHANNEL, ROLE, MENTIONABLE):
        resolved.add(kind, int(value))
    option = {"type": kind, "name": declared["name"], "value": value}
    if typing == declared["name"]:
        option["focused"] = True
    return option


class _Resolved:
    """What ids in the options stand for."""

    def __init__(self, world: World, guild: Guild | None) -> None:
        self._world, self._guild = world, guild
        self.found: Json = {}

    def add(self, kind: int, some_id: int) -> None:
        if kind == ROLE or kind == MENTIONABLE and self._guild is not None and some_id in self._guild.roles:
            self._add_role(some_id)
        elif kind == CHANNEL:
            self._add_channel(some_id)
        else:
            self._add_user(some_id)

    def target(self, kind: int, some_id: int, channel: Channel) -> None:
        """The target of a context menu."""
        if kind == USER_MENU:
            self._add_user(some_id)
            return
        message = self._world.messages.get(channel.id, {}).get(some_id)
        if message is None:
            raise CommandRefused(f"there is no message {some_id} in this channel")
        self.found.setdefault("messages", {})[str(some_id)] = payloads.message(message, self._world)

    def _add_user(self, user_id: int) -> None:
        user = self._world.users.get(user_id)
        if user is None:
            raise CommandRefused(f"there is no user {user_id}")
        self.found.setdefault("users", {})[str(user_id)] = payloads.user(user)
        member = self._guild.members.get(user_id) if self._guild else None
        if self._guild is not None and member is not None:
            rights = permissions.of_member(self._guild, user_id, member.joined_at)
            payload = {**payloads.member(member, None), "permissions": str(rights)}
            self.found.setdefault("members", {})[str(user_id)] = payload

    def _add_role(self, role_id: int) -> None:
        role = self._guild.roles.get(role_id) if self._guild else None
        if role is None:
            raise CommandRefused(f"there is no role {role_id}")
        self.found.setdefault("roles", {})[str(role_id)] = payloads.role(role)

    def _add_channel(self, channel_id: int) -> None:
        channel = self._world.channels.get(channel_id)
        if channel is None:
            raise CommandRefused(f"there is no channel {channel_id}")
        payload = payloads.channel(channel, self._world)
        kept = {key: payload.get(key) for key in ("id", "name", "type", "parent_id")}
        self.found.setdefault("channels", {})[str(channel_id)] = {**kept, "permissions": str(permissions.ALL)}


def _component(asked: Json) -> Json:
    data: Json = {"custom_id": asked["custom_id"], "component_type": asked.get("type", 2)}
    if "values" in asked:
        data["values"] = asked["values"]
    return data
