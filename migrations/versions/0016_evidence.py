"""Evidence: messages as they stood when somebody acted on them, and their files.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
#: What was kept for a form that nobody sent, or whose request made no case.
LOOSE = "SELECT DISTINCT guild_id FROM evidence WHERE loose AND kept_at < moment"


def upgrade() -> None:
    op.create_table(
        "evidence",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("embeds", postgresql.JSONB(), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.Column("edited_at", MOMENT, nullable=True),
        sa.Column("kept_by", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", MOMENT, nullable=False),
        sa.Column("loose", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "request_id", name=op.f("pk_evidence")),
    )
    op.create_index("ix_evidence_loose", "evidence", ["kept_at"], postgresql_where=sa.text("loose"))
    op.create_table(
        "evidence_files",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "status IN ('waiting', 'kept', 'too_large', 'wrong_type', 'elsewhere', 'lost')",
            name=op.f("ck_evidence_files_status"),
        ),
        sa.CheckConstraint(
            "(status = 'kept') = (content IS NOT NULL) AND (status = 'kept') = (sha256 IS NOT NULL)",
            name=op.f("ck_evidence_files_kept"),
        ),
        sa.CheckConstraint("octet_length(content) <= 8388608", name=op.f("ck_evidence_files_content")),
        sa.ForeignKeyConstraint(
            ["guild_id", "request_id"],
            ["evidence.guild_id", "evidence.request_id"],
            name=op.f("fk_evidence_files_guild_id_evidence"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("guild_id", "request_id", "place", name=op.f("pk_evidence_files")),
    )
    # Pictures and films are compressed already.
    op.execute("ALTER TABLE evidence_files ALTER COLUMN content SET STORAGE EXTERNAL")
    for table in ("evidence", "evidence_files"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY one_guild ON {table} USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
        )
        # The bot writes it down, pages show it; nobody changes what was said.
        op.execute(f"GRANT SELECT, INSERT ON {table} TO kovra_bot")
        op.execute(f"GRANT SELECT ON {table} TO kovra_web")
    op.execute("GRANT UPDATE (status, sha256, content) ON evidence_files TO kovra_bot")
    op.execute("GRANT SELECT, DELETE, UPDATE (loose) ON evidence TO kovra_worker")
    op.execute("CREATE POLICY owner_reads ON evidence FOR SELECT TO CURRENT_USER USING (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(
        "CREATE FUNCTION kovra_guilds_with_loose_evidence(moment timestamptz) RETURNS SETOF bigint "
        f"LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ {LOOSE} $$"
    )
    op.execute("REVOKE EXECUTE ON FUNCTION kovra_guilds_with_loose_evidence(timestamptz) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION kovra_guilds_with_loose_evidence(timestamptz) TO kovra_worker")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
