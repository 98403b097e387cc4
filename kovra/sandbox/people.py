"""People as the control API and the pages show them, and new ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from kovra.ids import DISCORD_EPOCH_MS
from kovra.sandbox.world import User, World


def staff(world: World) -> list[dict[str, Any]]:
    """The people worth signing in as, highest first."""
    return [
        {
            "id": str(person.user_id),
            "username": world.users[person.user_id].username,
            "display_name": display_name(world, person.user_id),
            "rank": person.rank,
            "can": person.can,
        }
        for person in world.cast.people
        if person.user_id in world.users
    ]


def display_name(world: World, user_id: int) -> str:
    """What others see: the display name, or the user name."""
    user = world.users[user_id]
    return user.global_name or user.username


def newcomer(world: World, wanted: dict[str, Any], made_at: float) -> User:
    """A new account.

    Args:
        wanted: ``username``, and optionally ``global_name``, ``bot``, ``dms_open``.
        made_at: when the account was made, in Unix seconds: it is in its id.
    """
    user_id = (int(made_at * 1000) - DISCORD_EPOCH_MS) << 22
    # Ids in a burst share a millisecond; the low bits tell them apart.
    while user_id in world.users:
        user_id += 1
    user = User(
        id=user_id,
        username=str(wanted["username"]),
        global_name=wanted.get("global_name"),
        bot=bool(wanted.get("bot")),
        dms_open=bool(wanted.get("dms_open", True)),
    )
    world.users[user.id] = user
    return user


def later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)
