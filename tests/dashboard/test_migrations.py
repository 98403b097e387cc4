"""``flask db …`` reaches the same revisions as the release step."""

from __future__ import annotations

from sqlalchemy import create_engine, inspect

from kovra.store.database import sqlalchemy_url


def test_flask_db_upgrade_makes_the_tables(site, new_database, monkeypatch):
    empty = new_database()
    monkeypatch.setenv("DATABASE_URL", empty)

    ran = site.app.test_cli_runner().invoke(args=["db", "upgrade"])

    engine = create_engine(sqlalchemy_url(empty))
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    assert ran.exit_code == 0, ran.output
    assert {"mod_cases", "action_requests", "audit_log", "sessions"} <= names
