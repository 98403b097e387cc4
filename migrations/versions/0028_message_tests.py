"""Test messages: asked for on the settings pages, sent by a worker, and what became of the newest of each kind.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)

_WITH_POSTS = """
    SELECT guild_id FROM action_requests WHERE post_status = 'waiting' AND post_at IS NULL
    UNION
    SELECT guild_id FROM log_posts WHERE status = 'sending'
        AND (claim_until IS NULL OR claim_until < moment) AND (due_at IS NULL OR due_at <= moment)
    UNION
    SELECT guild_id FROM post_edits WHERE due_at <= moment
    UNION
    SELECT guild_id FROM log_events WHERE post_id IS NULL AND at <= moment - interval '2 seconds'
    UNION
    SELECT guild_id FROM message_tests WHERE status = 'sending' AND (claim_until IS NULL OR claim_until < moment)
"""


def upgrade() -> None:
    op.create_table(
        "message_tests",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("test_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("first_at", MOMENT, nullable=True),
        sa.Column("claim_until", MOMENT, nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("guild_id", "kind", name=op.f("pk_message_tests")),
    )
    op.create_index(
        "ix_message_tests_open", "message_tests", ["guild_id"], postgresql_where=sa.text("status = 'sending'")
    )
    # To ask again is to write over what became of the last one.
    op.execute("GRANT SELECT, INSERT, UPDATE ON message_tests TO kovra_web")
    op.execute(
        "GRANT SELECT, UPDATE (status, code, channel_id, first_at, claim_until, done_at) ON message_tests "
        "TO kovra_worker"
    )
    op.execute("ALTER TABLE message_tests ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE message_tests FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY one_guild ON message_tests USING (guild_id = kovra_guild()) "
        "WITH CHECK (guild_id = kovra_guild())"
    )
    op.execute("CREATE POLICY owner_reads ON message_tests FOR SELECT TO CURRENT_USER USING (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(
        "CREATE OR REPLACE FUNCTION kovra_guilds_with_posts(moment timestamptz) RETURNS SETOF bigint LANGUAGE sql "
        f"STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ {_WITH_POSTS} $$"
    )


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
