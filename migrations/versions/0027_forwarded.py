"""What a kept message passed on, and which of its files are stickers.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("evidence", sa.Column("forwarded", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False))
    op.add_column("evidence_files", sa.Column("kind", sa.Text(), server_default=sa.text("'attached'"), nullable=False))
    op.create_check_constraint(
        op.f("ck_evidence_files_kind"), "evidence_files", "kind IN ('attached', 'forwarded', 'sticker')"
    )
    op.execute("GRANT UPDATE (forwarded) ON evidence TO kovra_worker")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
