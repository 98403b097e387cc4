"""The audit log."""

from __future__ import annotations

from itertools import islice
from typing import Any

from kovra.sandbox import payloads, permissions
from kovra.sandbox.rest.call import Call, snowflake, whole_number
from kovra.sandbox.rest.routing import Table

table = Table()


@table.on("GET", "/guilds/{guild_id}/audit-logs")
def audit_log(call: Call) -> dict[str, Any]:
    """Entries, newest first; with ``after`` the oldest that are newer, oldest first, as on Discord."""
    guild = call.guild(permissions.VIEW_AUDIT_LOG)
    before, after, most = call.before(), call.after(), call.limit(50, 100)
    entries = iter(guild.audit) if after is not None else reversed(guild.audit)
    if after is not None:
        entries = (e for e in entries if e.id > after)
    if before is not None:
        entries = (e for e in entries if e.id < before)
    if "action_type" in call.query:
        action = whole_number("action_type", call.query["action_type"])
        entries = (e for e in entries if e.action == action)
    if "user_id" in call.query:
        user_id = snowflake("user_id", call.query["user_id"])
        entries = (e for e in entries if e.user_id == user_id)
    if "target_id" in call.query:
        target_id = snowflake("target_id", call.query["target_id"])
        entries = (e for e in entries if e.target_id == target_id)
    shown = list(islice(entries, most))
    people = {i for e in shown for i in (e.user_id, e.target_id) if i in call.world.users}
    webhooks = [call.world.webhooks[e.target_id] for e in shown if e.target_id in call.world.webhooks]
    found = (call.world.channels.get(e.target_id or 0) for e in shown)
    threads = list({c.id: c for c in found if c is not None and c.thread is not None}.values())
    return {
        "audit_log_entries": [payloads.audit_entry(e) for e in shown],
        "users": [payloads.user(call.world.users[i]) for i in sorted(people)],
        "integrations": [],
        "webhooks": [payloads.webhook(each, call.world, None) for each in webhooks],
        "guild_scheduled_events": [],
        "threads": [payloads.channel(each, call.world) for each in threads],
        "application_commands": [],
        "auto_moderation_rules": [],
    }
