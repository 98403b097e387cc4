"""Find members by any part of a name, typing errors included, and count who came and went.

Under row-level security PostgreSQL looks at a row's guild before any operator that could leak what it sees, and those
of a text index count as such: the index would never be used. The view reads in the owner's name and applies the guild
itself.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: Every name begins behind a space, so that "begins with" is a part like any other.
NAMES = "lower(' ' || username || ' ' || COALESCE(global_name, '') || ' ' || COALESCE(nick, '') || ' ')"


def upgrade() -> None:
    # What waits to be sorted in is read by every search, so little may wait.
    op.execute(
        f"CREATE INDEX ix_members_names ON members USING gin (guild_id, ({NAMES}) gin_trgm_ops) "
        "WITH (gin_pending_list_limit = 1024)"
    )
    op.execute("CREATE INDEX ix_members_joined ON members (guild_id, joined_at)")
    op.execute("CREATE INDEX ix_members_gone ON members (guild_id, gone_at) WHERE gone_at IS NOT NULL")
    op.execute(
        "CREATE VIEW member_search AS "
        f"SELECT guild_id, user_id, username, global_name, nick, gone_at, {NAMES} AS names "
        "FROM members WHERE guild_id = kovra_guild()"
    )
    op.execute("GRANT SELECT ON member_search TO kovra_web, kovra_bot")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
