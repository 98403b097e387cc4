"""Punishments that end by themselves.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: What the worker changes; which case ends, and when, stays.
MOVED = "state, due_at, next_at, asked, failures, asked_request_id, settled_at, settled_by"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "scheduled_ends",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("punishment", sa.Text(), nullable=False),
        sa.Column("case_no", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("asked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("asked_request_id", sa.Uuid(), nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("settled_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'ended', 'cancelled')", name=op.f("ck_scheduled_ends_state")),
        sa.CheckConstraint("punishment IN ('ban', 'mute')", name=op.f("ck_scheduled_ends_punishment")),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_scheduled_ends")),
    )
    still_open = sa.text("state = 'open'")
    op.create_index("ix_scheduled_ends_due", "scheduled_ends", ["next_at"], postgresql_where=still_open)
    op.create_index(
        "ix_scheduled_ends_target", "scheduled_ends", ["guild_id", "target_id"], postgresql_where=still_open
    )
    # The executor begins and settles, the scheduler asks; the bot sees what is lifted by hand; pages read.
    op.execute("GRANT SELECT, INSERT ON scheduled_ends TO kovra_worker")
    op.execute(f"GRANT UPDATE ({MOVED}) ON scheduled_ends TO kovra_worker")
    op.execute("GRANT SELECT, UPDATE (state, settled_at) ON scheduled_ends TO kovra_bot")
    op.execute("GRANT SELECT ON scheduled_ends TO kovra_web")
    op.execute("ALTER TABLE scheduled_ends ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE scheduled_ends FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY one_guild ON scheduled_ends "
        "USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
    )
    # The scheduler looks for what is due in every guild; to change a row it enters its guild.
    op.execute("CREATE POLICY scheduler ON scheduled_ends FOR SELECT TO kovra_worker USING (state = 'open')")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
