"""What the tests of Guard on Discord use: a sandbox of their own, Guard's hands, and a migrated database."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kovra.bot.pointing import point_pycord_at
from kovra.bot.rest import GuardRest
from kovra.sandbox import DEFAULT_TOKEN, Hosted, Sandbox, hosted, lanternfall
from kovra.store.database import Database
from kovra.store.migrate import upgrade


@pytest.fixture
def sandbox() -> Iterator[Hosted]:
    """A small Discord with some forty people, checked against Discord's own description where there is one."""
    described = os.environ.get("DISCORD_OPENAPI")

    def make() -> Sandbox:
        world = lanternfall(time.time, members=40)
        return Sandbox(world, description=Path(described) if described else None)

    with hosted(make) as town:
        point_pycord_at(town.base_url, f"{town.base_url}/cdn")
        yield town
        found = town.call(lambda s: s.conformance.findings() if s.conformance else [])
        assert found == []


@pytest.fixture
def asked(sandbox: Hosted) -> Callable[[str], list[tuple[str, str, int]]]:
    """``asked("/bans")`` gives the requests whose path holds this: method, path, status (0: no answer)."""

    def read(part: str = "") -> list[tuple[str, str, int]]:
        log = sandbox.call(lambda s: [(r.method, r.path, r.status) for r in s.requests])
        return [line for line in log if part in line[1]]

    return read


@pytest.fixture
def make_rest(sandbox: Hosted) -> Iterator[Callable[..., GuardRest]]:
    """Guard's hands, with options of their own."""
    made: list[GuardRest] = []

    def make(**options: Any) -> GuardRest:
        made.append(GuardRest(DEFAULT_TOKEN, sandbox.base_url, **options))
        made[-1].start()
        return made[-1]

    yield make
    for rest in made:
        rest.close()


@pytest.fixture
def rest(make_rest: Callable[..., GuardRest]) -> GuardRest:
    """Guard's hands."""
    return make_rest()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """``eventually(condition)`` waits until it holds, at most 30 s."""

    def wait(condition: Callable[[], Any], what: str = "") -> None:
        give_up_at = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < give_up_at, f"never came: {what or condition}"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def migrated(new_database: Callable[..., str]) -> str:
    """The address of an empty database with Kovra's tables, to copy from."""
    url = new_database()
    upgrade(url)
    return url


@pytest.fixture
def database(migrated: str, new_database: Callable[..., str]) -> Iterator[Database]:
    """A database as the bot uses it."""
    bound = Database(new_database(template=migrated), role="kovra_bot")
    yield bound
    bound.dispose()
