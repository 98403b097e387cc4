"""Every guard of the protocol is needed: without it, its trap catches something; with it, nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.chaos.ablation import is_caught
from benchmarks.chaos.bare import Bare
from benchmarks.chaos.guards import GUARDS, Guard
from kovra.launcher.postgres import SUPERUSER
from kovra.store.database import sqlalchemy_url
from kovra.store.migrate import upgrade


@pytest.fixture(scope="module")
def bare(new_database, postgres_server) -> Iterator[Bare]:
    url = new_database()
    upgrade(url)
    made = Bare(url, postgres_server.url_of(str(sqlalchemy_url(url).database), SUPERUSER))
    yield made
    made.close()


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_whoever_takes_a_guard_away_is_caught(bare, guard):
    assert is_caught(bare, guard)


def test_every_guard_has_a_name_of_its_own():
    assert len({guard.name for guard in GUARDS}) == len(GUARDS) >= 12


def test_a_guard_without_which_nothing_happens_is_not_counted(bare):
    assert not is_caught(bare, Guard("idle", lambda bare, stands: iter(())))


def test_a_trap_that_catches_something_although_its_guard_stands_is_not_counted(bare):
    assert not is_caught(bare, Guard("always", lambda bare, stands: iter(["broken"])))
