"""What operators watch: how long each step took lately, and what became of requests, over all guilds.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

#: Each step's name and the two moments it lies between.
STEPS = {
    "queue": ("accepted_at", "claimed_at"),
    "check": ("claimed_at", "checked_at"),
    "notice": ("notice_at", "notice_done_at"),
    "effect": ("effect_at", "effect_done_at"),
    "case": ("effect_done_at", "applied_at"),
    "post": ("post_at", "post_done_at"),
    "whole": ("accepted_at", "done_at"),
}
SPANS = " UNION ALL ".join(
    f"SELECT '{name}', extract(epoch FROM r.{end} - r.{start}) FROM recent r "
    f"WHERE r.{start} IS NOT NULL AND r.{end} IS NOT NULL"
    for name, (start, end) in STEPS.items()
)
RECENT = "WITH recent AS (SELECT * FROM action_requests WHERE created_at > moment)"

#: Numbers alone leave these: nobody's guild, target or reason.
FUNCTIONS = {
    "kovra_steps_since(moment timestamptz) RETURNS TABLE "
    "(step text, requests bigint, p50_s double precision, p95_s double precision)": (
        f"{RECENT}, spans(step, s) AS ({SPANS}) "
        "SELECT step, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY s)::double precision, "
        "percentile_cont(0.95) WITHIN GROUP (ORDER BY s)::double precision FROM spans GROUP BY step"
    ),
    "kovra_outcomes_since(moment timestamptz) RETURNS TABLE (outcome text, requests bigint)": (
        f"{RECENT} SELECT state, count(*) FROM recent GROUP BY state "
        "UNION ALL SELECT 'unconfirmed', count(*) FROM recent WHERE failure_kind = 'unconfirmed' "
        "UNION ALL SELECT 'taken_again', count(*) FROM recent WHERE attempts > 1 "
        "UNION ALL SELECT 'replays', coalesce(sum(replays), 0)::bigint FROM recent"
    ),
}


def upgrade() -> None:
    # Rows stay where they were written, so a few blocks tell where the recent ones are: no index for each update.
    op.create_index("ix_action_requests_made", "action_requests", ["created_at"], postgresql_using="brin")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for signature, body in FUNCTIONS.items():
        name = signature.split("(")[0] + "(timestamptz)"
        op.execute(
            f"CREATE FUNCTION {signature} LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = {schema}, pg_temp AS $$ {body} $$"
        )
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO kovra_worker")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
