"""Find members by a name that they had.

Under row-level security PostgreSQL never asks a text index: see 0013. The view reads in the owner's name and applies
the guild itself.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

#: A name begins behind a space, so that "begins with" is a part like any other.
NAMES = "lower(' ' || name || ' ')"


def upgrade() -> None:
    # What waits to be sorted in is read by every search, so little may wait.
    op.execute(
        f"CREATE INDEX ix_member_names_name ON member_names USING gin (guild_id, ({NAMES}) gin_trgm_ops) "
        "WITH (gin_pending_list_limit = 1024)"
    )
    # What the view reads in the owner's name.
    op.execute("CREATE POLICY owner_reads ON member_names FOR SELECT TO CURRENT_USER USING (true)")
    op.execute(
        "CREATE VIEW former_name_search AS "
        f"SELECT guild_id, user_id, name, until_at, {NAMES} AS names FROM member_names WHERE guild_id = kovra_guild()"
    )
    op.execute("GRANT SELECT ON former_name_search TO kovra_web, kovra_bot")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
