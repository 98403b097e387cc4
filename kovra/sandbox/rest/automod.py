"""Discord's own AutoMod: the rules of a guild."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import errors, permissions
from kovra.sandbox.rest.call import Call, choice, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.stage import AuditAction, change
from kovra.sandbox.world import Guild

table = Table()

#: Trigger type of keyword rules, and how many rules of a type a guild may have (others: one).
KEYWORD = 1
MOST_KEYWORD_RULES = 6
#: Discord's numbers: what rules look at, what they are, what they do.
EVENT_TYPES, TRIGGER_TYPES, ACTION_TYPES = (1, 2), (1, 3, 4, 5, 6), (1, 2, 3, 4)
TIME_OUT, PRESET, MENTION_SPAM, PROFILE = 3, 4, 5, 6
#: What the metadata of a rule has by its trigger, whatever was sent.
_DEFAULTS: dict[int, dict[str, Any]] = {
    KEYWORD: {"keyword_filter": [], "regex_patterns": [], "allow_list": []},
    PRESET: {"allow_list": [], "presets": []},
    MENTION_SPAM: {"mention_total_limit": 20, "mention_raid_protection_enabled": False},
    PROFILE: {"keyword_filter": [], "regex_patterns": [], "allow_list": []},
}
#: What a rule may hold (API reference, Auto Moderation): how many, and letters of each.
MOST_OF = {"keyword_filter": (1000, 60), "regex_patterns": (10, 260), "allow_list": (1000, 60)}
MOST_EXEMPT = {"exempt_roles": 20, "exempt_channels": 50}
MOST_CUSTOM_MESSAGE, MOST_TIME_OUT_S, MOST_MENTIONS = 150, 2_419_200, 50


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
    _require_may_time_out(call, guild)
    rule_id = call.stage.new_id()
    rule = {
        "id": str(rule_id),
        "guild_id": str(guild.id),
        "creator_id": str(call.bot_id),
        "enabled": False,
        "exempt_roles": [],
        "exempt_channels": [],
        "trigger_metadata": {**_DEFAULTS.get(int(call.body["trigger_type"]), {})},
        **_read(call.body, call.body["trigger_type"]),
        "event_type": call.body["event_type"],
        "trigger_type": call.body["trigger_type"],
    }
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
    _require_may_time_out(call, guild)
    found.update(_read(call.body, found["trigger_type"]))
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
    call.stage.count(call.bot_id, call.reason, f"{what.lower()}_rule")


def _require_may_time_out(call: Call, guild: Guild) -> None:
    """A rule that times members out is for those who may do so themselves."""
    if any(str(action.get("type")) == str(TIME_OUT) for action in call.body.get("actions") or []):
        permissions.require(guild, call.bot_id, permissions.MODERATE_MEMBERS, call.stage.now())


def _read(body: dict[str, Any], trigger_type: int) -> dict[str, Any]:
    """The fields of a rule that a body names, ids as text.

    Raises:
        Refusal: one of them is more than a rule of this type may hold.
    """
    _check_metadata(body.get("trigger_metadata") or {})
    read = {key: body[key] for key in ("name", "enabled") if body.get(key) is not None}
    if body.get("trigger_metadata") is not None:
        read["trigger_metadata"] = {**_DEFAULTS.get(int(trigger_type), {}), **body["trigger_metadata"]}
    for key in ("exempt_roles", "exempt_channels"):
        if body.get(key) is not None:
            if len(body[key]) > MOST_EXEMPT[key]:
                raise errors.too_long(key, MOST_EXEMPT[key])
            read[key] = [str(i) for i in body[key]]
    if body.get("actions") is not None:
        read["actions"] = [_action(action, at, trigger_type) for at, action in enumerate(body["actions"])]
    return read


def _check_metadata(metadata: dict[str, Any]) -> None:
    for key, (most, letters) in MOST_OF.items():
        held = metadata.get(key) or []
        if len(held) > most:
            raise errors.too_long(f"trigger_metadata.{key}", most)
        for at, text in enumerate(held):
            if len(str(text)) > letters:
                raise errors.too_long(f"trigger_metadata.{key}.{at}", letters)
    mentions = metadata.get("mention_total_limit")
    if mentions is not None and whole_number("trigger_metadata.mention_total_limit", mentions) > MOST_MENTIONS:
        raise errors.too_large("trigger_metadata.mention_total_limit", MOST_MENTIONS)


def _action(action: dict[str, Any], at: int, trigger_type: int) -> dict[str, Any]:
    if action.get("type") is None:
        raise errors.required(f"actions.{at}.type")
    metadata = dict(action.get("metadata") or {})
    if "channel_id" in metadata:
        metadata["channel_id"] = str(metadata["channel_id"])
    if "duration_seconds" in metadata:
        where = f"actions.{at}.metadata.duration_seconds"
        metadata["duration_seconds"] = whole_number(where, metadata["duration_seconds"])
        if metadata["duration_seconds"] > MOST_TIME_OUT_S:
            raise errors.too_large(where, MOST_TIME_OUT_S)
    if len(str(metadata.get("custom_message") or "")) > MOST_CUSTOM_MESSAGE:
        raise errors.too_long(f"actions.{at}.metadata.custom_message", MOST_CUSTOM_MESSAGE)
    kind = choice(f"actions.{at}.type", action["type"], ACTION_TYPES)
    if kind == TIME_OUT and int(trigger_type) not in (KEYWORD, MENTION_SPAM):
        message = "This action does not go with this trigger."
        raise errors.invalid_form(f"actions.{at}.type", "AUTO_MODERATION_INVALID_ACTION_TYPE", message)
    return {"type": kind, "metadata": metadata}
