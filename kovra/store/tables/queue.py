"""The queue of record: requests, jobs, and what is posted of them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from kovra.store.tables.base import ZERO, Base, Json, Key, Moment, Snowflake


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
        # What somebody began, and how much is open at all.
        Index(
            "ix_action_requests_open",
            "state",
            "claim_until",
            postgresql_where=text("state IN ('accepted', 'executing', 'applied')"),
        ),
        # The relay's question: what waits and was never brought back, since when; then what was, and when.
        Index(
            "ix_action_requests_waiting",
            "relayed_at",
            text("COALESCE(due_at, accepted_at)"),
            postgresql_where=text("state = 'accepted' AND chunk IS NULL"),
        ),
        # The same of jobs: which chunks have something open.
        Index(
            "ix_action_requests_open_chunks",
            "guild_id",
            "batch_id",
            "chunk",
            postgresql_where=text("chunk IS NOT NULL AND state IN ('accepted', 'executing', 'applied')"),
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
    """Posts of several cases, or of what was heard on the server: then they name no case.

    ``first_at``: when it was first tried; ``code``: how Discord refused it lately.
    """

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


class LogEvents(Base):
    """What happened on a server and is to be posted; gone once it was. ``post_id``: the post that shows it."""

    __tablename__ = "log_events"
    __table_args__ = (
        Index("ix_log_events_waiting", "guild_id", "at", postgresql_where=text("post_id IS NULL")),
        Index("ix_log_events_post", "guild_id", "post_id"),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    guild_id: Mapped[Snowflake]
    event_class: Mapped[str]
    at: Mapped[Moment]
    user_id: Mapped[Snowflake | None]
    user_name: Mapped[str]
    channel_id: Mapped[Snowflake | None]
    facts: Mapped[Json]
    post_id: Mapped[UUID | None]


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


class Workers(Base):
    """The worker processes: each writes its own row while it lives, and takes it away when it stops in order.

    ``claim_key`` is the one under which it claims, ``owner`` its machine and process, ``shards`` those it serves, and
    ``lanes_heard_at`` is when Redis last let it look into its lanes.
    """

    __tablename__ = "workers"
    __table_args__ = ({"postgresql_with": {"fillfactor": "50"}},)

    claim_key: Mapped[Key]
    owner: Mapped[str]
    shards: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    started_at: Mapped[Moment]
    heard_at: Mapped[Moment]
    lanes_heard_at: Mapped[Moment | None]


class MessageTests(Base):
    """The newest test message of each kind, asked for in the settings: ``kind`` is a class of posts, ``common``, or
    ``notice_`` and an action. ``first_at``: when it was first tried."""

    __tablename__ = "message_tests"
    __table_args__ = (Index("ix_message_tests_open", "guild_id", postgresql_where=text("status = 'sending'")),)

    guild_id: Mapped[Key]
    kind: Mapped[str] = mapped_column(primary_key=True)
    test_id: Mapped[UUID]
    asked_by: Mapped[Snowflake]
    asked_at: Mapped[Moment]
    status: Mapped[str]
    code: Mapped[int | None]
    channel_id: Mapped[Snowflake | None]
    first_at: Mapped[Moment | None]
    claim_until: Mapped[Moment | None]
    done_at: Mapped[Moment | None]
