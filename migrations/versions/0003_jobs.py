"""Mass actions: jobs, the chunks they travel in, and their posts in the log channel.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
IN_A_BATCH = sa.text("batch_id IS NOT NULL")


def upgrade() -> None:
    for name, kind in (("batch_id", sa.Uuid()), ("chunk", sa.Integer()), ("place", sa.Integer())):
        op.add_column("action_requests", sa.Column(name, kind, nullable=True))
    op.add_column("action_requests", sa.Column("releases", sa.Uuid(), nullable=True))
    op.add_column("mod_cases", sa.Column("batch_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_action_requests_batch",
        "action_requests",
        ["batch_id", "chunk", "place"],
        postgresql_where=IN_A_BATCH,
    )
    op.create_index(
        "ix_action_requests_unposted",
        "action_requests",
        ["batch_id", "chunk"],
        postgresql_where=sa.text("post_status = 'waiting'"),
    )
    op.create_index(
        "uq_action_requests_releases",
        "action_requests",
        ["guild_id", "releases"],
        unique=True,
        postgresql_where=sa.text("releases IS NOT NULL AND state <> 'rejected'"),
    )
    op.create_index("ix_mod_cases_batch", "mod_cases", ["guild_id", "batch_id", "case_no"], postgresql_where=IN_A_BATCH)
    _make_tables()
    _grant_rights()
    _fence_guilds()


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")


def _make_tables() -> None:
    op.create_table(
        "jobs",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("moderator_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSONB(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=True),
        sa.Column("changed_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'paused', 'cancelled')", name=op.f("ck_jobs_state")),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_guild_id_created_at", "jobs", ["guild_id", "created_at"])
    op.create_table(
        "job_chunks",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("sig", sa.Text(), nullable=False),
        sa.Column("singly", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("enqueued_at", MOMENT, nullable=True),
        sa.Column("relayed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("batch_id", "number", name=op.f("pk_job_chunks")),
    )
    op.create_table(
        "job_posts",
        sa.Column("post_id", sa.Uuid(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("case_nos", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("first_at", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("claim_until", MOMENT, nullable=True),
        sa.Column("claim_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_job_posts")),
    )
    op.create_index(
        "ix_job_posts_open", "job_posts", ["batch_id", "chunk"], postgresql_where=sa.text("status = 'sending'")
    )


def _grant_rights() -> None:
    for role in ("kovra_web", "kovra_bot", "kovra_worker"):
        op.execute(f"GRANT INSERT (batch_id, chunk, place, releases) ON action_requests TO {role}")
        op.execute(f"GRANT SELECT, INSERT ON jobs TO {role}")
        op.execute(f"GRANT SELECT, INSERT ON job_chunks TO {role}")
        op.execute(f"GRANT UPDATE (enqueued_at) ON job_chunks TO {role}")
        op.execute(f"GRANT SELECT ON job_posts TO {role}")
    # To pause and go on is decided at a door; the worker reads it between two targets.
    op.execute("GRANT UPDATE (state, changed_at, changed_by) ON jobs TO kovra_web")
    op.execute("GRANT UPDATE (singly, relayed_at) ON job_chunks TO kovra_worker")
    op.execute("GRANT INSERT, UPDATE ON job_posts TO kovra_worker")


def _fence_guilds() -> None:
    for table in ("jobs", "job_chunks", "job_posts"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY one_guild ON {table} USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
        )
    # The relay looks for cases that still wait for their post in every guild, as it does for open requests.
    op.execute(
        "CREATE POLICY relay_posts ON action_requests FOR SELECT TO kovra_worker USING (post_status = 'waiting')"
    )
