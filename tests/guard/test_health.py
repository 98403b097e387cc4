"""What the health check finds, and that each finding says what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kovra.actions.capabilities import Permission
from kovra.guard.health import (
    EMBED_LINKS,
    SEND_MESSAGES,
    VIEW_CHANNEL,
    Area,
    LogChannel,
    Severity,
    Vitals,
    channel_permissions,
    examine,
)
from kovra.guard.log_channels import EventClass
from kovra.ids import GuildId, UserId

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
GUILD, GUARD, ROLE = GuildId(11), UserId(12), 13
EVERY = sum(permission.value for permission in Permission) & ~Permission.ADMINISTRATOR.value
POSTING = VIEW_CHANNEL | SEND_MESSAGES | EMBED_LINKS
WELL = Vitals(
    guild_id=GUILD,
    guard_id=GUARD,
    now=NOON,
    gone=False,
    permissions=EVERY | POSTING,
    role_ids=[GUILD, ROLE],
    above=(),
    flags=1 << 15 | 1 << 19,
    commands_here="a",
    commands_told="a",
    log_channel=LogChannel(name="mod-log", overwrites=[]),
    gateway_silent=False,
    members_known=True,
    bans_known=True,
    oldest_due_at=NOON,
    oldest_heard_at=None,
)


def closed(**overwrite):
    return LogChannel(name="mod-log", overwrites=[{"id": str(GUILD), "allow": "0", "deny": "0"} | overwrite])


def test_a_server_in_which_all_is_well_has_no_findings():
    assert examine(WELL) == []


@pytest.mark.parametrize(
    ("changed", "area", "severity"),
    [
        ({"gone": True}, Area.MEMBERSHIP, Severity.BROKEN),
        ({"permissions": (EVERY | POSTING) & ~Permission.BAN_MEMBERS.value}, Area.PERMISSIONS, Severity.BROKEN),
        ({"permissions": (EVERY | POSTING) & ~Permission.VIEW_AUDIT_LOG.value}, Area.PERMISSIONS, Severity.WEAK),
        ({"above": ("Council",)}, Area.ROLE_ORDER, Severity.WEAK),
        ({"flags": 1 << 19}, Area.INTENTS, Severity.BROKEN),
        ({"flags": 1 << 14}, Area.INTENTS, Severity.BROKEN),
        ({"log_channel": None}, Area.LOG_CHANNEL, Severity.WEAK),
        ({"log_channel": LogChannel(name=None)}, Area.LOG_CHANNEL, Severity.BROKEN),
        ({"log_channel": closed(deny=str(SEND_MESSAGES))}, Area.LOG_CHANNEL, Severity.BROKEN),
        ({"own_channels": [LogChannel(name=None, of=[EventClass.NOTES])]}, Area.LOG_CHANNEL, Severity.BROKEN),
        ({"refused": 50001}, Area.LOG_CHANNEL, Severity.BROKEN),
        ({"commands_told": None}, Area.COMMANDS, Severity.WEAK),
        ({"gateway_silent": True}, Area.GATEWAY, Severity.BROKEN),
        ({"oldest_due_at": NOON - timedelta(minutes=1)}, Area.QUEUE, Severity.BROKEN),
        ({"oldest_heard_at": NOON - timedelta(minutes=1)}, Area.AUDIT_LOG, Severity.BROKEN),
        ({"members_known": False}, Area.MIRROR, Severity.WEAK),
        ({"bans_known": False}, Area.MIRROR, Severity.WEAK),
    ],
)
def test_each_trouble_is_one_finding_with_its_remedy(changed, area, severity):
    [finding] = examine(replace(WELL, **changed))

    assert (finding.area, finding.severity) == (area, severity)
    assert finding.sentence.endswith(".")
    assert finding.remedy.endswith(".")


def test_a_lost_log_channel_says_whose_cases_wait_and_what_becomes_of_them():
    lost = LogChannel(name=None, of=[EventClass.NATIVE, EventClass.NOTES])
    [finding] = examine(replace(WELL, own_channels=[lost], unposted=12, refused=10003))

    assert finding.sentence == (
        "The log channel for what is done in Discord itself and notes was deleted, so nothing of it is posted in "
        "Discord. Moderation goes on; 12 cases wait to be posted."
    )
    assert finding.remedy.endswith("What waits is then posted within a minute; what is older than a day is not.")


def test_who_has_a_channel_for_every_class_needs_no_common_one():
    every = LogChannel(name="all", overwrites=[], of=list(EventClass))

    assert examine(replace(WELL, log_channel=None, own_channels=[every])) == []


def test_the_worst_comes_first():
    found = examine(replace(WELL, above=("Council",), gateway_silent=True))

    assert [finding.area for finding in found] == [Area.GATEWAY, Area.ROLE_ORDER]


def test_an_administrator_lacks_nothing_anywhere():
    everything = replace(WELL, permissions=Permission.ADMINISTRATOR.value, log_channel=closed(deny=str(VIEW_CHANNEL)))

    assert examine(everything) == []


def test_overwrites_count_from_everyone_to_the_member():
    def overwrite(on, allow=0, deny=0):
        return {"id": str(on), "allow": str(allow), "deny": str(deny)}

    def may(*overwrites):
        return channel_permissions(overwrites, guild_id=GUILD, user_id=GUARD, role_ids=[GUILD, ROLE], base=POSTING)

    assert may(overwrite(GUILD, deny=SEND_MESSAGES)) == VIEW_CHANNEL | EMBED_LINKS
    assert may(overwrite(GUILD, deny=SEND_MESSAGES), overwrite(ROLE, allow=SEND_MESSAGES)) == POSTING
    assert may(overwrite(ROLE, allow=SEND_MESSAGES), overwrite(GUARD, deny=SEND_MESSAGES)) == VIEW_CHANNEL | EMBED_LINKS
