"""The worker processes: since when each runs, when it was heard, and which shards it serves.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("claim_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("shards", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("heard_at", MOMENT, nullable=False),
        sa.Column("lanes_heard_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("claim_key", name=op.f("pk_workers")),
        # Each row is written every two seconds: its next version finds room beside it, and no index is touched.
        postgresql_with={"fillfactor": "50"},
    )
    op.execute("GRANT SELECT ON workers TO kovra_web")
    op.execute("GRANT SELECT, INSERT, DELETE, UPDATE (heard_at, lanes_heard_at) ON workers TO kovra_worker")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
