"""Bringing a database to the newest revision, and the connection each process gets."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from kovra.errors import Unavailable
from kovra.store.database import Database, PostgresClock, sqlalchemy_url
from kovra.store.migrate import MIGRATIONS, is_current, owner_engine, upgrade
from kovra.store.roles import MigrationRefused
from kovra.store.tables import Base

UPGRADE = "import os; from kovra.store.migrate import upgrade; upgrade(os.environ['DATABASE_URL'])"
FLASK_DB_UPGRADE = """
from alembic import command
from alembic.config import Config
config = Config("migrations/alembic.ini")
config.set_main_option("script_location", "migrations")
command.upgrade(config, "head")
"""


def run_python(program, url):
    environment = {"DATABASE_URL": url, "PYTHONPATH": str(MIGRATIONS.parent)}
    return subprocess.Popen([sys.executable, "-c", program], env=environment, cwd=MIGRATIONS.parent)


def test_the_tables_are_what_the_migrations_make(migrated_url):
    engine = owner_engine(migrated_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_twice_changes_nothing(migrated_url):
    upgrade(migrated_url)

    assert is_current(migrated_url)


def test_an_empty_database_is_not_current(new_database):
    assert not is_current(new_database())


def test_two_releases_at_once_take_turns(new_database):
    url = new_database()

    releases = [run_python(UPGRADE, url) for _ in range(3)]

    assert [release.wait(60) for release in releases] == [0, 0, 0]
    assert is_current(url)


def test_flask_db_upgrade_migrates_the_database_of_the_environment(new_database):
    """Flask-Migrate runs the same env.py without handing it a connection."""
    url = new_database()

    ended = run_python(FLASK_DB_UPGRADE, url).wait(60)

    assert ended == 0
    assert is_current(url)


@pytest.fixture
def login(postgres_server):
    """``login(name, options)`` makes a login and gives its address; it is dropped after the test."""
    admin = create_engine(sqlalchemy_url(postgres_server.admin_url), isolation_level="AUTOCOMMIT")
    made = []

    def make(name, options=""):
        with admin.connect() as connection:
            connection.execute(text(f"CREATE ROLE {name} LOGIN {options}"))
            connection.execute(text(f"CREATE DATABASE {name} OWNER {name}"))
        made.append(name)
        return postgres_server.url_of(name, name)

    yield make
    with admin.connect() as connection:
        for name in made:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            connection.execute(text(f"DROP OWNED BY {name}"))
            connection.execute(text(f"DROP ROLE {name}"))
    admin.dispose()


def test_a_login_that_may_not_take_on_the_roles_is_told_what_to_run(migrated_url, login):
    url = login("plain_login")

    with pytest.raises(MigrationRefused) as refused:
        upgrade(url)

    sentence = str(refused.value)
    assert "The login 'plain_login' of DATABASE_URL may not act as kovra_web." in sentence
    assert 'GRANT kovra_web, kovra_worker, kovra_bot TO "plain_login";' in sentence
    assert not is_current(url)


def test_what_it_is_told_to_run_helps(migrated_url, login, postgres_server):
    url = login("helped_login")
    admin = create_engine(sqlalchemy_url(postgres_server.admin_url), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text('GRANT kovra_web, kovra_worker, kovra_bot TO "helped_login"'))
    admin.dispose()

    upgrade(url)

    assert is_current(url)


def test_a_superuser_may_migrate_too(login):
    url = login("super_login", "SUPERUSER")

    upgrade(url)

    assert is_current(url)


@pytest.mark.parametrize("role", ["kovra_web", "kovra_worker", "kovra_bot"])
def test_a_process_works_with_the_rights_of_its_role(migrated_url, role):
    database = Database(migrated_url, role=role)
    with database.transaction(None) as session:
        assert session.scalars(text("SELECT current_user")).one() == role
    database.dispose()


def test_a_login_that_is_the_role_already_needs_no_other(migrated_url, postgres_server):
    name = sqlalchemy_url(migrated_url).database
    database = Database(postgres_server.url_of(name, "kovra_web"), role="kovra_web")
    with database.transaction(None) as session:
        assert session.execute(text("SELECT current_user, session_user")).one() == ("kovra_web", "kovra_web")
    database.dispose()


def test_read_committed_is_pinned_whatever_the_server_says(migrated_url):
    database = Database(migrated_url + "&options=-c%20default_transaction_isolation%3Dserializable", role="kovra_web")
    isolation = text("SHOW transaction_isolation")
    with database.transaction(None) as session:
        assert session.scalars(isolation).one() == "read committed"
    assert database.once(None, isolation)[0][0] == "read committed"
    database.dispose()


def test_a_statement_that_takes_too_long_is_broken_off_as_unavailable(migrated_url):
    database = Database(migrated_url, role="kovra_web")
    slow = text("SELECT set_config('statement_timeout', '50', true), pg_sleep(0)"), text("SELECT pg_sleep(30)")

    def run():
        with database.transaction(None) as session:
            for statement in slow:
                session.execute(statement)

    with pytest.raises(Unavailable):
        run()
    database.dispose()


def test_a_pool_that_is_used_up_is_unavailable(migrated_url, monkeypatch):
    monkeypatch.setattr("kovra.store.database.POOL_TIMEOUT_S", 0.05)
    database = Database(migrated_url, role="kovra_web", pool_size=1, max_overflow=0)
    with database.transaction(None) as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(Unavailable), database.transaction(None) as second:
            second.execute(text("SELECT 1"))
    database.dispose()


def test_a_connection_that_was_cut_is_unavailable_and_the_next_one_works(migrated_url, owner):
    database = Database(migrated_url, role="kovra_web")

    def be_cut_off():
        with database.transaction(None) as session:
            pid = session.scalars(text("SELECT pg_backend_pid()")).one()
            with owner.transaction(None) as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            session.execute(text("SELECT 1"))

    with pytest.raises(Unavailable):
        be_cut_off()
    with database.transaction(None) as session:
        assert session.scalars(text("SELECT 1")).one() == 1
    database.dispose()


def test_the_clock_is_postgresqls_unless_another_is_given(web, connect, clock):
    real = PostgresClock(connect("kovra_web")).now()

    assert PostgresClock(web).now() == clock.now()
    assert real.utcoffset().total_seconds() == 0
    assert real != clock.now()


def test_building_a_database_opens_nothing():
    Database("postgres://nobody@nowhere.invalid/none", role="kovra_web").dispose()
