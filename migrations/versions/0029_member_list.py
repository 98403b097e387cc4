"""The list of members finds them in the view of their names: it gains what the list is filtered and ordered by.

And indexes for the few who may not write now, or have not accepted the rules yet: among fifty thousand they were walked
to.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

#: As revision 0013 wrote it.
NAMES = "lower(' ' || username || ' ' || COALESCE(global_name, '') || ' ' || COALESCE(nick, '') || ' ')"


def upgrade() -> None:
    # Columns can be added behind those that a view has.
    op.execute(
        "CREATE OR REPLACE VIEW member_search AS "
        f"SELECT guild_id, user_id, username, global_name, nick, gone_at, {NAMES} AS names, "
        "joined_at, timed_out_until, pending, role_ids "
        "FROM members WHERE guild_id = kovra_guild()"
    )
    op.create_index(
        "ix_members_timed_out",
        "members",
        ["guild_id", "timed_out_until"],
        postgresql_where=sa.text("timed_out_until IS NOT NULL"),
    )
    op.create_index("ix_members_pending", "members", ["guild_id", "joined_at"], postgresql_where=sa.text("pending"))


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
