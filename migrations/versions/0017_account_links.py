"""Accounts that staff takes for one person's.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_links",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("other_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("linked_by", sa.BigInteger(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        # A link has no direction, so it is written one way only.
        sa.CheckConstraint("user_id < other_id", name=op.f("ck_account_links_once")),
        sa.PrimaryKeyConstraint("guild_id", "user_id", "other_id", name=op.f("pk_account_links")),
    )
    op.create_index("ix_account_links_other", "account_links", ["guild_id", "other_id"])
    op.execute("ALTER TABLE account_links ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE account_links FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY one_guild ON account_links "
        "USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON account_links TO kovra_web")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
