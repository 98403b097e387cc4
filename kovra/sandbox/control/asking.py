"""What a control request asks: its parts, its handler, and the things it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kovra.sandbox.world import Channel, Guild, Member, User

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

Json = dict[str, Any]
Handler = Callable[["Sandbox", "Ask"], Any]


class ControlError(Exception):
    """The control request cannot be done; the message says why.

    Args:
        status: 400, or 404 for what is not there.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Ask:
    """One request: the values of its path, its query and its body."""

    def __init__(self, values: list[str], query: Any, body: Json) -> None:
        self.values, self.query, self.body = values, query, body

    def id(self, key: str, default: int | None = None) -> int:
        """A snowflake of the body."""
        value = self.body.get(key, default)
        if value is None or not str(value).isdigit():
            raise ControlError(f"{key} must be an id, not {value!r}")
        return int(value)

    def path_id(self, at: int = 0) -> int:
        if not self.values[at].isdigit():
            raise ControlError(f"{self.values[at]!r} is not an id", 404)
        return int(self.values[at])


class Table:
    """The handlers of one subject, gathered by a decorator; ``*`` in a template stands for a value."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, list[str], Handler]] = []

    def on(self, method: str, template: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.rows.append((method, template.split("/"), handler))
            return handler

        return register


def find_guild(sandbox: Sandbox, guild_id: int) -> Guild:
    guild = sandbox.world.guilds.get(guild_id)
    if guild is None:
        raise ControlError(f"there is no guild {guild_id}", 404)
    return guild


def asked_guild(sandbox: Sandbox, ask: Ask) -> Guild:
    return find_guild(sandbox, ask.id("guild_id", sandbox.world.cast.guild_id))


def find_user(sandbox: Sandbox, user_id: int) -> User:
    user = sandbox.world.users.get(user_id)
    if user is None:
        raise ControlError(f"there is no user {user_id}", 404)
    return user


def find_member(sandbox: Sandbox, guild: Guild, user_id: int) -> Member:
    member = guild.members.get(find_user(sandbox, user_id).id)
    if member is None:
        raise ControlError(f"user {user_id} is not in {guild.name}", 404)
    return member


def find_channel(sandbox: Sandbox, channel_id: int) -> Channel:
    channel = sandbox.world.channels.get(channel_id)
    if channel is None:
        raise ControlError(f"there is no channel {channel_id}", 404)
    return channel


def actor(sandbox: Sandbox, ask: Ask, guild: Guild) -> int:
    """Who does it: ``by``, or the owner when nobody is named."""
    return find_user(sandbox, ask.id("by", guild.owner_id)).id
