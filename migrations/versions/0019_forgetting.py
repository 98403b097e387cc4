"""Forgetting: how long a server keeps evidence, what is left of it afterwards, and whose DMs are closed.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
#: What each server keeps of, and for how many days; a server that has set nothing keeps it for ever.
OUTLIVED = (
    "SELECT DISTINCT guild_id FROM evidence JOIN guild_settings USING (guild_id) "
    "WHERE NOT loose AND forgotten_at IS NULL "
    "AND kept_at < moment - make_interval(days => (retention ->> 'evidence_days')::int)"
)
STALE = "SELECT DISTINCT guild_id FROM evidence_files WHERE status = 'waiting'"
CLOSED = "SELECT DISTINCT guild_id FROM closed_dms WHERE refused_at < moment"


def upgrade() -> None:
    op.add_column(
        "guild_settings", sa.Column("retention", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)
    )
    op.add_column("evidence", sa.Column("forgotten_at", MOMENT, nullable=True))
    op.create_index(
        "ix_evidence_kept",
        "evidence",
        ["guild_id", "kept_at"],
        postgresql_where=sa.text("NOT loose AND forgotten_at IS NULL"),
    )
    op.create_index(
        "ix_evidence_files_waiting", "evidence_files", ["guild_id"], postgresql_where=sa.text("status = 'waiting'")
    )
    for name in ("status", "kept"):
        op.drop_constraint(op.f(f"ck_evidence_files_{name}"), "evidence_files", type_="check")
    op.create_check_constraint(
        op.f("ck_evidence_files_status"),
        "evidence_files",
        "status IN ('waiting', 'kept', 'too_large', 'wrong_type', 'elsewhere', 'too_many', 'lost', 'forgotten')",
    )
    # Of a file that is forgotten the digest stays: who has the file can still be shown that it was this one.
    op.create_check_constraint(
        op.f("ck_evidence_files_kept"),
        "evidence_files",
        "(status = 'kept') = (content IS NOT NULL) "
        "AND CASE status WHEN 'kept' THEN sha256 IS NOT NULL WHEN 'forgotten' THEN true ELSE sha256 IS NULL END",
    )
    op.create_table(
        "closed_dms",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("refused_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "user_id", name=op.f("pk_closed_dms")),
    )
    op.execute("ALTER TABLE closed_dms ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE closed_dms FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY one_guild ON closed_dms USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON closed_dms TO kovra_worker")
    op.execute("GRANT SELECT ON closed_dms TO kovra_web, kovra_bot")
    op.execute("GRANT UPDATE (content, embeds, author_name, forgotten_at) ON evidence TO kovra_worker")
    op.execute("GRANT SELECT (guild_id, request_id, place, status) ON evidence_files TO kovra_worker")
    op.execute("GRANT UPDATE (status, filename, url, content) ON evidence_files TO kovra_worker")
    for table in ("closed_dms", "evidence_files", "guild_settings"):
        op.execute(f"CREATE POLICY owner_reads ON {table} FOR SELECT TO CURRENT_USER USING (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for name, takes, body in (
        ("kovra_guilds_with_outlived_evidence", "moment timestamptz", OUTLIVED),
        ("kovra_guilds_with_closed_dms_before", "moment timestamptz", CLOSED),
        ("kovra_guilds_with_waiting_files", "", STALE),
    ):
        op.execute(
            f"CREATE FUNCTION {name}({takes}) RETURNS SETOF bigint "
            f"LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ {body} $$"
        )
        signature = f"{name}({takes.removeprefix('moment ')})"
        op.execute(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO kovra_worker")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
