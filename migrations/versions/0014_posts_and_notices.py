"""A server's own texts for notices, where its members appeal, and a log channel for each class of cases.

The settings are changed by people, in the dashboard: it may write them now.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    empty = sa.text("'{}'::jsonb")
    for name in ("notice_texts", "log_channels"):
        op.add_column("guild_settings", sa.Column(name, postgresql.JSONB(), server_default=empty, nullable=False))
    op.add_column("guild_settings", sa.Column("appeal_url", sa.Text(), nullable=True))
    op.execute("GRANT INSERT, UPDATE ON guild_settings TO kovra_web")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
