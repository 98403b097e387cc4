"""What Guard keeps of the time before acts that can be taken back, and more that ends by itself.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ENDING = "'ban', 'mute', 'quarantine', 'lock', 'slowmode', 'lockdown'"
#: These may be asked for again while the same is under way: each says something of its own.
MANY = "'warn', 'note', 'purge', 'role_add', 'role_remove', 'amend', 'void', 'resend', 'comment'"


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("case_no", sa.BigInteger(), nullable=False),
        sa.Column("was", JSONB(), nullable=False),
        sa.Column("set_at", MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('quarantine', 'lock', 'slowmode', 'lockdown')", name=op.f("ck_holds_kind")),
        sa.PrimaryKeyConstraint("guild_id", "kind", "target_id", name=op.f("pk_holds")),
    )
    # The executor keeps and lets go; the doors look whether there is anything to lift; the bot whose it is again.
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON holds TO kovra_worker")
    op.execute("GRANT SELECT ON holds TO kovra_web, kovra_bot")
    op.execute("ALTER TABLE holds ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE holds FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY one_guild ON holds USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
    )
    op.drop_constraint(op.f("ck_scheduled_ends_punishment"), "scheduled_ends", type_="check")
    op.create_check_constraint(op.f("ck_scheduled_ends_punishment"), "scheduled_ends", f"punishment IN ({ENDING})")
    op.drop_index("uq_action_requests_live", "action_requests")
    op.create_index(
        "uq_action_requests_live",
        "action_requests",
        ["guild_id", "action", "target_id"],
        unique=True,
        postgresql_where=sa.text(f"state IN ('accepted', 'executing') AND action NOT IN ({MANY})"),
    )


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
