"""Application commands, global and of one guild: list, replace all, add, edit, delete."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import errors
from kovra.sandbox.rest.call import Call, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import World

table = Table()

#: Where a command set is kept: under "global" or the guild's id.
GLOBAL = "global"
MOST_CHAT_COMMANDS = 100


@table.on("GET", "/applications/{application_id}/commands")
@table.on("GET", "/applications/{application_id}/guilds/{guild_id}/commands")
def commands(call: Call) -> list[dict[str, Any]]:
    return call.world.commands.get(_scope(call), [])


@table.on("PUT", "/applications/{application_id}/commands", body=list)
@table.on("PUT", "/applications/{application_id}/guilds/{guild_id}/commands", body=list)
def replace_commands(call: Call) -> list[dict[str, Any]]:
    """Replace the whole set. A command of the same name and type keeps its id, as on Discord."""
    scope = _scope(call)
    if sum(_kind(item) == 1 for item in call.body) > MOST_CHAT_COMMANDS:
        raise errors.Refusal(400, 30032, f"Maximum number of application commands reached ({MOST_CHAT_COMMANDS}).")
    before = {(c["name"], c["type"]): c for c in call.world.commands.get(scope, [])}
    made = [_command(call, item, before.get((item.get("name"), _kind(item)))) for item in call.body]
    call.world.commands[scope] = made
    call.stage.changed = True
    return made


@table.on("POST", "/applications/{application_id}/commands", status=201)
@table.on("POST", "/applications/{application_id}/guilds/{guild_id}/commands", status=201)
def create_command(call: Call) -> dict[str, Any]:
    held = call.world.commands.setdefault(_scope(call), [])
    same = [c for c in held if (c["name"], c["type"]) == (call.body.get("name"), _kind(call.body))]
    made = _command(call, call.body, same[0] if same else None)
    call.world.commands[_scope(call)] = [c for c in held if c not in same] + [made]
    call.stage.changed = True
    return made


@table.on("GET", "/applications/{application_id}/commands/{command_id}")
@table.on("GET", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}")
def command(call: Call) -> dict[str, Any]:
    return _find(call)


@table.on("PATCH", "/applications/{application_id}/commands/{command_id}")
@table.on("PATCH", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}")
def edit_command(call: Call) -> dict[str, Any]:
    found = _find(call)
    found.update(_command(call, {**found, **call.body}, found))
    call.stage.changed = True
    return found


@table.on("DELETE", "/applications/{application_id}/commands/{command_id}")
@table.on("DELETE", "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}")
def delete_command(call: Call) -> None:
    call.world.commands[_scope(call)].remove(_find(call))
    call.stage.changed = True


def known_commands(world: World, guild_id: int | None) -> list[dict[str, Any]]:
    """The commands a person in this guild (or DM) can run; the guild's own go before global ones."""
    return [*world.commands.get(str(guild_id), []), *world.commands.get(GLOBAL, [])]


def _scope(call: Call) -> str:
    if call.id("application_id") != call.bot_id:
        raise errors.unknown_application()
    if "guild_id" not in call.params:
        return GLOBAL
    return str(call.guild().id)


def _find(call: Call) -> dict[str, Any]:
    for found in call.world.commands.get(_scope(call), []):
        if found["id"] == call.params["command_id"]:
            return found
    raise errors.unknown_command()


def _kind(item: dict[str, Any]) -> int:
    """The command's type: slash command, user menu or message menu."""
    kind = whole_number("type", item.get("type") or 1)
    if kind not in (1, 2, 3):
        raise errors.invalid_form("type", "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3).")
    return kind


def _command(call: Call, item: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """A command as Discord gives it back."""
    kind = _kind(item)
    if not item.get("name"):
        raise errors.required("name")
    if kind == 1 and not item.get("description"):
        raise errors.required("description")
    rights = item.get("default_member_permissions")
    made: dict[str, Any] = {
        "id": before["id"] if before else str(call.stage.new_id()),
        "application_id": str(call.bot_id),
        "version": str(call.stage.new_id()),
        "default_member_permissions": None if rights is None else str(rights),
        "type": kind,
        "name": item["name"],
        "name_localizations": item.get("name_localizations"),
        "description": item.get("description") or "",
        "description_localizations": item.get("description_localizations"),
        "nsfw": bool(item.get("nsfw")),
        "contexts": item.get("contexts"),
        "integration_types": item.get("integration_types") or [0],
    }
    if item.get("options"):
        made["options"] = item["options"]
    if "guild_id" in call.params:
        made["guild_id"] = call.params["guild_id"]
    return made
