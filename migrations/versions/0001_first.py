"""The first schema: tables, roles, rights, row-level security.

``_make_tables``, by the alphabet: what is asked for and done (``action_requests``, ``mod_cases``, ``guild_counters``,
``guild_events``), the audit log with its chain, the mirror (``guilds``, ``members``, ``roles``, ``channels``, ``bans``,
``gateway_shards``), who may what (``capability_grants``, ``guild_settings``), who is signed in (``sessions``,
``pending_logins``). ``_grant_rights`` says who may touch which, ``_fence_guilds`` shuts each guild in, and
``_make_functions`` opens the few windows out of it.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from kovra.store.roles import make_roles

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    make_roles(op.get_bind())
    _make_tables()
    _grant_rights()
    _fence_guilds()
    _make_functions()


def downgrade() -> None:
    raise NotImplementedError("Kovra's schema moves forward only; restore a back-up to go back.")


def _make_tables() -> None:
    op.create_table(
        "action_requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("moderator_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("sig", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("replays", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("accepted_at", MOMENT, nullable=True),
        sa.Column("enqueued_at", MOMENT, nullable=True),
        sa.Column("relayed_at", MOMENT, nullable=True),
        sa.Column("claimed_at", MOMENT, nullable=True),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("notice_at", MOMENT, nullable=True),
        sa.Column("notice_done_at", MOMENT, nullable=True),
        sa.Column("effect_at", MOMENT, nullable=True),
        sa.Column("effect_done_at", MOMENT, nullable=True),
        sa.Column("applied_at", MOMENT, nullable=True),
        sa.Column("post_at", MOMENT, nullable=True),
        sa.Column("post_done_at", MOMENT, nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("claim_owner", sa.Text(), nullable=True),
        sa.Column("claim_key", sa.BigInteger(), nullable=True),
        sa.Column("claim_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claim_until", MOMENT, nullable=True),
        sa.Column("effect_before", postgresql.JSONB(), nullable=True),
        sa.Column("notice_status", sa.Text(), nullable=True),
        sa.Column("notice_text", sa.Text(), nullable=True),
        sa.Column("notice_code", sa.Integer(), nullable=True),
        sa.Column("notice_channel_id", sa.BigInteger(), nullable=True),
        sa.Column("notice_message_id", sa.BigInteger(), nullable=True),
        sa.Column("post_status", sa.Text(), nullable=True),
        sa.Column("post_code", sa.Integer(), nullable=True),
        sa.Column("post_channel_id", sa.BigInteger(), nullable=True),
        sa.Column("post_message_id", sa.BigInteger(), nullable=True),
        sa.Column("refusal_kind", sa.Text(), nullable=True),
        sa.Column("refusal_sentence", sa.Text(), nullable=True),
        sa.Column("refusal_until", MOMENT, nullable=True),
        sa.Column("failure_kind", sa.Text(), nullable=True),
        sa.Column("failure_sentence", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Integer(), nullable=True),
        sa.Column("case_no", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('accepted', 'executing', 'applied', 'done', 'failed', "
            "'rejected', 'cancelled', 'expired', 'dead')",
            name=op.f("ck_action_requests_state"),
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_action_requests")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "ix_action_requests_budget",
        "action_requests",
        ["guild_id", "moderator_id", "action", "accepted_at"],
        unique=False,
    )
    op.create_index(
        "ix_action_requests_open",
        "action_requests",
        ["state", "claim_until"],
        unique=False,
        postgresql_where=sa.text("state IN ('accepted', 'executing', 'applied')"),
    )
    op.create_index(
        "uq_action_requests_executing",
        "action_requests",
        ["guild_id", "target_id"],
        unique=True,
        postgresql_where=sa.text("state = 'executing'"),
    )
    op.create_index(
        "uq_action_requests_live",
        "action_requests",
        ["guild_id", "action", "target_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('accepted', 'executing') AND action NOT IN ('warn', 'note')"),
    )
    op.create_table(
        "audit_anchors",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("anchored_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "number", name=op.f("pk_audit_anchors")),
    )
    op.create_table(
        "audit_heads",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", name=op.f("pk_audit_heads")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "audit_log",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "number", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "bans",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("global_name", sa.Text(), nullable=True),
        sa.Column("avatar", sa.Text(), nullable=True),
        sa.Column("bot", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("mirrored_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "user_id", name=op.f("pk_bans")),
    )
    op.create_table(
        "capability_grants",
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("capability", sa.Text(), nullable=False),
        sa.Column("role_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("longest_s", sa.Integer(), nullable=True),
        sa.Column("largest_batch", sa.Integer(), nullable=True),
        sa.Column("granted_by", sa.BigInteger(), nullable=False),
        sa.Column("granted_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_capability_grants")),
    )
    op.create_index("ix_capability_grants_guild_id", "capability_grants", ["guild_id"], unique=False)
    op.create_table(
        "channels",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("guild_id", "channel_id", name=op.f("pk_channels")),
    )
    op.create_table(
        "gateway_shards",
        sa.Column("shard_count", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("shard_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("heard_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("shard_count", "shard_id", name=op.f("pk_gateway_shards")),
    )
    op.create_table(
        "guild_counters",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_case", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_event", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("case_seal", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("guild_id", name=op.f("pk_guild_counters")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "guild_events",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "seq", name=op.f("pk_guild_events")),
    )
    op.create_table(
        "guild_settings",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_channel_id", sa.BigInteger(), nullable=True),
        sa.Column("budgets", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("guild_id", name=op.f("pk_guild_settings")),
    )
    op.create_table(
        "guilds",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("icon", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("guard_id", sa.BigInteger(), nullable=False),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("mirrored_at", MOMENT, nullable=False),
        sa.Column("members_complete_at", MOMENT, nullable=True),
        sa.Column("bans_complete_at", MOMENT, nullable=True),
        sa.Column("gone_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("guild_id", name=op.f("pk_guilds")),
    )
    op.create_table(
        "members",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("global_name", sa.Text(), nullable=True),
        sa.Column("nick", sa.Text(), nullable=True),
        sa.Column("avatar", sa.Text(), nullable=True),
        sa.Column("bot", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("role_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("joined_at", MOMENT, nullable=True),
        sa.Column("timed_out_until", MOMENT, nullable=True),
        sa.Column("mirrored_at", MOMENT, nullable=False),
        sa.Column("gone_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("guild_id", "user_id", name=op.f("pk_members")),
    )
    op.create_index(
        "ix_members_user", "members", ["user_id"], unique=False, postgresql_where=sa.text("gone_at IS NULL")
    )
    op.create_table(
        "mod_cases",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("target_name", sa.Text(), nullable=False),
        sa.Column("moderator_id", sa.BigInteger(), nullable=False),
        sa.Column("moderator_name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("notice_status", sa.Text(), nullable=True),
        sa.Column("notice_text", sa.Text(), nullable=True),
        sa.Column("notice_code", sa.Integer(), nullable=True),
        sa.Column("notice_at", MOMENT, nullable=True),
        sa.Column("post_status", sa.Text(), nullable=True),
        sa.Column("post_code", sa.Integer(), nullable=True),
        sa.Column("post_channel_id", sa.BigInteger(), nullable=True),
        sa.Column("post_message_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("guild_id", "case_no", name=op.f("pk_mod_cases")),
        sa.UniqueConstraint("request_id", name=op.f("uq_mod_cases_request_id")),
    )
    op.create_index("ix_mod_cases_moderator", "mod_cases", ["guild_id", "moderator_id", "case_no"], unique=False)
    op.create_index("ix_mod_cases_target", "mod_cases", ["guild_id", "target_id", "case_no"], unique=False)
    op.create_table(
        "pending_logins",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("next_path", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_pending_logins")),
    )
    op.create_table(
        "roles",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("role_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("permissions", sa.BigInteger(), nullable=False),
        sa.Column("colour", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("managed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "role_id", name=op.f("pk_roles")),
    )
    op.create_table(
        "command_syncs",
        sa.Column("application_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("synced_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("application_id", name=op.f("pk_command_syncs")),
    )
    op.create_table(
        "sessions",
        sa.Column("id_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("avatar", sa.Text(), nullable=True),
        sa.Column("access_token", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], unique=False)


#: The whole of what each role may do; what is not here, it may not. A tuple names the columns of an INSERT or UPDATE.
#: web reads and asks; bot mirrors and asks; worker executes. Nobody but the owner changes or removes an audit entry.
Rights = dict[str, dict[str, tuple[str, ...]]]
ALL: tuple[str, ...] = ()

_ASKED = (
    *("request_id", "guild_id", "action", "target_id", "moderator_id", "source", "body", "kid", "sig", "fingerprint"),
    *("state", "issued_at", "created_at", "accepted_at", "expires_at", "done_at", "due_at"),
    *("refusal_kind", "refusal_sentence", "refusal_until"),
)
_EXECUTED = (
    *("state", "attempts", "replays", "enqueued_at", "relayed_at", "claimed_at", "checked_at", "notice_at"),
    *("notice_done_at", "effect_at", "effect_done_at", "applied_at", "post_at", "post_done_at", "done_at", "due_at"),
    *("claim_owner", "claim_key", "claim_epoch", "claim_until", "effect_before"),
    *("notice_status", "notice_text", "notice_code", "notice_channel_id", "notice_message_id"),
    *("post_status", "post_code", "post_channel_id", "post_message_id"),
    *("refusal_kind", "refusal_sentence", "refusal_until", "failure_kind", "failure_sentence", "failure_code"),
    "case_no",
)
_TOLD = (
    *("state", "notice_status", "notice_text", "notice_code", "notice_at"),
    *("post_status", "post_code", "post_channel_id", "post_message_id"),
)
_APPENDING: dict[str, dict[str, tuple[str, ...]]] = {
    "guild_events": {"SELECT": ALL, "INSERT": ALL},
    "audit_log": {"SELECT": ALL, "INSERT": ALL},
    "audit_heads": {"SELECT": ALL, "INSERT": ALL, "UPDATE": ("last_number", "seal")},
    "audit_anchors": {"SELECT": ALL},
}
_ASKING: Rights = {
    **_APPENDING,
    "guild_counters": {"SELECT": ALL, "INSERT": ("guild_id", "last_event"), "UPDATE": ("last_event",)},
    "action_requests": {"SELECT": ALL, "INSERT": _ASKED, "UPDATE": ("enqueued_at",)},
    "mod_cases": {"SELECT": ALL},
    "guild_settings": {"SELECT": ALL},
    "capability_grants": {"SELECT": ALL},
    "gateway_shards": {"SELECT": ALL},
}
_READING = {"SELECT": ALL}
_MIRRORING = {"SELECT": ALL, "INSERT": ALL, "UPDATE": ALL, "DELETE": ALL}
_MIRROR = ("guilds", "roles", "channels", "members", "bans")

RIGHTS: dict[str, Rights] = {
    "kovra_web": {
        **_ASKING,
        **dict.fromkeys(_MIRROR, _READING),
        "pending_logins": {"SELECT": ALL, "INSERT": ALL, "DELETE": ALL},
        "sessions": {"SELECT": ALL, "INSERT": ALL, "UPDATE": ("seen_at",), "DELETE": ALL},
    },
    "kovra_bot": {
        **_ASKING,
        **dict.fromkeys(_MIRROR, _MIRRORING),
        "gateway_shards": {"SELECT": ALL, "INSERT": ALL, "UPDATE": ("heard_at",)},
    },
    "kovra_worker": {
        **_APPENDING,
        **dict.fromkeys(_MIRROR, _READING),
        "guild_events": {"SELECT": ALL, "INSERT": ALL, "DELETE": ALL},
        "guild_counters": {"SELECT": ALL, "INSERT": ALL, "UPDATE": ("last_case", "last_event", "case_seal")},
        "action_requests": {"SELECT": ALL, "INSERT": _ASKED, "UPDATE": _EXECUTED},
        "mod_cases": {"SELECT": ALL, "INSERT": ALL, "UPDATE": _TOLD},
        "guild_settings": {"SELECT": ALL},
        "capability_grants": {"SELECT": ALL},
        "gateway_shards": {"SELECT": ALL},
    },
}

GUILD_TABLES = (
    *("guild_counters", "action_requests", "mod_cases", "guild_events", "audit_log", "audit_heads", "audit_anchors"),
    *("guilds", "roles", "channels", "members", "bans", "guild_settings", "capability_grants"),
)


def _grant_rights() -> None:
    for role, rights in RIGHTS.items():
        for table, privileges in rights.items():
            for privilege, columns in privileges.items():
                named = f" ({', '.join(columns)})" if columns else ""
                op.execute(f"GRANT {privilege}{named} ON {table} TO {role}")


def _fence_guilds() -> None:
    """Row-level security: a transaction sees the guild it has entered (``kovra.guild``), the owner's too."""
    op.execute(
        "CREATE FUNCTION kovra_guild() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS "
        "$$ SELECT NULLIF(current_setting('kovra.guild', true), '')::bigint $$"
    )
    for table in GUILD_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY one_guild ON {table} USING (guild_id = kovra_guild()) WITH CHECK (guild_id = kovra_guild())"
        )
    # Relay and liveness look at what is open in every guild; to change a row they enter its guild.
    op.execute(
        "CREATE POLICY relay ON action_requests FOR SELECT TO kovra_worker "
        "USING (state IN ('accepted', 'executing', 'applied'))"
    )
    # A door only asks: it cannot write a request that looks as if it had been executed.
    op.execute(
        "CREATE POLICY doors_ask ON action_requests AS RESTRICTIVE FOR INSERT TO kovra_web, kovra_bot "
        "WITH CHECK (state IN ('accepted', 'rejected'))"
    )
    # What the functions below read in the owner's name.
    for table in ("action_requests", "guild_counters", "guilds", "members"):
        op.execute(f"CREATE POLICY owner_reads ON {table} FOR SELECT TO CURRENT_USER USING (true)")


#: The only questions about more than one guild that web and bot may ask; each answers with numbers alone.
FUNCTIONS = {
    # The guilds somebody is a member of: for the server picker, before a guild has been entered.
    "kovra_guilds_of(who bigint) RETURNS SETOF bigint": (
        "SELECT m.guild_id FROM members m JOIN guilds g ON g.guild_id = m.guild_id "
        "WHERE m.user_id = who AND m.gone_at IS NULL AND g.gone_at IS NULL"
    ),
    # Whether an id was used, in any guild: a request id means one wish everywhere.
    "kovra_request_taken(id uuid) RETURNS boolean": (
        "SELECT EXISTS (SELECT FROM action_requests r WHERE r.request_id = id)"
    ),
    # Whether a hub has something to read, for all the guilds it serves at once.
    "kovra_newest_events(guilds bigint[]) RETURNS TABLE (guild_id bigint, seq bigint)": (
        "SELECT c.guild_id, c.last_event FROM guild_counters c WHERE c.guild_id = ANY (guilds)"
    ),
}


def _make_functions() -> None:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for signature, body in FUNCTIONS.items():
        name = signature.split(" RETURNS ")[0]
        op.execute(
            f"CREATE FUNCTION {signature} LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = {schema}, pg_temp AS $$ {body} $$"
        )
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {', '.join(RIGHTS)}")
