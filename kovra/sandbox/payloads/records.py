"""The audit log and the application in Discord's JSON."""

from __future__ import annotations

from kovra.sandbox.payloads.people import Json
from kovra.sandbox.world import AuditEntry, World


def audit_entry(one: AuditEntry) -> Json:
    payload: Json = {
        "id": str(one.id),
        "action_type": one.action,
        "user_id": None if one.user_id is None else str(one.user_id),
        "target_id": None if one.target_id is None else str(one.target_id),
    }
    if one.changes is not None:
        payload["changes"] = one.changes
    if one.options is not None:
        payload["options"] = one.options
    if one.reason:
        payload["reason"] = one.reason
    return payload


def application(world: World) -> Json:
    """The bot's application. Flags: message content and members intents, limited, as for a small bot."""
    flags = 1 << 15 | 1 << 19
    return {
        "id": str(world.bot_id),
        "name": world.users[world.bot_id].username,
        "icon": None,
        "description": "",
        "type": None,
        "verify_key": "00" * 32,
        "flags": flags,
        "flags_new": str(flags),
        "bot_public": True,
        "bot_require_code_grant": False,
        "summary": "",
    }
