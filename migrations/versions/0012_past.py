"""What members were before: their names, how they came, what they wrote; and what the health check looks at.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
TABLES = ("member_names", "joins", "member_days")


def upgrade() -> None:
    op.add_column("members", sa.Column("pending", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("channels", sa.Column("overwrites", postgresql.JSONB(), nullable=True))
    op.create_table(
        "member_names",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("until_at", MOMENT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('username', 'global_name', 'nick')", name=op.f("ck_member_names_kind")),
        sa.PrimaryKeyConstraint("guild_id", "user_id", "kind", "until_at", name=op.f("pk_member_names")),
    )
    op.create_table(
        "joins",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("joined_at", MOMENT, nullable=False),
        sa.Column("left_at", MOMENT, nullable=True),
        sa.Column("invite_code", sa.Text(), nullable=True),
        sa.Column("inviter_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("guild_id", "user_id", "joined_at", name=op.f("pk_joins")),
    )
    # The question of a raid: who came in this window.
    op.create_index("ix_joins_guild_id_joined_at", "joins", ["guild_id", "joined_at"])
    op.create_table(
        "member_days",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "user_id", "day", name=op.f("pk_member_days")),
    )
    op.create_table(
        "bot_status",
        sa.Column("application_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("flags", sa.BigInteger(), nullable=False),
        sa.Column("commands_digest", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("application_id", name=op.f("pk_bot_status")),
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY one_guild ON {table} USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
        )
        # The bot writes it down, pages and the worker read it.
        op.execute(f"GRANT SELECT ON {table} TO kovra_web, kovra_worker")
    op.execute("GRANT SELECT, INSERT ON member_names TO kovra_bot")
    op.execute("GRANT SELECT, INSERT, UPDATE (left_at, invite_code, inviter_id) ON joins TO kovra_bot")
    op.execute("GRANT SELECT, INSERT, UPDATE (messages) ON member_days TO kovra_bot")
    op.execute("GRANT SELECT, INSERT, UPDATE ON bot_status TO kovra_bot")
    op.execute("GRANT SELECT ON bot_status, command_syncs TO kovra_web, kovra_bot")
    # Which guilds Guard is thought to be in, to find those that removed it while it was away.
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute("GRANT SELECT ON bot_status, audit_cursors TO kovra_worker")
    op.execute(
        "CREATE FUNCTION kovra_guilds_mirrored() RETURNS SETOF bigint "
        f"LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp "
        "AS $$ SELECT guild_id FROM guilds WHERE gone_at IS NULL $$"
    )
    op.execute("REVOKE EXECUTE ON FUNCTION kovra_guilds_mirrored() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION kovra_guilds_mirrored() TO kovra_bot")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
