"""What Guard knows of Discord."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kovra.store.tables.base import ZERO, Base, Key, Moment, Snowflake


class Guilds(Base):
    """The mirror of a guild. ``gone_at``: Guard was removed from it. ``guard_id`` is Guard's own user.

    ``locale`` is what Discord says its language is; null until it is heard.
    """

    __tablename__ = "guilds"

    guild_id: Mapped[Key]
    name: Mapped[str]
    icon: Mapped[str | None]
    owner_id: Mapped[Snowflake]
    guard_id: Mapped[Snowflake]
    member_count: Mapped[int]
    mirrored_at: Mapped[Moment]
    members_complete_at: Mapped[Moment | None]
    bans_complete_at: Mapped[Moment | None]
    gone_at: Mapped[Moment | None]
    locale: Mapped[str | None]


class Roles(Base):
    """The mirror of a role. @everyone has the guild's id and position 0."""

    __tablename__ = "roles"

    guild_id: Mapped[Key]
    role_id: Mapped[Key]
    name: Mapped[str]
    position: Mapped[int]
    permissions: Mapped[int] = mapped_column(BigInteger)
    colour: Mapped[int] = mapped_column(server_default=ZERO)
    managed: Mapped[bool] = mapped_column(server_default=text("false"))


class Channels(Base):
    """The mirror of a channel; ``kind`` is Discord's channel type (0: text)."""

    __tablename__ = "channels"

    guild_id: Mapped[Key]
    channel_id: Mapped[Key]
    name: Mapped[str]
    kind: Mapped[int]
    position: Mapped[int] = mapped_column(server_default=ZERO)
    parent_id: Mapped[Snowflake | None]
    #: Discord's permission overwrites, as it sends them; null while nobody told them.
    overwrites: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)


class Members(Base):
    """The mirror of a member. Someone who left stays, with ``gone_at``, so that they still have a name."""

    __tablename__ = "members"
    # A user's own guilds (the server picker) are looked up across guilds.
    __table_args__ = (
        Index("ix_members_user", "user_id", postgresql_where=text("gone_at IS NULL")),
        # Parts of names, through the view member_search.
        Index(
            "ix_members_names",
            "guild_id",
            text(
                "lower(' ' || username || ' ' || COALESCE(global_name, '') || ' ' || COALESCE(nick, '') || ' ') "
                "gin_trgm_ops"
            ),
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": "1024"},
        ),
        # Who came and went lately.
        Index("ix_members_joined", "guild_id", "joined_at"),
        Index("ix_members_gone", "guild_id", "gone_at", postgresql_where=text("gone_at IS NOT NULL")),
        # The few among all members.
        Index(
            "ix_members_timed_out",
            "guild_id",
            "timed_out_until",
            postgresql_where=text("timed_out_until IS NOT NULL"),
        ),
        Index("ix_members_pending", "guild_id", "joined_at", postgresql_where=text("pending")),
    )

    guild_id: Mapped[Key]
    user_id: Mapped[Key]
    username: Mapped[str]
    global_name: Mapped[str | None]
    nick: Mapped[str | None]
    avatar: Mapped[str | None]
    bot: Mapped[bool] = mapped_column(server_default=text("false"))
    role_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    joined_at: Mapped[Moment | None]
    timed_out_until: Mapped[Moment | None]
    #: Has not accepted the rules of the server yet.
    pending: Mapped[bool] = mapped_column(server_default=text("false"))
    mirrored_at: Mapped[Moment]
    gone_at: Mapped[Moment | None]


class MemberNames(Base):
    """What somebody was called before; ``until_at`` is when it was seen to have changed."""

    __tablename__ = "member_names"
    __table_args__ = (
        CheckConstraint("kind IN ('username', 'global_name', 'nick')", name="kind"),
        # Parts of names, through the view former_name_search.
        Index(
            "ix_member_names_name",
            "guild_id",
            text("lower(' ' || name || ' ') gin_trgm_ops"),
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": "1024"},
        ),
    )

    guild_id: Mapped[Key]
    user_id: Mapped[Key]
    kind: Mapped[str] = mapped_column(primary_key=True)
    until_at: Mapped[Moment] = mapped_column(primary_key=True)
    name: Mapped[str]


class Joins(Base):
    """Every time somebody came in, as far as Guard was there; by which invite, when that could be told."""

    __tablename__ = "joins"
    __table_args__ = (
        # The question of a raid: who came in this window.
        Index("ix_joins_guild_id_joined_at", "guild_id", "joined_at"),
        # Who came by the same invite.
        Index(
            "ix_joins_invite",
            "guild_id",
            "invite_code",
            "joined_at",
            postgresql_where=text("invite_code IS NOT NULL"),
        ),
    )

    guild_id: Mapped[Key]
    user_id: Mapped[Key]
    joined_at: Mapped[Moment] = mapped_column(primary_key=True)
    left_at: Mapped[Moment | None]
    invite_code: Mapped[str | None]
    inviter_id: Mapped[Snowflake | None]


class MemberDays(Base):
    """How many messages somebody wrote on a day (UTC)."""

    __tablename__ = "member_days"

    guild_id: Mapped[Key]
    user_id: Mapped[Key]
    day: Mapped[date] = mapped_column(primary_key=True)
    messages: Mapped[int]


class BotStatus(Base):
    """What the bot knows of itself since its start: its application's flags, and the commands this version has."""

    __tablename__ = "bot_status"

    application_id: Mapped[Key]
    flags: Mapped[Snowflake]
    commands_digest: Mapped[str]
    started_at: Mapped[Moment]


class Bans(Base):
    """The mirror of a ban."""

    __tablename__ = "bans"

    guild_id: Mapped[Key]
    user_id: Mapped[Key]
    username: Mapped[str]
    global_name: Mapped[str | None]
    avatar: Mapped[str | None]
    bot: Mapped[bool] = mapped_column(server_default=text("false"))
    reason: Mapped[str | None]
    mirrored_at: Mapped[Moment]


class ClosedDms(Base):
    """Who lately let no DM of Guard's through: Discord refused it then, and would now."""

    __tablename__ = "closed_dms"

    guild_id: Mapped[Key]
    user_id: Mapped[Key]
    refused_at: Mapped[Moment]


class GatewayShards(Base):
    """When each gateway shard was last heard. A quiet guild is not a silent gateway."""

    __tablename__ = "gateway_shards"

    shard_count: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shard_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    heard_at: Mapped[Moment]


class CommandSyncs(Base):
    """The slash commands that Discord was last told, by their fingerprint. Only the release reads and writes it."""

    __tablename__ = "command_syncs"

    application_id: Mapped[Key]
    digest: Mapped[str]
    synced_at: Mapped[Moment]
