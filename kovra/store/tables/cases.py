"""Cases and what hangs on them; all under the numbers of the guild."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, SmallInteger, literal_column, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kovra.store.tables.base import ZERO, Base, Json, Key, Moment, Snowflake

# What the case browser filters by, and the text it searches; the view ``case_search`` says the same.
_COVERED = ["action", "source", "state", "notice_status"]
_SHOWN = ["state", "notice_status", "created_at", "ends_at"]
_KINDS = ("guild_id", "action", "source", text("coalesce(notice_status, '')"))
_PHRASE = literal_column("((target_name || ' ') || reason)")
_WORDS = text("to_tsvector('simple'::regconfig, (target_name || ' ') || reason)")
_GIN: Any = {"postgresql_using": "gin", "postgresql_with": {"gin_pending_list_limit": "512"}}


class GuildCounters(Base):
    """The last numbers of a guild. Whoever bumps a number holds this row until commit: numbers have no gaps, and
    their order is the order of commits. ``case_seal`` is the head of the chain of cases, ``entry_seal`` that of their
    threads.
    """

    __tablename__ = "guild_counters"
    # Half-empty pages let the one row of a busy guild be updated in place.
    __table_args__ = {"postgresql_with": {"fillfactor": "50"}}

    guild_id: Mapped[Key]
    last_case: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    last_event: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    case_seal: Mapped[bytes | None]
    last_entry: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    entry_seal: Mapped[bytes | None]


class ModCases(Base):
    """The cases. ``case_no`` is the n-th case ever of its guild; a row is never deleted.

    Names are those at the time. ``digest`` is the fingerprint of what was decided, ``seal`` chains it to the case
    before; the messages' results come later and are not under it.
    """

    __tablename__ = "mod_cases"
    __table_args__ = (
        # Each kind of case in order, with all that is filtered by: finding cases reads none.
        Index(
            "ix_mod_cases_kind",
            *_KINDS,
            "case_no",
            postgresql_include=["state", "notice_status", "moderator_id", "created_at", "ends_at"],
        ),
        Index("ix_mod_cases_target", "guild_id", "target_id", "case_no", postgresql_include=_COVERED),
        Index("ix_mod_cases_moderator", "guild_id", "moderator_id", "case_no"),
        Index(
            "ix_mod_cases_theirs",
            "guild_id",
            "moderator_id",
            *_KINDS[1:],
            "case_no",
            postgresql_include=_SHOWN,
        ),
        Index(
            "ix_mod_cases_ends",
            "guild_id",
            "ends_at",
            "case_no",
            postgresql_include=[*_COVERED, "moderator_id"],
            postgresql_where=text("ends_at IS NOT NULL"),
        ),
        # Bans in order, for the list of those that hold.
        Index(
            "ix_mod_cases_bans",
            "guild_id",
            "case_no",
            postgresql_include=["target_id"],
            postgresql_where=text("action = 'ban'"),
        ),
        Index("ix_mod_cases_created", "guild_id", "created_at", "case_no"),
        Index("ix_mod_cases_voided", "guild_id", "case_no", postgresql_where=text("voided_at IS NOT NULL")),
        Index("ix_mod_cases_unusual", "guild_id", "state", "case_no", postgresql_where=text("state <> 'done'")),
        Index("ix_mod_cases_batch", "guild_id", "batch_id", "case_no", postgresql_where=text("batch_id IS NOT NULL")),
        Index("ix_mod_cases_reverses", "guild_id", "reverses", postgresql_where=text("reverses IS NOT NULL")),
        # However often an entry of Discord's audit log is heard, it is one case.
        Index(
            "uq_mod_cases_audit_id",
            "guild_id",
            text("(params ->> 'audit_id')"),
            unique=True,
            postgresql_where=text("params ? 'audit_id'"),
        ),
        # Free text: whole words, and any three letters in a row.
        Index("ix_mod_cases_words", *_KINDS, _WORDS, **_GIN),
        Index(
            "ix_mod_cases_parts",
            *_KINDS,
            _PHRASE.label("phrase"),
            postgresql_ops={"phrase": "gin_trgm_ops"},
            **_GIN,
        ),
    )

    guild_id: Mapped[Key]
    case_no: Mapped[Key]
    request_id: Mapped[UUID] = mapped_column(unique=True)
    batch_id: Mapped[UUID | None]
    action: Mapped[str]
    target_id: Mapped[Snowflake]
    target_name: Mapped[str]
    moderator_id: Mapped[Snowflake]
    moderator_name: Mapped[str]
    source: Mapped[str]
    reason: Mapped[str]
    params: Mapped[Json]
    created_at: Mapped[Moment]
    ends_at: Mapped[Moment | None]
    digest: Mapped[bytes]
    seal: Mapped[bytes]

    #: The case it takes back; what a purge deleted and where; when it was voided. Amendments stand in ``case_thread``.
    reverses: Mapped[int | None] = mapped_column(BigInteger)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    voided_at: Mapped[Moment | None]

    state: Mapped[str]
    notice_status: Mapped[str | None]
    notice_text: Mapped[str | None]
    notice_code: Mapped[int | None]
    notice_at: Mapped[Moment | None]
    post_status: Mapped[str | None]
    post_code: Mapped[int | None]
    post_channel_id: Mapped[Snowflake | None]
    post_message_id: Mapped[Snowflake | None]


class CaseThread(Base):
    """What was added to cases and changed in them. Append-only; ``number`` counts from 1 in each guild, and ``seal``
    chains each entry to the one before.
    """

    __tablename__ = "case_thread"
    __table_args__ = (Index("ix_case_thread_case", "guild_id", "case_no", "number"),)

    guild_id: Mapped[Key]
    number: Mapped[Key]
    case_no: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    author_id: Mapped[Snowflake]
    author_name: Mapped[str]
    text: Mapped[str]
    before: Mapped[Json]
    after: Mapped[Json]
    request_id: Mapped[UUID] = mapped_column(unique=True)
    written_at: Mapped[Moment]
    digest: Mapped[bytes]
    seal: Mapped[bytes]


class ScheduledEnds(Base):
    """Punishments that end by themselves, one row per case that began one.

    ``due_at`` is when Guard has to act next (lift the ban, renew the mute), ``next_at`` when it looks again: the same,
    but for an attempt under way (``asked_request_id``) or one that did not succeed (``failures`` in a row). ``asked``
    counts the requests made so far. ``settled_by`` is the request that ended or replaced it, none when it was done in
    Discord itself.
    """

    __tablename__ = "scheduled_ends"
    __table_args__ = (
        # The scheduler's question.
        Index("ix_scheduled_ends_due", "next_at", postgresql_where=text("state = 'open'")),
        # What a newer act, or a look in Discord, settles.
        Index("ix_scheduled_ends_target", "guild_id", "target_id", postgresql_where=text("state = 'open'")),
        CheckConstraint("state IN ('open', 'ended', 'cancelled')", name="state"),
        CheckConstraint(
            "punishment IN ('ban', 'mute', 'quarantine', 'lock', 'slowmode', 'lockdown')", name="punishment"
        ),
    )

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    guild_id: Mapped[Snowflake]
    target_id: Mapped[Snowflake]
    punishment: Mapped[str]
    case_no: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    began_at: Mapped[Moment]
    ends_at: Mapped[Moment]
    due_at: Mapped[Moment]
    next_at: Mapped[Moment]
    asked: Mapped[int] = mapped_column(server_default=ZERO)
    failures: Mapped[int] = mapped_column(server_default=ZERO)
    asked_request_id: Mapped[UUID | None]
    settled_at: Mapped[Moment | None]
    settled_by: Mapped[UUID | None]


class Holds(Base):
    """What Guard keeps of the time before an act that can be taken back: a row while it holds.

    ``was`` is what was so before the first such act; the case is the one by which it holds now; ``set_at`` is when it
    was last put on.
    """

    __tablename__ = "holds"
    __table_args__ = (CheckConstraint("kind IN ('quarantine', 'lock', 'slowmode', 'lockdown')", name="kind"),)

    guild_id: Mapped[Key]
    kind: Mapped[str] = mapped_column(primary_key=True)
    target_id: Mapped[Key]
    request_id: Mapped[UUID]
    case_no: Mapped[int] = mapped_column(BigInteger)
    was: Mapped[Json]
    set_at: Mapped[Moment]


class NativeEntries(Base):
    """Entries of Discord's audit log that may become cases; a row goes when it is known what became of it.

    ``next_at`` is when it is looked at: later than it was heard when Guard's own request is not settled yet.
    """

    __tablename__ = "native_entries"

    guild_id: Mapped[Key]
    audit_id: Mapped[Key]
    kind: Mapped[int]
    actor_id: Mapped[Snowflake | None]
    target_id: Mapped[Snowflake | None]
    reason: Mapped[str]
    until: Mapped[Moment | None]
    until_before: Mapped[Moment | None]
    options: Mapped[Json]
    heard_at: Mapped[Moment]
    next_at: Mapped[Moment]


class AuditCursors(Base):
    """How far Discord's audit log of a guild has been read. What is older than ``since_id`` was before Guard came."""

    __tablename__ = "audit_cursors"

    guild_id: Mapped[Key]
    since_id: Mapped[Snowflake]
    last_id: Mapped[Snowflake]
    read_at: Mapped[Moment]


class GuildEvents(Base):
    """What open pages are told, numbered per guild in the order of commits. Ids and states only."""

    __tablename__ = "guild_events"

    guild_id: Mapped[Key]
    seq: Mapped[Key]
    kind: Mapped[str]
    request_id: Mapped[UUID | None]
    facts: Mapped[Json]
    at: Mapped[Moment]


class Evidence(Base):
    """A message as it stood when somebody acted on it, by the request that it belongs to.

    ``loose``: no case is known to stand on it yet; what stays so is deleted. ``forgotten_at``: when the server's own
    term for evidence was over, and what it says was deleted.
    """

    __tablename__ = "evidence"
    __table_args__ = (
        Index("ix_evidence_loose", "kept_at", postgresql_where=text("loose")),
        Index("ix_evidence_kept", "guild_id", "kept_at", postgresql_where=text("NOT loose AND forgotten_at IS NULL")),
    )

    guild_id: Mapped[Key]
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[Snowflake]
    message_id: Mapped[Snowflake]
    author_id: Mapped[Snowflake]
    author_name: Mapped[str]
    content: Mapped[str]
    embeds: Mapped[list[Any]] = mapped_column(JSONB)
    forwarded: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    sent_at: Mapped[Moment]
    edited_at: Mapped[Moment | None]
    kept_by: Mapped[Snowflake]
    kept_at: Mapped[Moment]
    loose: Mapped[bool] = mapped_column(server_default=text("true"))
    forgotten_at: Mapped[Moment | None]


class EvidenceFiles(Base):
    """A file of a kept message, fetched from Discord. ``size`` is what Discord said.

    Of a forgotten file ``sha256`` stays: who has the file can still be shown that it was this one.
    """

    __tablename__ = "evidence_files"
    __table_args__ = (
        CheckConstraint(
            "status IN ('waiting', 'kept', 'too_large', 'wrong_type', 'elsewhere', 'too_many', 'lost', 'forgotten')",
            name="status",
        ),
        CheckConstraint(
            "(status = 'kept') = (content IS NOT NULL) "
            "AND CASE status WHEN 'kept' THEN sha256 IS NOT NULL WHEN 'forgotten' THEN true ELSE sha256 IS NULL END",
            name="kept",
        ),
        Index("ix_evidence_files_waiting", "guild_id", postgresql_where=text("status = 'waiting'")),
        CheckConstraint("octet_length(content) <= 8388608", name="content"),
        CheckConstraint("kind IN ('attached', 'forwarded', 'sticker')", name="kind"),
        ForeignKeyConstraint(
            ["guild_id", "request_id"],
            ["evidence.guild_id", "evidence.request_id"],
            name="fk_evidence_files_guild_id_evidence",
            ondelete="CASCADE",
        ),
    )

    guild_id: Mapped[Key]
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(server_default=text("'attached'"))
    filename: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    url: Mapped[str]
    status: Mapped[str]
    sha256: Mapped[bytes | None]
    content: Mapped[bytes | None]
