"""What happens on a server and is to be posted in its log channels, until it is.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)

#: What was heard waits two seconds for company.
_WITH_POSTS = """
    SELECT guild_id FROM action_requests WHERE post_status = 'waiting' AND post_at IS NULL
    UNION
    SELECT guild_id FROM log_posts WHERE status = 'sending'
        AND (claim_until IS NULL OR claim_until < moment) AND (due_at IS NULL OR due_at <= moment)
    UNION
    SELECT guild_id FROM post_edits WHERE due_at <= moment
    UNION
    SELECT guild_id FROM log_events WHERE post_id IS NULL AND at <= moment - interval '2 seconds'
"""

#: Where guilds want it posted: asked by the bot, which hears everything and keeps only what somebody wants to read.
_CHOSEN = """
    SELECT guild_id, log_channels FROM guild_settings
    WHERE log_channels ?| ARRAY['joins', 'leaves', 'names', 'roles', 'edits', 'deletions', 'voice']
"""


def upgrade() -> None:
    op.create_table(
        "log_events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("event_class", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("facts", JSONB(), nullable=False),
        sa.Column("post_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_log_events")),
    )
    op.create_index(
        "ix_log_events_waiting", "log_events", ["guild_id", "at"], postgresql_where=sa.text("post_id IS NULL")
    )
    op.create_index("ix_log_events_post", "log_events", ["guild_id", "post_id"])
    op.execute("GRANT SELECT, INSERT, UPDATE (facts) ON log_events TO kovra_bot")
    op.execute("GRANT SELECT, UPDATE (post_id), DELETE ON log_events TO kovra_worker")
    # A post of what was heard is of no use once it was sent; that of cases tells which cases a message shows.
    op.execute("GRANT DELETE ON log_posts TO kovra_worker")
    op.execute("ALTER TABLE log_events ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE log_events FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY one_guild ON log_events USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
    )
    op.execute("CREATE POLICY owner_reads ON log_events FOR SELECT TO CURRENT_USER USING (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(
        "CREATE OR REPLACE FUNCTION kovra_guilds_with_posts(moment timestamptz) RETURNS SETOF bigint LANGUAGE sql "
        f"STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ {_WITH_POSTS} $$"
    )
    op.execute(
        "CREATE FUNCTION kovra_log_channels() RETURNS TABLE (guild_id bigint, log_channels jsonb) LANGUAGE sql STABLE "
        f"SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ {_CHOSEN} $$"
    )
    op.execute("REVOKE EXECUTE ON FUNCTION kovra_log_channels() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION kovra_log_channels() TO kovra_bot")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
