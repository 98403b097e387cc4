"""A lane that people paused stays paused, whatever Redis forgets; and how many dead requests nobody has seen to.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

#: Over all guilds, for the worker. They tell which lanes are paused, and a number.
FUNCTIONS = {
    "kovra_paused_lanes() RETURNS SETOF bigint": "SELECT guild_id FROM lane_pauses",
    "kovra_dead_waiting() RETURNS bigint": (
        "SELECT count(*) FROM action_requests WHERE state = 'dead' AND discarded_at IS NULL"
    ),
}


def upgrade() -> None:
    op.create_table(
        "lane_pauses",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", name=op.f("pk_lane_pauses")),
    )
    op.execute("GRANT SELECT ON lane_pauses TO kovra_web, kovra_bot, kovra_worker")
    op.execute("GRANT INSERT, DELETE ON lane_pauses TO kovra_web")
    op.execute("ALTER TABLE lane_pauses ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE lane_pauses FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY one_guild ON lane_pauses USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
    )
    # What the functions below read in the owner's name.
    op.execute("CREATE POLICY owner_reads ON lane_pauses FOR SELECT TO CURRENT_USER USING (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for signature, body in FUNCTIONS.items():
        name = signature.split(" RETURNS ")[0]
        op.execute(
            f"CREATE FUNCTION {signature} LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = {schema}, pg_temp AS $$ {body} $$"
        )
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO kovra_worker")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
