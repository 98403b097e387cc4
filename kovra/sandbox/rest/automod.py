"""Discord's own AutoMod: the rules of a guild."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import errors, permissions
from kovra.sandbox.rest.call import Call, choice
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.stage import AuditAction, change
from kovra.sandbox.world import Guild

table = Table()

#: Trigger type of keyword rules, and how many rules of a type a guild may have (others: one).
KEYWORD = 1
MOST_KEYWORD_RULES = 6
#: Discord's numbers: what rules look at, what they are, what they do.
EVENT_TYPES, TRIGGER_TYPES, ACTION_TYPES = (1, 2), (1, 3, 4, 5, 6), (1, 2, 3, 4)


@table.on("GET", "/guilds/{guild_id}/auto-moderation/rules")
def rules(call: Call) -> list[dict[str, Any]]:
    return list(call.guild(permissions.MANAGE_GUILD).rules.values())


@table.on("POST", "/guilds/{guild_id}/auto-moderation/rules")
def create_rule(call: Call) -> dict[str, Any]:
    guild = call.guild(permissions.MANAGE_GUILD)
    for key in ("name", "event_type", "trigger_type", "actions"):
        if call.body.get(key) is None:
            raise errors.required(key)
    choice("event_type", call.body["event_type"], EVENT_TYPES)
    choice("trigger_type", call.body["trigger_type"], TRIGGER_TYPES)
    most = MOST_KEYWORD_RULES if call.body["trigger_type"] == KEYWORD else 1
    if sum(r["trigger_type"] == call.body["trigger_type"] for r in guild.rules.values()) >= most:
        raise errors.invalid_form(
            "trigger_type", "AUTO_MODERATION_MAX_RULES_OF_TYPE_EXCEEDED", f"Maximum number of rules reached ({most})."
        )
    rule_id = call.stage.new_id()
    rule = {
        "id": str(rule_id),
        "guild_id": str(guild.id),
        "creator_id": str(call.bot_id),
        "enabled": False,
        "exempt_roles": [],
        "exempt_channels": [],
        "trigger_metadata": {},
        **_read(call.body),
        "event_type": call.body["event_type"],
        "trigger_type": call.body["trigger_type"],
    }
    if rule["trigger_type"] == KEYWORD:
        rule["trigger_metadata"] = {
            "keyword_filter": [], "regex_patterns": [], "allow_list": [], **rule["trigger_metadata"]
        }  # fmt: skip
    guild.rules[rule_id] = rule
    _tell(call, guild, rule, "CREATE", AuditAction.AUTOMOD_RULE_CREATE)
    return rule


@table.on("GET", "/guilds/{guild_id}/auto-moderation/rules/{rule_id}")
def rule(call: Call) -> dict[str, Any]:
    return _find(call, call.guild(permissions.MANAGE_GUILD))


@table.on("PATCH", "/guilds/{guild_id}/auto-moderation/rules/{rule_id}")
def edit_rule(call: Call) -> dict[str, Any]:
    guild = call.guild(permissions.MANAGE_GUILD)
    found = _find(call, guild)
    found.update(_read(call.body))
    _tell(call, guild, found, "UPDATE", AuditAction.AUTOMOD_RULE_UPDATE)
    return found


@table.on("DELETE", "/guilds/{guild_id}/auto-moderation/rules/{rule_id}")
def delete_rule(call: Call) -> None:
    guild = call.guild(permissions.MANAGE_GUILD)
    found = _find(call, guild)
    del guild.rules[int(found["id"])]
    _tell(call, guild, found, "DELETE", AuditAction.AUTOMOD_RULE_DELETE)


def _find(call: Call, guild: Guild) -> dict[str, Any]:
    found = guild.rules.get(call.id("rule_id"))
    if found is None:
        raise errors.unknown_rule()
    return found


def _tell(call: Call, guild: Guild, rule: dict[str, Any], what: str, action: AuditAction) -> None:
    call.stage.tell(f"AUTO_MODERATION_RULE_{what}", guild, lambda: rule)
    changes = [change("name", None if what == "CREATE" else rule["name"], None if what == "DELETE" else rule["name"])]
    call.stage.record(guild, action, int(rule["id"]), by=call.bot_id, reason=call.reason, changes=changes)


def _read(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a rule that a body names, ids as text."""
    read = {key: body[key] for key in ("name", "enabled", "trigger_metadata") if body.get(key) is not None}
    for key in ("exempt_roles", "exempt_channels"):
        if body.get(key) is not None:
            read[key] = [str(i) for i in body[key]]
    if body.get("actions") is not None:
        read["actions"] = [_action(action, at) for at, action in enumerate(body["actions"])]
    return read


def _action(action: dict[str, Any], at: int) -> dict[str, Any]:
    if action.get("type") is None:
        raise errors.required(f"actions.{at}.type")
    metadata = dict(action.get("metadata") or {})
    if "channel_id" in metadata:
        metadata["channel_id"] = str(metadata["channel_id"])
    if "duration_seconds" in metadata:
        metadata["duration_seconds"] = int(metadata["duration_seconds"])
    return {"type": choice(f"actions.{at}.type", action["type"], ACTION_TYPES), "metadata": metadata}
