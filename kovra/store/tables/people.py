"""Who works here: settings of a guild, what roles may do, sessions, and what each person keeps."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kovra.store.tables.base import Base, Json, Key, Moment, Snowflake


class SavedViews(Base):
    """Views of the case list that people keep: ``words`` are those of its address, each a list."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("guild_id", "owner_id", "name"),)

    guild_id: Mapped[Key]
    view_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[Snowflake]
    name: Mapped[str]
    words: Mapped[Json]
    shared: Mapped[bool]
    saved_at: Mapped[Moment]


class GuildSettings(Base):
    """What a guild has changed. ``budgets``: action → requests per hour; what it does not name is the default.

    ``notice_texts``: action → text; ``notice_locale``: their language, null for the server's own. ``log_channels``:
    class → channel id as text, null where none is wanted; cases of a class that it does not name go to
    ``log_channel_id``. ``retention``: what is kept → days; what it does not name is kept for ever.
    """

    __tablename__ = "guild_settings"

    guild_id: Mapped[Key]
    log_channel_id: Mapped[Snowflake | None]
    budgets: Mapped[Json] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    notice_texts: Mapped[Json] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    log_channels: Mapped[Json] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    appeal_url: Mapped[str | None]
    notice_locale: Mapped[str | None]
    retention: Mapped[Json] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    changed_at: Mapped[Moment]
    changed_by: Mapped[Snowflake | None]


class CapabilityGrants(Base):
    """What a guild's admins gave to a role or to a person, beside what Discord's permissions give."""

    __tablename__ = "capability_grants"
    __table_args__ = (Index("ix_capability_grants_guild_id", "guild_id"),)

    grant_id: Mapped[UUID] = mapped_column(primary_key=True)
    guild_id: Mapped[Snowflake]
    capability: Mapped[str]
    role_id: Mapped[Snowflake | None]
    user_id: Mapped[Snowflake | None]
    longest_s: Mapped[int | None]
    largest_batch: Mapped[int | None]
    granted_by: Mapped[Snowflake]
    granted_at: Mapped[Moment]
    ends_at: Mapped[Moment | None]


class AccountLinks(Base):
    """Two accounts that staff takes for one person's; the lower id stands first."""

    __tablename__ = "account_links"
    __table_args__ = (
        CheckConstraint("user_id < other_id", name="once"),
        Index("ix_account_links_other", "guild_id", "other_id"),
    )

    guild_id: Mapped[Key]
    user_id: Mapped[Key]
    other_id: Mapped[Key]
    why: Mapped[str]
    linked_by: Mapped[Snowflake]
    linked_at: Mapped[Moment]


class PendingLogins(Base):
    """A sign-in that went to Discord and has not come back. Only the hash of its state is kept."""

    __tablename__ = "pending_logins"

    state_hash: Mapped[bytes] = mapped_column(primary_key=True)
    verifier: Mapped[str]
    next_path: Mapped[str]
    created_at: Mapped[Moment]


class Sessions(Base):
    """A signed-in browser. Only the hash of its id is kept; the access token is sealed by the dashboard."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user_id", "user_id"),)

    id_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[Snowflake]
    username: Mapped[str]
    name: Mapped[str]
    avatar: Mapped[str | None]
    access_token: Mapped[bytes]
    created_at: Mapped[Moment]
    seen_at: Mapped[Moment]
