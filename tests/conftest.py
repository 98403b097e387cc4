"""What every test may use: a PostgreSQL and a Valkey of its own, and no network beyond this machine."""

from __future__ import annotations

import ipaddress
import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis
from psycopg2 import sql
from redis.backoff import NoBackoff
from redis.retry import Retry

from kovra.launcher import needs
from kovra.launcher.postgres import OWNER, EmbeddedPostgres
from kovra.launcher.valkey import EmbeddedValkey

# A person's own settings must not reach a test: libpq reads PGHOST and the like, and DATABASE_URL may be production.
_THEIRS = ("PG", "DATABASE_URL", "REDIS_URL", "KOVRA_", "DISCORD_")
_FOR_TESTS = ("KOVRA_REQUIRE", "KOVRA_CHROMIUM", "DISCORD_OPENAPI")
for _name in [name for name in os.environ if name.startswith(_THEIRS) and name not in _FOR_TESTS]:
    del os.environ[_name]

#: The warm Kovra that path and browser tests share, and what several files of one room's tests share.
pytest_plugins = ["tests.trips", "tests.store.jobs"]

_really_connect = socket.socket.connect
_really_connect_ex = socket.socket.connect_ex


def _on_this_machine(line: socket.socket, address: Any) -> bool:
    if line.family not in (socket.AF_INET, socket.AF_INET6):
        return True
    host = address[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _connect_here(line: socket.socket, address: Any) -> None:
    if not _on_this_machine(line, address):
        pytest.fail(f"a test tried to leave this machine: {address}")
    return _really_connect(line, address)


def _connect_ex_here(line: socket.socket, address: Any) -> int:
    if not _on_this_machine(line, address):
        pytest.fail(f"a test tried to leave this machine: {address}")
    return _really_connect_ex(line, address)


# For the whole run: a test that asks the real Discord by mistake must fail, not be slow.
socket.socket.connect = _connect_here  # type: ignore[method-assign]
socket.socket.connect_ex = _connect_ex_here  # type: ignore[method-assign]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos", action="store_true", help="break a whole Kovra too: some five minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, before a fixture starts anything for it."""
    if config.getoption("--chaos") or needs.all_required():
        return
    for item in items:
        if item.get_closest_marker("chaos"):
            item.add_marker(pytest.mark.skip(reason="breaks a whole Kovra for minutes: --chaos runs it"))


@pytest.fixture
def require() -> Callable[[str], None]:
    """``require("browser")`` skips the test where there is none, or fails it under ``KOVRA_REQUIRE=all``."""
    return _require


def _require(name: str) -> None:
    missing = needs.NEEDS[name].lacking()
    if missing is None:
        return
    if needs.all_required():
        pytest.fail(f"{name}: {missing}", pytrace=False)
    pytest.skip(f"{name}: {missing}")


@pytest.fixture(autouse=True)
def _marked_needs(request: pytest.FixtureRequest) -> None:
    """A test marked ``browser`` needs one."""
    if request.node.get_closest_marker("browser"):
        _require("browser")


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A short-lived folder for the servers of this run."""
    folder = Path(tempfile.mkdtemp(prefix="kovra-test-"))
    # PostgreSQL runs as nobody when we are root, and must be able to walk through.
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path) -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL for the whole run; tests that kill it start one of their own."""
    with EmbeddedPostgres(servers_folder / "postgres", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: EmbeddedPostgres) -> str:
    """The owner's address of the empty database ``kovra``."""
    return postgres_server.url


@pytest.fixture(scope="session")
def new_database(postgres_server: EmbeddedPostgres) -> Iterator[Callable[..., str]]:
    """``new_database()`` makes an empty database and gives its owner's address.

    ``new_database(template=url)`` copies a database that was made so before; nobody may be connected to that one.
    """
    numbers = itertools.count(1)
    made: list[str] = []

    def make(template: str | None = None) -> str:
        name = f"kovra_{next(numbers)}"
        source = psycopg2.extensions.parse_dsn(template)["dbname"] if template else "template1"
        _as_superuser(
            postgres_server,
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(*map(sql.Identifier, (name, OWNER, source))),
        )
        made.append(name)
        return postgres_server.url_of(name)

    yield make
    for name in made:
        if postgres_server.pid is not None:
            _as_superuser(postgres_server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _as_superuser(server: EmbeddedPostgres, statement: sql.Composed) -> None:
    line = psycopg2.connect(server.admin_url)
    try:
        line.autocommit = True  # databases are not made inside a transaction
        with line.cursor() as cursor:
            cursor.execute(statement)
    finally:
        line.close()


@pytest.fixture(scope="session")
def valkey_server(servers_folder: Path) -> Iterator[EmbeddedValkey]:
    """One Valkey for the whole run; tests that kill it start one of their own."""
    with EmbeddedValkey(servers_folder / "valkey", durable=False) as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: EmbeddedValkey) -> str:
    """The address of an empty Valkey."""
    with redis.Redis.from_url(valkey_server.url, socket_timeout=10, retry=Retry(NoBackoff(), 0)) as client:
        client.flushall()
    return valkey_server.url
