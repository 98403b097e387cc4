"""A worker may ask which guilds have events that are too old to be kept.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: Looks at the oldest event of each guild only, by the primary key; numbers rise with time.
GUILDS_WITH_OLD_EVENTS = (
    "SELECT oldest.guild_id FROM guild_counters c CROSS JOIN LATERAL "
    "(SELECT e.guild_id, e.at FROM guild_events e WHERE e.guild_id = c.guild_id ORDER BY e.seq LIMIT 1) oldest "
    "WHERE oldest.at < moment"
)


def upgrade() -> None:
    # What the function reads in the owner's name.
    op.execute("CREATE POLICY owner_reads ON guild_events FOR SELECT TO CURRENT_USER USING (true)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(
        "CREATE FUNCTION kovra_guilds_with_events_before(moment timestamptz) RETURNS SETOF bigint "
        f"LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ {GUILDS_WITH_OLD_EVENTS} $$"
    )
    op.execute("REVOKE EXECUTE ON FUNCTION kovra_guilds_with_events_before(timestamptz) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION kovra_guilds_with_events_before(timestamptz) TO kovra_worker")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
