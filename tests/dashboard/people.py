"""Who is in the two servers of these tests: ids, roles and what each may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from kovra.actions.capabilities import GUARD_NEEDS, Permission
from kovra.ids import GuildId, RoleId, UserId
from kovra.store.mirror import MemberRow

HARBOUR = GuildId(200_000_000_000_000_001)
MEADOW = GuildId(200_000_000_000_000_002)
OWNER = UserId(300_000_000_000_000_001)
GUARD = UserId(300_000_000_000_000_002)
ADMIN = UserId(300_000_000_000_000_003)
MODERATOR = UserId(300_000_000_000_000_004)
TRIAL = UserId(300_000_000_000_000_005)
QUILLON = UserId(300_000_000_000_000_006)
NOBODY = UserId(300_000_000_000_000_007)
NEIGHBOUR = UserId(300_000_000_000_000_008)
AUDITOR = UserId(300_000_000_000_000_009)
BANNED = UserId(300_000_000_000_000_010)
STRANGER = UserId(300_000_000_000_000_099)


class Cast:
    """Everybody, for tests."""

    harbour, meadow = HARBOUR, MEADOW
    owner, guard, admin, moderator, trial = OWNER, GUARD, ADMIN, MODERATOR, TRIAL
    moderator_role = RoleId(400_000_000_000_000_003)
    quillon, nobody, neighbour, auditor, banned, stranger = QUILLON, NOBODY, NEIGHBOUR, AUDITOR, BANNED, STRANGER


_P = Permission
ROLES = {
    "Guard": (RoleId(400_000_000_000_000_001), 9, reduce(or_, GUARD_NEEDS.values())),
    "Admin": (RoleId(400_000_000_000_000_002), 8, _P.ADMINISTRATOR),
    "Moderator": (RoleId(400_000_000_000_000_003), 5, _P.BAN_MEMBERS | _P.KICK_MEMBERS | _P.MODERATE_MEMBERS),
    "Trial": (RoleId(400_000_000_000_000_004), 3, _P.MODERATE_MEMBERS),
    "Auditor": (RoleId(400_000_000_000_000_005), 2, _P.VIEW_AUDIT_LOG),
}


def member(user_id: UserId, username: str, *roles: str, **more: Any) -> MemberRow:
    facts: dict[str, Any] = {"global_name": None, "nick": None, "avatar": None, "bot": False}
    facts |= {"joined_at": datetime.now(UTC) - timedelta(days=30), "timed_out_until": None}
    return MemberRow(user_id=user_id, username=username, role_ids=[ROLES[role][0] for role in roles], **(facts | more))
