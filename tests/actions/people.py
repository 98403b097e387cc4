"""The people of the tests of rights."""

from __future__ import annotations

from kovra.actions.capabilities import Permission, Person
from kovra.ids import UserId

OWNER, GUARD, MODERATOR, TARGET = UserId(1), UserId(2), UserId(120_000_000_000_000_002), UserId(130_000_000_000_000_003)
EVERY_PERMISSION = sum(permission.value for permission in Permission) & ~Permission.ADMINISTRATOR.value


def person(user_id, name="someone", member=True, permissions=0, rank=0, **more):
    return Person(user_id=user_id, name=name, member=member, permissions=permissions, rank=rank, **more)
