"""Cases share a post whatever they come from, and a post is edited when its cases change.

What a job left unposted is carried on: its posts are posts like all others now.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
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
"""


def upgrade() -> None:
    op.rename_table("job_posts", "log_posts")
    op.execute("ALTER TABLE log_posts RENAME CONSTRAINT pk_job_posts TO pk_log_posts")
    op.drop_index("ix_job_posts_open", "log_posts")
    op.drop_column("log_posts", "batch_id")
    op.drop_column("log_posts", "chunk")
    op.add_column("log_posts", sa.Column("event_class", sa.Text(), server_default="actions", nullable=False))
    op.create_index("ix_log_posts_open", "log_posts", ["guild_id"], postgresql_where=sa.text("status = 'sending'"))
    op.create_index("ix_log_posts_message", "log_posts", ["guild_id", "message_id"])
    op.create_table(
        "post_edits",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wanted_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "case_no", name=op.f("pk_post_edits")),
    )
    op.drop_index("ix_action_requests_unposted", "action_requests")
    op.create_index(
        "ix_action_requests_unposted",
        "action_requests",
        ["guild_id", "case_no"],
        postgresql_where=sa.text("post_status = 'waiting'"),
    )
    op.execute("DROP POLICY relay_posts ON action_requests")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON post_edits TO kovra_worker")
    op.execute("GRANT SELECT ON post_edits TO kovra_web, kovra_bot")
    op.execute("ALTER TABLE post_edits ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE post_edits FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY one_guild ON post_edits USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
    )
    for table in ("log_posts", "post_edits"):
        op.execute(f"CREATE POLICY owner_reads ON {table} FOR SELECT TO CURRENT_USER USING (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(
        "CREATE FUNCTION kovra_guilds_with_posts(moment timestamptz) RETURNS SETOF bigint LANGUAGE sql STABLE "
        f"SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ {_WITH_POSTS} $$"
    )
    op.execute("REVOKE EXECUTE ON FUNCTION kovra_guilds_with_posts(timestamptz) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION kovra_guilds_with_posts(timestamptz) TO kovra_worker")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
