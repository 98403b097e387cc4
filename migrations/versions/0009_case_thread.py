"""The thread of a case: comments, amendments, and what else became of it. Cases that take others back.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
#: An act that takes a case back counts unless it came to nothing.
COUNTS = "reverses IS NOT NULL AND state NOT IN ('rejected', 'failed', 'cancelled', 'expired', 'dead')"


def upgrade() -> None:
    op.create_table(
        "case_thread",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_no", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("before", JSONB(), nullable=False),
        sa.Column("after", JSONB(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "number", name=op.f("pk_case_thread")),
        sa.UniqueConstraint("request_id", name=op.f("uq_case_thread_request_id")),
    )
    op.create_index("ix_case_thread_case", "case_thread", ["guild_id", "case_no", "number"])
    op.execute("GRANT SELECT, INSERT ON case_thread TO kovra_worker")
    op.execute("GRANT SELECT ON case_thread TO kovra_web, kovra_bot")
    op.execute("ALTER TABLE case_thread ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE case_thread FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY one_guild ON case_thread USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
    )
    # The chain of threads has a head of its own: a case is sealed once, a comment comes years later.
    op.add_column("guild_counters", sa.Column("last_entry", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("guild_counters", sa.Column("entry_seal", sa.LargeBinary(), nullable=True))
    op.execute("GRANT UPDATE (last_entry, entry_seal) ON guild_counters TO kovra_worker")

    op.add_column("mod_cases", sa.Column("voided_at", MOMENT, nullable=True))
    op.add_column("mod_cases", sa.Column("reverses", sa.BigInteger(), nullable=True))
    op.add_column("mod_cases", sa.Column("result", JSONB(), nullable=True))
    op.create_index(
        "ix_mod_cases_reverses",
        "mod_cases",
        ["guild_id", "reverses"],
        postgresql_where=sa.text("reverses IS NOT NULL"),
    )
    op.execute("GRANT UPDATE (reason, ends_at, voided_at) ON mod_cases TO kovra_worker")
    op.execute("GRANT UPDATE (ends_at) ON scheduled_ends TO kovra_worker")

    op.add_column("action_requests", sa.Column("reverses", sa.BigInteger(), nullable=True))
    op.create_index(
        "uq_action_requests_reverses",
        "action_requests",
        ["guild_id", "reverses"],
        unique=True,
        postgresql_where=sa.text(COUNTS),
    )
    for role in ("kovra_web", "kovra_worker", "kovra_bot"):
        op.execute(f"GRANT INSERT (reverses) ON action_requests TO {role}")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
