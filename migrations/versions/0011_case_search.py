"""The case browser's questions: indexes that hold what is filtered by, words and parts of words, and a view for them.

Under row-level security PostgreSQL looks at a row's guild before it looks at anything that could leak what it sees,
and every operator of a text index counts as that: no text index is ever used. The view reads in the owner's name and
applies the guild itself, so the planner may use all of them.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from kovra.store.roles import MigrationRefused

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COVERED = "action, source, state, notice_status"
PHRASE = "target_name || ' ' || reason"
#: A DM that has no result yet is a result to look for, and no index finds what is null together with what is not.
TOLD = "coalesce(notice_status, '')"
KINDS = f"guild_id, action, source, ({TOLD})"
# What waits to be sorted in is read by every search, so little may wait.
PENDING = "WITH (gin_pending_list_limit = 512)"

INDEXES = (
    # Each kind of case in order: any choice of kinds is a few of these ranges, however rare what is in them.
    f"CREATE INDEX ix_mod_cases_kind ON mod_cases ({KINDS}, case_no) "
    "INCLUDE (state, notice_status, created_at, ends_at, moderator_id)",
    f"CREATE INDEX ix_mod_cases_target ON mod_cases (guild_id, target_id, case_no) INCLUDE ({COVERED})",
    f"CREATE INDEX ix_mod_cases_theirs ON mod_cases (guild_id, moderator_id, action, source, ({TOLD}), case_no) "
    "INCLUDE (state, notice_status, created_at, ends_at)",
    f"CREATE INDEX ix_mod_cases_ends ON mod_cases (guild_id, ends_at, case_no) "
    f"INCLUDE ({COVERED}, moderator_id) WHERE ends_at IS NOT NULL",
    "CREATE INDEX ix_mod_cases_created ON mod_cases (guild_id, created_at, case_no)",
    "CREATE INDEX ix_mod_cases_voided ON mod_cases (guild_id, case_no) WHERE voided_at IS NOT NULL",
    "CREATE INDEX ix_mod_cases_unusual ON mod_cases (guild_id, state, case_no) WHERE state <> 'done'",
    # The kinds stand here too: a common word among rare cases is found where the two lists meet.
    f"CREATE INDEX ix_mod_cases_words ON mod_cases USING gin ({KINDS}, to_tsvector('simple'::regconfig, {PHRASE})) "
    f"{PENDING}",
    f"CREATE INDEX ix_mod_cases_parts ON mod_cases USING gin ({KINDS}, ({PHRASE}) gin_trgm_ops) {PENDING}",
)

VIEW = f"""
CREATE VIEW case_search AS
SELECT guild_id, case_no, request_id, batch_id, action, target_id, moderator_id, source, state, {TOLD} AS told,
  voided_at, params, created_at, ends_at, {PHRASE} AS phrase, to_tsvector('simple'::regconfig, {PHRASE}) AS words
FROM mod_cases WHERE guild_id = kovra_guild()
"""


def upgrade() -> None:
    for extension in ("pg_trgm", "btree_gin"):
        _make_extension(extension)
    op.execute("DROP INDEX ix_mod_cases_target")
    for statement in INDEXES:
        op.execute(statement)
    # What the view reads in the owner's name.
    op.execute("CREATE POLICY owner_reads ON mod_cases FOR SELECT TO CURRENT_USER USING (true)")
    op.execute(VIEW)
    op.execute("GRANT SELECT ON case_search TO kovra_web")


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")


def _make_extension(name: str) -> None:
    connection = op.get_bind()
    if connection.scalar(sa.text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = :n)"), {"n": name}):
        return
    offered = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = :n)"
    allowed = "SELECT has_database_privilege(current_database(), 'CREATE')"
    if not connection.scalar(sa.text(offered), {"n": name}):
        raise MigrationRefused(
            f"Kovra searches with PostgreSQL's extension {name}, and this server does not have it. Install the contrib "
            "package of PostgreSQL on the server, then start the release step again."
        )
    if not connection.scalar(sa.text(allowed)):
        raise MigrationRefused(
            f"Kovra searches with PostgreSQL's extension {name}, and the login of DATABASE_URL may not create it. "
            f"Let a superuser run once in this database: CREATE EXTENSION {name}; then start the release step again."
        )
    op.execute(f"CREATE EXTENSION {name}")
