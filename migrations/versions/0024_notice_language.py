"""The language of notices: what Discord says a server speaks, and what the server has chosen instead.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("guilds", sa.Column("locale", sa.Text(), nullable=True))
    op.add_column("guild_settings", sa.Column("notice_locale", sa.Text(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
