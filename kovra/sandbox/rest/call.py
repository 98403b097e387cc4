"""One call of the API as its handler sees it: who calls, what was sent, and the things the path names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from kovra.sandbox import errors, permissions
from kovra.sandbox.deeds import attendance
from kovra.sandbox.interactions import Desk
from kovra.sandbox.oauth import Grant
from kovra.sandbox.stage import Stage
from kovra.sandbox.world import Channel, Guild, Member, Message, Role, User, World


class Query(Protocol):
    """The query of a request; a key may be there more than once."""

    def __contains__(self, key: object) -> bool: ...

    def __getitem__(self, key: str) -> str: ...

    def get(self, key: str, default: Any = None) -> Any:
        """The first value of a key."""

    def getall(self, key: str, default: Any = None) -> Any:
        """Every value of a key."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One call.

    Args:
        params: the values in the path, by name.
        reason: the audit-log reason, decoded.
        grant: whose Bearer token it came with; None for the bot and for calls without one.
        gateway_url: where the gateway listens.
        slots: how many shards may identify at once.
        api_url: where the API is.
    """

    stage: Stage
    desk: Desk
    params: dict[str, str]
    query: Query
    body: Any
    reason: str | None = None
    grant: Grant | None = None
    gateway_url: str = ""
    slots: int = 1
    api_url: str = ""
    files: list[dict[str, Any]] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.stage.world

    @property
    def bot_id(self) -> int:
        return self.stage.world.bot_id

    def id(self, name: str) -> int:
        """A snowflake of the path."""
        return snowflake(name, self.params[name])

    def guild(self, needs: int = 0) -> Guild:
        """The guild of the path; the bot must be in it and hold these permissions."""
        guild = self.world.guilds.get(self.id("guild_id"))
        if guild is None:
            raise errors.unknown_guild()
        if self.bot_id not in guild.members:
            raise errors.missing_access()
        if needs:
            permissions.require(guild, self.bot_id, needs, self.stage.now())
        return guild

    def member(self, guild: Guild) -> Member:
        """The member of the path."""
        user_id = self.id("user_id")
        member = guild.members.get(user_id)
        if member is None:
            raise errors.unknown_member() if user_id in self.world.users else errors.unknown_user()
        return member

    def user(self) -> User:
        """The user of the path."""
        user = self.world.users.get(self.id("user_id"))
        if user is None:
            raise errors.unknown_user()
        return user

    def role(self, guild: Guild) -> Role:
        role = guild.roles.get(self.id("role_id"))
        if role is None:
            raise errors.unknown_role()
        return role

    def channel(self, needs: int = 0) -> Channel:
        """The channel of the path; the bot must see it and hold these permissions there. A DM needs none."""
        channel = self.world.channels.get(self.id("channel_id"))
        if channel is None:
            raise errors.unknown_channel()
        if channel.guild_id is not None:
            guild = self.world.guilds[channel.guild_id]
            if self.bot_id not in guild.members:
                raise errors.missing_access()
            permissions.require_in(guild, channel, self.bot_id, needs, self.stage.now())
        return channel

    def require_in(self, channel: Channel, needs: int) -> None:
        """The bot must hold these permissions in a channel; in a DM there is nothing to hold."""
        if channel.guild_id is not None:
            guild = self.world.guilds[channel.guild_id]
            permissions.require_in(guild, channel, self.bot_id, needs, self.stage.now())

    def require_awake(self, channel: Channel) -> None:
        """A thread at rest must be woken before anything in it is changed."""
        if channel.thread is None:
            return
        attendance.settle(self.stage, self.world.guilds[channel.guild_id or 0])
        if channel.thread.archived:
            raise errors.thread_archived()

    def guild_channel(self, needs: int = 0) -> tuple[Guild, Channel]:
        """The channel of the path with its guild; a DM is no guild channel."""
        channel = self.channel(needs)
        if channel.guild_id is None:
            raise errors.dm_channel()
        return self.world.guilds[channel.guild_id], channel

    def message(self, channel: Channel) -> Message:
        message = self.world.messages.get(channel.id, {}).get(self.id("message_id"))
        if message is None or message.ephemeral_for is not None:
            raise errors.unknown_message()
        return message

    def limit(self, default: int, most: int) -> int:
        """The ``limit`` of the query."""
        value = whole_number("limit", self.query.get("limit", default))
        if value > most:
            raise errors.too_large("limit", most)
        if value < 1:
            raise errors.invalid_form("limit", "NUMBER_TYPE_MIN", "int value should be greater than or equal to 1.")
        return value

    def before(self) -> int | None:
        return snowflake("before", self.query["before"]) if "before" in self.query else None

    def after(self) -> int | None:
        return snowflake("after", self.query["after"]) if "after" in self.query else None

    def flag(self, name: str) -> bool:
        """A yes or no of the query; clients write ``true`` or ``1``."""
        return self.query.get(name, "").lower() in ("true", "1")


def snowflake(field_name: str, value: object) -> int:
    """A snowflake as clients send it: text, or a JSON number."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and int(text) < 1 << 63):
        raise errors.not_a_snowflake(field_name, value)
    return int(text)


def whole_number(field_name: str, value: object) -> int:
    """An integer as clients send it: a JSON number, or text with one."""
    try:
        return int(str(value))
    except ValueError as error:
        message = f'Value "{value}" is not int.'
        raise errors.invalid_form(field_name, "NUMBER_TYPE_COERCE", message) from error


def choice(field_name: str, value: object, known: Collection[int]) -> int:
    """An integer of a closed list."""
    number = whole_number(field_name, value)
    if number not in known:
        listed = ", ".join(map(str, known))
        raise errors.invalid_form(field_name, "BASE_TYPE_CHOICES", f"Value must be one of ({listed}).")
    return number


def moment_or_none(field_name: str, value: Any) -> datetime | None:
    """A moment of the body; one without offset is taken for UTC, as Discord does."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        message = f"Could not parse {value}. Should be ISO8601."
        raise errors.invalid_form(field_name, "DATE_TIME_TYPE_PARSE", message) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
