"""Indexes for a profile, which counts who came by the same invite, and for the list of many bans.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_joins_invite",
        "joins",
        ["guild_id", "invite_code", "joined_at"],
        postgresql_where=sa.text("invite_code IS NOT NULL"),
    )
    op.create_index(
        "ix_mod_cases_bans",
        "mod_cases",
        ["guild_id", "case_no"],
        postgresql_include=["target_id"],
        postgresql_where=sa.text("action = 'ban'"),
    )


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
