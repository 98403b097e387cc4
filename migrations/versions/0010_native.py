"""What is done in Discord itself: entries of Discord's audit log on their way to becoming cases.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
TABLES = ("native_entries", "audit_cursors")


def upgrade() -> None:
    op.create_table(
        "native_entries",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("until_before", MOMENT, nullable=True),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("heard_at", MOMENT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "audit_id", name=op.f("pk_native_entries")),
    )
    op.create_table(
        "audit_cursors",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("read_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", name=op.f("pk_audit_cursors")),
    )
    # However often an entry is heard, it is one case.
    op.execute(
        "CREATE UNIQUE INDEX uq_mod_cases_audit_id ON mod_cases (guild_id, (params ->> 'audit_id')) "
        "WHERE params ? 'audit_id'"
    )
    # The bot writes down what it hears, the worker makes cases of it; pages see how far both are.
    op.execute("GRANT SELECT, INSERT ON native_entries TO kovra_bot")
    op.execute("GRANT SELECT, INSERT, UPDATE (last_id, read_at) ON audit_cursors TO kovra_bot")
    op.execute("GRANT SELECT, UPDATE (next_at), DELETE ON native_entries TO kovra_worker")
    op.execute("GRANT SELECT ON native_entries, audit_cursors TO kovra_web")
    # Such a request is written when it has been done.
    op.execute("GRANT INSERT (case_no, applied_at, notice_status) ON action_requests TO kovra_worker")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY one_guild ON {table} USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
        )
    # The worker looks in which guilds something waits; to see an entry it enters the guild.
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute("CREATE POLICY owner_reads ON native_entries FOR SELECT TO CURRENT_USER USING (true)")
    op.execute(
        "CREATE FUNCTION kovra_guilds_with_native(moment timestamptz) RETURNS SETOF bigint "
        f"LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp "
        "AS $$ SELECT DISTINCT guild_id FROM native_entries WHERE next_at <= moment $$"
    )
    op.execute("REVOKE EXECUTE ON FUNCTION kovra_guilds_with_native(timestamptz) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION kovra_guilds_with_native(timestamptz) TO kovra_worker")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
