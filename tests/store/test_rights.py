"""What each database role may do, and that a transaction sees one guild: generated from the tables."""

from __future__ import annotations

import itertools
from datetime import datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ProgrammingError

from kovra.store.tables import GUILD_TABLES, Base

ROLES = ("kovra_web", "kovra_worker", "kovra_bot")
TABLES = [table.name for table in Base.metadata.sorted_tables]
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")

#: Written by hand, apart from the migration: what each role may do at all with a table (on any column).
ALLOWED = {
    "kovra_web": {
        "account_links": "SELECT INSERT DELETE",
        "member_names": "SELECT",
        "joins": "SELECT",
        "member_days": "SELECT",
        "bot_status": "SELECT",
        "command_syncs": "SELECT",
        "native_entries": "SELECT",
        "audit_cursors": "SELECT",
        "scheduled_ends": "SELECT",
        "holds": "SELECT",
        "case_thread": "SELECT",
        "jobs": "SELECT INSERT UPDATE",
        "lane_pauses": "SELECT INSERT DELETE",
        "saved_views": "SELECT INSERT UPDATE DELETE",
        "job_chunks": "SELECT INSERT UPDATE",
        "closed_dms": "SELECT",
        "evidence": "SELECT",
        "evidence_files": "SELECT",
        "log_posts": "SELECT",
        "post_edits": "SELECT",
        "guild_counters": "SELECT INSERT UPDATE",
        "action_requests": "SELECT INSERT UPDATE",
        "mod_cases": "SELECT",
        "guild_events": "SELECT INSERT",
        "audit_log": "SELECT INSERT",
        "audit_heads": "SELECT INSERT UPDATE",
        "audit_anchors": "SELECT",
        "guilds": "SELECT",
        "roles": "SELECT",
        "channels": "SELECT",
        "members": "SELECT",
        "bans": "SELECT",
        "gateway_shards": "SELECT",
        "workers": "SELECT",
        "message_tests": "SELECT INSERT UPDATE",
        "guild_settings": "SELECT INSERT UPDATE",
        "capability_grants": "SELECT INSERT DELETE",
        "pending_logins": "SELECT INSERT DELETE",
        "sessions": "SELECT INSERT UPDATE DELETE",
    },
    "kovra_worker": {
        "member_names": "SELECT",
        "joins": "SELECT",
        "member_days": "SELECT",
        "bot_status": "SELECT",
        "native_entries": "SELECT UPDATE DELETE",
        "audit_cursors": "SELECT",
        "scheduled_ends": "SELECT INSERT UPDATE",
        "holds": "SELECT INSERT UPDATE DELETE",
        "case_thread": "SELECT INSERT",
        "jobs": "SELECT INSERT",
        "lane_pauses": "SELECT",
        "job_chunks": "SELECT INSERT UPDATE",
        "closed_dms": "SELECT INSERT UPDATE DELETE",
        "evidence": "SELECT UPDATE DELETE",
        "evidence_files": "SELECT UPDATE",
        "log_events": "SELECT UPDATE DELETE",
        "log_posts": "SELECT INSERT UPDATE DELETE",
        "post_edits": "SELECT INSERT UPDATE DELETE",
        "guild_counters": "SELECT INSERT UPDATE",
        "action_requests": "SELECT INSERT UPDATE",
        "mod_cases": "SELECT INSERT UPDATE",
        "guild_events": "SELECT INSERT DELETE",
        "audit_log": "SELECT INSERT",
        "audit_heads": "SELECT INSERT UPDATE",
        "audit_anchors": "SELECT",
        "guilds": "SELECT",
        "roles": "SELECT",
        "channels": "SELECT",
        "members": "SELECT",
        "bans": "SELECT",
        "gateway_shards": "SELECT",
        "workers": "SELECT INSERT UPDATE DELETE",
        "message_tests": "SELECT UPDATE",
        "guild_settings": "SELECT",
        "capability_grants": "SELECT",
    },
    "kovra_bot": {
        "member_names": "SELECT INSERT",
        "joins": "SELECT INSERT UPDATE",
        "member_days": "SELECT INSERT UPDATE",
        "bot_status": "SELECT INSERT UPDATE",
        "command_syncs": "SELECT",
        "native_entries": "SELECT INSERT",
        "audit_cursors": "SELECT INSERT UPDATE",
        "scheduled_ends": "SELECT UPDATE",
        "holds": "SELECT",
        "case_thread": "SELECT",
        "jobs": "SELECT INSERT",
        "lane_pauses": "SELECT",
        "job_chunks": "SELECT INSERT UPDATE",
        "closed_dms": "SELECT",
        "evidence": "SELECT INSERT",
        "evidence_files": "SELECT INSERT UPDATE",
        "log_events": "SELECT INSERT UPDATE",
        "log_posts": "SELECT",
        "post_edits": "SELECT",
        "guild_counters": "SELECT INSERT UPDATE",
        "action_requests": "SELECT INSERT UPDATE",
        "mod_cases": "SELECT",
        "guild_events": "SELECT INSERT",
        "audit_log": "SELECT INSERT",
        "audit_heads": "SELECT INSERT UPDATE",
        "audit_anchors": "SELECT",
        "guilds": "SELECT INSERT UPDATE DELETE",
        "roles": "SELECT INSERT UPDATE DELETE",
        "channels": "SELECT INSERT UPDATE DELETE",
        "members": "SELECT INSERT UPDATE DELETE",
        "bans": "SELECT INSERT UPDATE DELETE",
        "gateway_shards": "SELECT INSERT UPDATE",
        "guild_settings": "SELECT",
        "capability_grants": "SELECT",
    },
}


@pytest.mark.parametrize(("role", "table"), list(itertools.product(ROLES, TABLES)))
def test_a_role_has_the_rights_it_needs_on_a_table_and_no_other(owner, role, table):
    column_too = {"SELECT", "INSERT", "UPDATE", "REFERENCES"}
    held = set()
    with owner.transaction(None) as session:
        for privilege in PRIVILEGES:
            function = "has_any_column_privilege" if privilege in column_too else "has_table_privilege"
            asked = text(f"SELECT {function}(:role, :table, :privilege)")
            if session.scalars(asked, {"role": role, "table": table, "privilege": privilege}).one():
                held.add(privilege)

    assert held == set(ALLOWED[role].get(table, "").split())


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("kovra_web", "UPDATE action_requests SET state = 'done'"),
        ("kovra_web", "UPDATE action_requests SET body = ''"),
        ("kovra_web", "UPDATE guild_counters SET last_case = 0"),
        ("kovra_web", "INSERT INTO guild_counters (guild_id, last_case) VALUES (1, 5)"),
        ("kovra_web", "INSERT INTO mod_cases (guild_id, case_no) VALUES (1, 1)"),
        ("kovra_web", "UPDATE sessions SET user_id = 5"),
        ("kovra_web", "INSERT INTO action_requests (request_id, case_no) VALUES (gen_random_uuid(), 1)"),
        ("kovra_bot", "UPDATE mod_cases SET reason = ''"),
        ("kovra_bot", "DELETE FROM mod_cases"),
        ("kovra_bot", "SELECT * FROM sessions"),
        ("kovra_bot", "SELECT * FROM pending_logins"),
        ("kovra_worker", "UPDATE action_requests SET body = ''"),
        ("kovra_worker", "UPDATE action_requests SET moderator_id = 5"),
        ("kovra_worker", "UPDATE mod_cases SET action = ''"),
        ("kovra_worker", "UPDATE case_thread SET text = ''"),
        ("kovra_worker", "DELETE FROM case_thread"),
        ("kovra_web", "INSERT INTO case_thread (guild_id, number) VALUES (1, 1)"),
        ("kovra_worker", "UPDATE mod_cases SET seal = ''"),
        ("kovra_worker", "DELETE FROM mod_cases"),
        ("kovra_worker", "DELETE FROM action_requests"),
        ("kovra_worker", "UPDATE scheduled_ends SET began_at = now()"),
        ("kovra_worker", "UPDATE workers SET started_at = now()"),
        ("kovra_worker", "SELECT * FROM sessions"),
        ("kovra_worker", "SELECT content FROM evidence_files"),
        ("kovra_worker", "UPDATE evidence_files SET sha256 = ''"),
        ("kovra_worker", "DELETE FROM evidence_files"),
        ("kovra_bot", "UPDATE scheduled_ends SET due_at = now()"),
        ("kovra_worker", "UPDATE members SET role_ids = '{}'"),
        *((role, "UPDATE audit_log SET facts = '{}'") for role in ROLES),
        *((role, "DELETE FROM audit_log") for role in ROLES),
        *((role, "INSERT INTO audit_anchors (guild_id, number) VALUES (1, 1)") for role in ROLES),
        *((role, "UPDATE guild_settings SET budgets = '{}'") for role in ("kovra_worker", "kovra_bot")),
        *((role, "CREATE TABLE mine (id int)") for role in ROLES),
        *((role, "ALTER TABLE members DISABLE ROW LEVEL SECURITY") for role in ROLES),
        *((role, "TRUNCATE guild_events") for role in ROLES),
    ],
)
def test_what_a_role_must_not_do_is_refused(connect, say, role, statement):
    with pytest.raises(ProgrammingError, match="permission denied|must be owner"):
        with connect(role).transaction(say.HARBOUR) as session:
            session.execute(text(statement))


@pytest.mark.parametrize("role", ["kovra_web", "kovra_bot"])
def test_a_door_cannot_write_a_request_that_looks_executed(connect, say, role):
    row = text(
        "INSERT INTO action_requests (request_id, guild_id, action, target_id, moderator_id, source, body, kid, sig,"
        " fingerprint, state, issued_at, created_at, expires_at) VALUES (gen_random_uuid(), :g, 'ban', 1, 1,"
        " 'dashboard', '', '', '', '', 'applied', now(), now(), now())"
    )

    with pytest.raises(ProgrammingError, match="row-level security"):
        with connect(role).transaction(say.HARBOUR) as session:
            session.execute(row, {"g": say.HARBOUR})


#: A value of each type, to fill every guild table with a row of both guilds.
SAMPLES = {
    "BIGINT": 1,
    "INTEGER": 1,
    "SMALLINT": 1,
    "UUID": None,
    "BYTEA": b"x",
    "JSONB": "{}",
    "BOOLEAN": False,
    "TIMESTAMP WITH TIME ZONE": datetime.fromisoformat("2026-11-20T12:00:00Z"),
    "DATE": datetime.fromisoformat("2026-11-20T12:00:00Z").date(),
    "BIGINT[]": [],
    "TEXT": "accepted",
}


@pytest.fixture
def both_guilds_everywhere(owner, say):
    """One row of the harbour and one of the meadow in every guild table."""
    evidence = {say.HARBOUR: uuid4(), say.MEADOW: uuid4()}
    for guild_id, table in itertools.product((say.HARBOUR, say.MEADOW), GUILD_TABLES):
        values = {}
        for column in table.columns:
            kind = column.type.compile(postgresql.dialect())
            values[column.name] = uuid4() if kind == "UUID" else SAMPLES[kind]
        values["guild_id"] = guild_id
        if table.name == "jobs":
            values["state"] = "running"
        if table.name == "scheduled_ends":
            values |= {"state": "ended", "punishment": "ban"}
        if table.name == "holds":
            values |= {"kind": "lock"}
        if table.name == "member_names":
            values |= {"kind": "nick"}
        if table.name.startswith("evidence"):
            values |= {"request_id": evidence[guild_id]}
        if table.name == "account_links":
            values |= {"other_id": 2}
        if table.name == "evidence_files":
            values |= {"status": "kept", "kind": "attached"}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with owner.transaction(guild_id) as session:
            session.execute(text(f"INSERT INTO {table.name} ({names}) VALUES ({marks})"), values)


GUILD_TABLE_NAMES = [table.name for table in GUILD_TABLES]


def seen(database, guild_id, table):
    with database.transaction(guild_id) as session:
        return set(session.scalars(text(f"SELECT guild_id FROM {table}")))


def readable(role):
    """The tables of guilds that a role may read at all."""
    return {table for table in GUILD_TABLE_NAMES if "SELECT" in ALLOWED[role].get(table, "")}


@pytest.mark.parametrize("role", ["kovra_web", "kovra_bot"])
def test_inside_one_guild_nothing_of_another_is_seen(connect, both_guilds_everywhere, say, role):
    database = connect(role)

    for table in readable(role):
        assert seen(database, say.HARBOUR, table) == {say.HARBOUR}, table
        assert seen(database, say.MEADOW, table) == {say.MEADOW}, table
        assert seen(database, None, table) == set(), table


def test_the_worker_sees_of_other_guilds_only_what_is_open_in_the_queue(connect, both_guilds_everywhere, owner, say):
    database = connect("kovra_worker")
    open_everywhere = seen(database, None, "action_requests")
    with owner.transaction(say.MEADOW) as session:
        session.execute(text("UPDATE action_requests SET state = 'done'"))

    assert open_everywhere == {say.HARBOUR, say.MEADOW}
    assert seen(database, None, "action_requests") == {say.HARBOUR}
    for table in readable("kovra_worker") - {"action_requests"}:
        assert seen(database, say.HARBOUR, table) == {say.HARBOUR}, table
        assert seen(database, None, table) == set(), table


def test_the_worker_sees_open_ends_of_every_guild(connect, both_guilds_everywhere, owner, say):
    with owner.transaction(say.MEADOW) as session:
        session.execute(text("UPDATE scheduled_ends SET state = 'open'"))

    assert seen(connect("kovra_worker"), None, "scheduled_ends") == {say.MEADOW}


def test_the_worker_changes_only_what_belongs_to_the_guild_it_has_entered(connect, both_guilds_everywhere, row_of, say):
    with connect("kovra_worker").transaction(say.HARBOUR) as session:
        changed = session.execute(text("UPDATE action_requests SET state = 'executing' RETURNING guild_id")).all()

    assert changed == [(say.HARBOUR,)]


def test_the_owner_too_changes_only_what_belongs_to_the_guild_it_has_entered(owner, both_guilds_everywhere, say):
    with owner.transaction(say.HARBOUR) as session:
        changed = session.execute(text("UPDATE members SET nick = 'x' RETURNING guild_id")).all()

    assert changed == [(say.HARBOUR,)]


@pytest.mark.parametrize("role", ROLES)
def test_a_row_of_another_guild_cannot_be_written(connect, say, role):
    with pytest.raises(ProgrammingError, match="row-level security"):
        with connect(role).transaction(say.HARBOUR) as session:
            session.execute(
                text("INSERT INTO guild_events (guild_id, seq, kind, facts, at) VALUES (:g, 1, 'x', '{}', now())"),
                {"g": say.MEADOW},
            )


#: Who may change a request's state from a door, and how.
CHANGES = {
    "kovra_cancel_waiting(uuid[], bigint, timestamptz)": {"kovra_web", "kovra_worker"},
    "kovra_retry_dead(uuid, timestamptz)": {"kovra_web"},
    "kovra_discard_dead(uuid, bigint, timestamptz)": {"kovra_web"},
}


@pytest.mark.parametrize("function", CHANGES)
def test_only_these_roles_may_change_a_request_this_way(owner, function):
    may = text("SELECT has_function_privilege(:role, :function, 'EXECUTE')")
    with owner.transaction(None) as session:
        held = {role for role in ROLES if session.scalars(may, {"role": role, "function": function}).one()}

    assert held == CHANGES[function]


def test_every_guild_table_is_fenced_also_for_its_owner(owner):
    fenced = text(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relrowsecurity AND relforcerowsecurity"
        " AND relnamespace = current_schema()::regnamespace"
    )
    with owner.transaction(None) as session:
        assert set(session.scalars(fenced)) == set(GUILD_TABLE_NAMES)


def test_a_guild_does_not_stay_entered_on_a_pooled_connection(connect, both_guilds_everywhere, say):
    database = connect("kovra_web", pool_size=1, max_overflow=0)
    seen(database, say.HARBOUR, "members")

    assert seen(database, None, "members") == set()


def test_nobody_else_may_call_the_functions_that_look_across_guilds(owner):
    public = text(
        "SELECT proname FROM pg_proc WHERE proname LIKE 'kovra_%' AND prosecdef"
        " AND has_function_privilege('public', oid, 'EXECUTE')"
    )
    all_of_them = text("SELECT count(*) FROM pg_proc WHERE proname LIKE 'kovra_%' AND prosecdef")
    with owner.transaction(None) as session:
        assert session.scalars(public).all() == []
        assert session.scalars(all_of_them).one() == 19
