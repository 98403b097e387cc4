"""Every table. A change here is the next revision in ``migrations/``; a test compares the two.

Each table with a ``guild_id`` is under row-level security: a transaction sees the guild it has entered and no other.
The rights of each role stand in the revision that made the table.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Snowflake = Annotated[int, mapped_column(BigInteger)]
Key = Annotated[int, mapped_column(BigInteger, primary_key=True, autoincrement=False)]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
ZERO = text("0")

# What the case browser filters by, and the text it searches; the view ``case_search`` says the same.
_COVERED = ["action", "source", "state", "notice_status"]
_SHOWN = ["state", "notice_status", "created_at", "ends_at"]
_KINDS = ("guild_id", "action", "source", text("coalesce(notice_status, '')"))
_PHRASE = literal_column("((target_name || ' ') || reason)")
_WORDS = text("to_tsvector('simple'::regconfig, (target_name || ' ') || reason)")
_GIN: Any = {"postgresql_using": "gin", "postgresql_with": {"gin_pending_list_limit": "512"}}


class Base(DeclarativeBase):
    type_annotation_map = {str: Text}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


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


class ActionRequests(Base):
    """The queue of record: one row per request, with the sealed bytes exactly as they travel.

    The moments tell the story: ``accepted_at`` (none when it was rejected on arrival), ``enqueued_at``,
    ``claimed_at``, ``checked_at`` (rights, again), ``notice_at``/``notice_done_at``, ``effect_at`` (intent
    committed), ``effect_done_at``, ``applied_at`` (case), ``post_at``/``post_done_at``, ``done_at`` (its end,
    whichever). ``due_at`` defers it; ``relayed_at`` is when the relay last brought it back.
    """

    __tablename__ = "action_requests"
    __table_args__ = (
        # Two tabs, two moderators: one request at a time for the same thing done to the same person.
        Index(
            "uq_action_requests_live",
            "guild_id",
            "action",
            "target_id",
            unique=True,
            postgresql_where=text(
                "state IN ('accepted', 'executing') AND action NOT IN ('warn', 'note', 'purge', 'role_add', "
                "'role_remove', 'amend', 'void', 'resend', 'comment')"
            ),
        ),
        # Ban and unban of one person keep their order: one at a time is executed.
        Index(
            "uq_action_requests_executing",
            "guild_id",
            "target_id",
            unique=True,
            postgresql_where=text("state = 'executing'"),
        ),
        # The relay's question.
        Index(
            "ix_action_requests_open",
            "state",
            "claim_until",
            postgresql_where=text("state IN ('accepted', 'executing', 'applied')"),
        ),
        # The operators' question: what failed or gave up.
        Index("ix_action_requests_broken", "guild_id", "done_at", postgresql_where=text("state IN ('failed', 'dead')")),
        # What operators watch: the requests of the last minutes.
        Index("ix_action_requests_made", "created_at", postgresql_using="brin"),
        # The budget's question.
        Index("ix_action_requests_budget", "guild_id", "moderator_id", "action", "accepted_at"),
        # A job's question: what is in this chunk.
        Index(
            "ix_action_requests_batch",
            "batch_id",
            "chunk",
            "place",
            postgresql_where=text("batch_id IS NOT NULL"),
        ),
        Index(
            # Which cases still wait for their post in a log channel.
            "ix_action_requests_unposted",
            "guild_id",
            "case_no",
            postgresql_where=text("post_status = 'waiting'"),
        ),
        # What went over a budget is released once; a release that was itself refused leaves it free.
        Index(
            "uq_action_requests_releases",
            "guild_id",
            "releases",
            unique=True,
            postgresql_where=text("releases IS NOT NULL AND state <> 'rejected'"),
        ),
        # A case is taken back once; an act that came to nothing leaves it free.
        Index(
            "uq_action_requests_reverses",
            "guild_id",
            "reverses",
            unique=True,
            postgresql_where=text(
                "reverses IS NOT NULL AND state NOT IN ('rejected', 'failed', 'cancelled', 'expired', 'dead')"
            ),
        ),
        CheckConstraint(
            "state IN ('accepted', 'executing', 'applied', 'done', 'failed', "
            "'rejected', 'cancelled', 'expired', 'dead')",
            name="state",
        ),
        # A row is updated some ten times on its way; room on its page keeps that cheap.
        {"postgresql_with": {"fillfactor": "70"}},
    )

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    guild_id: Mapped[Snowflake]
    action: Mapped[str]
    target_id: Mapped[Snowflake]
    moderator_id: Mapped[Snowflake]
    source: Mapped[str]
    body: Mapped[bytes]
    kid: Mapped[str]
    sig: Mapped[str]
    fingerprint: Mapped[bytes]
    #: Its job, the chunk it travels in (none when it was rejected on arrival), its turn.
    batch_id: Mapped[UUID | None]
    chunk: Mapped[int | None]
    place: Mapped[int | None]
    #: The over-budget request of somebody else that this one stands in for.
    releases: Mapped[UUID | None]
    #: The case it takes back.
    reverses: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default=ZERO)
    replays: Mapped[int] = mapped_column(server_default=ZERO)

    issued_at: Mapped[Moment]
    created_at: Mapped[Moment]
    accepted_at: Mapped[Moment | None]
    enqueued_at: Mapped[Moment | None]
    relayed_at: Mapped[Moment | None]
    claimed_at: Mapped[Moment | None]
    checked_at: Mapped[Moment | None]
    notice_at: Mapped[Moment | None]
    notice_done_at: Mapped[Moment | None]
    effect_at: Mapped[Moment | None]
    effect_done_at: Mapped[Moment | None]
    applied_at: Mapped[Moment | None]
    post_at: Mapped[Moment | None]
    post_done_at: Mapped[Moment | None]
    done_at: Mapped[Moment | None]
    due_at: Mapped[Moment | None]
    expires_at: Mapped[Moment]

    claim_owner: Mapped[str | None]
    claim_key: Mapped[Snowflake | None]
    claim_epoch: Mapped[int] = mapped_column(server_default=ZERO)
    claim_until: Mapped[Moment | None]

    effect_before: Mapped[Json | None]
    notice_status: Mapped[str | None]
    notice_text: Mapped[str | None]
    notice_code: Mapped[int | None]
    notice_channel_id: Mapped[Snowflake | None]
    notice_message_id: Mapped[Snowflake | None]
    post_status: Mapped[str | None]
    post_code: Mapped[int | None]
    post_channel_id: Mapped[Snowflake | None]
    post_message_id: Mapped[Snowflake | None]

    refusal_kind: Mapped[str | None]
    refusal_sentence: Mapped[str | None]
    refusal_until: Mapped[Moment | None]
    failure_kind: Mapped[str | None]
    failure_sentence: Mapped[str | None]
    failure_code: Mapped[int | None]
    case_no: Mapped[int | None] = mapped_column(BigInteger)

    #: Who ended it while it waited; who has seen to it after it was dead.
    cancelled_by: Mapped[Snowflake | None]
    discarded_by: Mapped[Snowflake | None]
    discarded_at: Mapped[Moment | None]


class Jobs(Base):
    """Mass actions. ``state`` is what people decided (running, paused, cancelled); the requests tell the rest."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_guild_id_created_at", "guild_id", "created_at"),
        CheckConstraint("state IN ('running', 'paused', 'cancelled')", name="state"),
    )

    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    guild_id: Mapped[Snowflake]
    action: Mapped[str]
    moderator_id: Mapped[Snowflake]
    source: Mapped[str]
    reason: Mapped[str]
    params: Mapped[Json]
    fingerprint: Mapped[bytes]
    asked: Mapped[int]
    state: Mapped[str]
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    changed_at: Mapped[Moment | None]
    changed_by: Mapped[Snowflake | None]


class JobChunks(Base):
    """The parts of a job as they travel: up to 200 requests each. ``singly``: Discord would not take it in one call."""

    __tablename__ = "job_chunks"

    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    guild_id: Mapped[Snowflake]
    body: Mapped[bytes]
    kid: Mapped[str]
    sig: Mapped[str]
    singly: Mapped[bool] = mapped_column(server_default=text("false"))
    enqueued_at: Mapped[Moment | None]
    relayed_at: Mapped[Moment | None]


class LogPosts(Base):
    """Posts of several cases. ``first_at``: when it was first tried; ``code``: how Discord refused it lately."""

    __tablename__ = "log_posts"
    __table_args__ = (
        Index("ix_log_posts_open", "guild_id", postgresql_where=text("status = 'sending'")),
        # Which cases a message shows.
        Index("ix_log_posts_message", "guild_id", "message_id"),
    )

    post_id: Mapped[UUID] = mapped_column(primary_key=True)
    guild_id: Mapped[Snowflake]
    event_class: Mapped[str] = mapped_column(server_default=text("'actions'"))
    case_nos: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    status: Mapped[str]
    code: Mapped[int | None]
    channel_id: Mapped[Snowflake | None]
    message_id: Mapped[Snowflake | None]
    first_at: Mapped[Moment | None]
    due_at: Mapped[Moment | None]
    claim_until: Mapped[Moment | None]
    claim_epoch: Mapped[int] = mapped_column(server_default=ZERO)


class PostEdits(Base):
    """Cases that are not any more what their post says. ``wanted_at``: since the latest change."""

    __tablename__ = "post_edits"

    guild_id: Mapped[Key]
    case_no: Mapped[Key]
    wanted_at: Mapped[Moment]
    due_at: Mapped[Moment]


class LanePauses(Base):
    """Lanes that somebody paused. To resume one deletes its row; the audit log keeps both."""

    __tablename__ = "lane_pauses"

    guild_id: Mapped[Key]
    paused_at: Mapped[Moment]
    paused_by: Mapped[Snowflake]


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


class AuditLogRows(Base):
    """The append-only record. ``number`` counts from 1 in each guild; ``seal`` is keyed and bound to the one before."""

    __tablename__ = "audit_log"

    guild_id: Mapped[Key]
    number: Mapped[Key]
    kind: Mapped[str]
    actor_id: Mapped[Snowflake | None]
    facts: Mapped[Json]
    written_at: Mapped[Moment]
    digest: Mapped[bytes]
    seal: Mapped[bytes]


class AuditHeads(Base):
    """Where each guild's chain stands. Appending holds this row until commit."""

    __tablename__ = "audit_heads"
    __table_args__ = {"postgresql_with": {"fillfactor": "50"}}

    guild_id: Mapped[Key]
    last_number: Mapped[int] = mapped_column(BigInteger)
    seal: Mapped[bytes]


class AuditAnchors(Base):
    """What pruning leaves: entries up to ``number`` are gone, and the chain went on from ``seal``. Signed."""

    __tablename__ = "audit_anchors"

    guild_id: Mapped[Key]
    number: Mapped[Key]
    seal: Mapped[bytes]
    signature: Mapped[bytes]
    anchored_at: Mapped[Moment]


class Guilds(Base):
    """The mirror of a guild. ``gone_at``: Guard was removed from it. ``guard_id`` is Guard's own user."""

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
    __table_args__ = (CheckConstraint("kind IN ('username', 'global_name', 'nick')", name="kind"),)

    guild_id: Mapped[Key]
    user_id: Mapped[Key]
    kind: Mapped[str] = mapped_column(primary_key=True)
    until_at: Mapped[Moment] = mapped_column(primary_key=True)
    name: Mapped[str]


class Joins(Base):
    """Every time somebody came in, as far as Guard was there; by which invite, when that could be told."""

    __tablename__ = "joins"
    # The question of a raid: who came in this window.
    __table_args__ = (Index("ix_joins_guild_id_joined_at", "guild_id", "joined_at"),)

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


class GatewayShards(Base):
    """When each gateway shard was last heard. A quiet guild is not a silent gateway."""

    __tablename__ = "gateway_shards"

    shard_count: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shard_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    heard_at: Mapped[Moment]


class GuildSettings(Base):
    """What a guild has changed. ``budgets``: action → requests per hour; what it does not name is the default.

    ``notice_texts``: action → text. ``log_channels``: class of cases → channel id as text, null where none is wanted;
    what it does not name goes to ``log_channel_id``.
    """

    __tablename__ = "guild_settings"

    guild_id: Mapped[Key]
    log_channel_id: Mapped[Snowflake | None]
    budgets: Mapped[Json] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    notice_texts: Mapped[Json] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    log_channels: Mapped[Json] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    appeal_url: Mapped[str | None]
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


class CommandSyncs(Base):
    """The slash commands that Discord was last told, by their fingerprint. Only the release reads and writes it."""

    __tablename__ = "command_syncs"

    application_id: Mapped[Key]
    digest: Mapped[str]
    synced_at: Mapped[Moment]


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


class Evidence(Base):
    """A message as it stood when somebody acted on it, by the request that it belongs to.

    ``loose``: no case is known to stand on it yet; what stays so is forgotten.
    """

    __tablename__ = "evidence"
    __table_args__ = (Index("ix_evidence_loose", "kept_at", postgresql_where=text("loose")),)

    guild_id: Mapped[Key]
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[Snowflake]
    message_id: Mapped[Snowflake]
    author_id: Mapped[Snowflake]
    author_name: Mapped[str]
    content: Mapped[str]
    embeds: Mapped[list[Any]] = mapped_column(JSONB)
    sent_at: Mapped[Moment]
    edited_at: Mapped[Moment | None]
    kept_by: Mapped[Snowflake]
    kept_at: Mapped[Moment]
    loose: Mapped[bool] = mapped_column(server_default=text("true"))


class EvidenceFiles(Base):
    """A file of a kept message, fetched from Discord. ``size`` is what Discord said."""

    __tablename__ = "evidence_files"
    __table_args__ = (
        CheckConstraint("status IN ('waiting', 'kept', 'too_large', 'wrong_type', 'elsewhere', 'lost')", name="status"),
        CheckConstraint(
            "(status = 'kept') = (content IS NOT NULL) AND (status = 'kept') = (sha256 IS NOT NULL)", name="kept"
        ),
        CheckConstraint("octet_length(content) <= 8388608", name="content"),
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
    filename: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    url: Mapped[str]
    status: Mapped[str]
    sha256: Mapped[bytes | None]
    content: Mapped[bytes | None]


#: Tables whose rows belong to one guild.
GUILD_TABLES = tuple(table for table in Base.metadata.sorted_tables if "guild_id" in table.columns)
