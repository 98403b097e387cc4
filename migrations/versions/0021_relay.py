"""What the relay looks at it finds along an index, however much waits.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_action_requests_waiting",
        "action_requests",
        ["relayed_at", sa.text("COALESCE(due_at, accepted_at)")],
        postgresql_where=sa.text("state = 'accepted' AND chunk IS NULL"),
    )
    op.create_index(
        "ix_action_requests_open_chunks",
        "action_requests",
        ["guild_id", "batch_id", "chunk"],
        postgresql_where=sa.text("chunk IS NOT NULL AND state IN ('accepted', 'executing', 'applied')"),
    )


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
