"""A person may end a request that waits, and decide about one that gave up.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: The only changes of a request's state that a door may make. The rows are those of the guild that was entered: the
#: policy ``one_guild`` holds for the owner too. Rows are locked in one order, so two at once wait for each other.
FUNCTIONS = {
    # What waits and has certainly not been done; says which these were.
    "kovra_cancel_waiting(ids uuid[], by_id bigint, moment timestamptz) RETURNS SETOF uuid": (
        ("kovra_web", "kovra_worker"),
        "UPDATE action_requests SET state = 'cancelled', done_at = moment, cancelled_by = by_id, due_at = NULL "
        "WHERE state = 'accepted' AND effect_at IS NULL AND request_id IN "
        "(SELECT r.request_id FROM action_requests r WHERE r.request_id = ANY (ids) ORDER BY 1 FOR UPDATE) "
        "RETURNING request_id",
    ),
    # A dead request is wanted again, until then; with a case only its messages are.
    "kovra_retry_dead(id uuid, wanted_until timestamptz) RETURNS SETOF uuid": (
        ("kovra_web",),
        "UPDATE action_requests SET state = CASE WHEN case_no IS NULL THEN 'accepted' ELSE 'applied' END, "
        "attempts = 0, expires_at = wanted_until, done_at = NULL, due_at = NULL, enqueued_at = NULL, "
        "relayed_at = NULL, claim_owner = NULL, claim_key = NULL, claim_until = NULL, "
        "failure_kind = NULL, failure_sentence = NULL, failure_code = NULL "
        "WHERE state = 'dead' AND discarded_at IS NULL AND request_id = id RETURNING request_id",
    ),
    # A dead request stays what it is; somebody has seen to it.
    "kovra_discard_dead(id uuid, by_id bigint, moment timestamptz) RETURNS SETOF uuid": (
        ("kovra_web",),
        "UPDATE action_requests SET discarded_at = moment, discarded_by = by_id "
        "WHERE state = 'dead' AND discarded_at IS NULL AND request_id = id RETURNING request_id",
    ),
}


def upgrade() -> None:
    op.add_column("action_requests", sa.Column("cancelled_by", sa.BigInteger(), nullable=True))
    op.add_column("action_requests", sa.Column("discarded_by", sa.BigInteger(), nullable=True))
    op.add_column("action_requests", sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True))
    # The operators' question: what failed or gave up, newest first.
    op.create_index(
        "ix_action_requests_broken",
        "action_requests",
        ["guild_id", "done_at"],
        postgresql_where=sa.text("state IN ('failed', 'dead')"),
    )
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for signature, (roles, body) in FUNCTIONS.items():
        name = signature.split(" RETURNS ")[0]
        op.execute(
            f"CREATE FUNCTION {signature} LANGUAGE sql VOLATILE SECURITY DEFINER "
            f"SET search_path = {schema}, pg_temp AS $$ {body} $$"
        )
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {', '.join(roles)}")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")
