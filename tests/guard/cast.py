"""Who and what the tests of the executor are about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from kovra.actions.capabilities import Permission
from kovra.actions.envelope import Key
from kovra.actions.request import Action
from kovra.guard.restoring import Hold
from kovra.ids import DISCORD_EPOCH_MS, GuildId, UserId, new_request_id
from tests.wishes import MAKING

GUILD = GuildId(110_000_000_000_000_001)
MODERATOR = UserId(120_000_000_000_000_002)
TARGET = UserId(130_000_000_000_000_003)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
JOINED = datetime(2025, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)
KEY = Key(kid="w1", ring="web", secret=b"w" * 32)
GUARD_KEY = Key(kid="g1", ring="guard", secret=b"g" * 32)
MANAGED = 15
EVERY = sum(permission.value for permission in Permission) & ~Permission.ADMINISTRATOR.value

#: What each action does on Discord.
DEED = {action: [action.value] for action in MAKING if action not in (Action.WARN, Action.NOTE)} | {
    Action.SOFTBAN: ["ban", "unban"],
    Action.QUARANTINE: ["set_roles"],
    Action.UNQUARANTINE: ["set_roles"],
    Action.LOCK: ["set_everyone"],
    Action.UNLOCK: ["set_everyone"],
    Action.SLOWMODE: ["set_slowmode"],
    Action.SLOWMODE_OFF: ["set_slowmode"],
    Action.LOCKDOWN: ["set_level", "pause"],
    Action.LOCKDOWN_OFF: ["set_level", "pause"],
    Action.PURGE: ["delete_messages"],
}
#: What a quarantine and the like found, and must bring back.
WAS = {
    "roles": [11, 13],
    "meanwhile": [],
    "everyone": ["2048", "0"],
    "slow_s": 7,
    "level": 2,
    "invites": None,
    "dms": None,
}
HOLD = Hold(kind=Action.QUARANTINE, request_id=new_request_id(), case_no=7, was=WAS)


def a_message(number: int, author: int = TARGET, *, age: timedelta = timedelta(hours=1), pinned: bool = False) -> Any:
    """A message whose id says when it was written."""
    made_ms = int((NOON - age).timestamp() * 1000) - DISCORD_EPOCH_MS
    return SimpleNamespace(message_id=(made_ms << 22) + number, author_id=author, pinned=pinned)
