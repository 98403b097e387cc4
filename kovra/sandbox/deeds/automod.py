"""Discord's own AutoMod at work: a message stopped before anyone saw it, and its author timed out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kovra.sandbox.deeds import members
from kovra.sandbox.stage import AuditAction, Stage
from kovra.sandbox.world import Channel, Guild, Member

#: What a rule does when it fires, and what it fires on (Discord's numbers).
BLOCK_MESSAGE = 1
KEYWORD = 1


def block(
    stage: Stage, guild: Guild, channel: Channel, user_id: int, content: str, rule: dict[str, Any], matched: str
) -> None:
    """A rule stops a message: the event first, then the audit entry by the one who wrote it, as on Discord.

    Args:
        rule: ``id``, ``name`` and ``trigger_type`` of the rule that fired.
        matched: the word that made it fire.
    """
    stage.tell(
        "AUTO_MODERATION_ACTION_EXECUTION",
        guild,
        lambda: {
            "guild_id": str(guild.id),
            "action": {"type": BLOCK_MESSAGE, "metadata": {}},
            "rule_id": str(rule["id"]),
            "rule_trigger_type": rule["trigger_type"],
            "user_id": str(user_id),
            "channel_id": str(channel.id),
            "content": content,
            "matched_keyword": matched,
            "matched_content": matched,
        },
    )
    options = _options(rule, channel)
    stage.record(guild, AuditAction.AUTOMOD_BLOCK_MESSAGE, user_id, by=user_id, reason=None, options=options)


def time_out(
    stage: Stage, guild: Guild, channel: Channel, member: Member, rule: dict[str, Any], until: datetime
) -> None:
    """A rule times a member out: its audit entry does not say for how long."""
    member.timed_out_until = until
    members.updated(stage, guild, member)
    options, user_id = _options(rule, channel), member.user_id
    stage.record(guild, AuditAction.AUTOMOD_TIME_OUT, user_id, by=user_id, reason=None, options=options)


def _options(rule: dict[str, Any], channel: Channel) -> dict[str, str]:
    return {
        "auto_moderation_rule_name": str(rule["name"]),
        "auto_moderation_rule_trigger_type": str(rule["trigger_type"]),
        "channel_id": str(channel.id),
    }
