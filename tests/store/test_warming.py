"""A process that has warmed up."""

from __future__ import annotations

from sqlalchemy import event, text

from kovra.store.database import Database
from kovra.store.roster import Roster
from kovra.store.warming import warm

COUNTED = ("action_requests", "guild_counters", "guild_events", "mod_cases", "audit_log", "audit_heads")


def test_warming_up_opens_connections_and_writes_nothing(connect, owner, requests, guard, url, empty):
    fresh = connect("kovra_web", pool_size=3)

    warm(fresh, 3, Roster(fresh).warm)
    warm(fresh, 1, requests.warm)
    warm(fresh, 1, guard.ledger.warm)

    assert fresh.engine.pool.checkedin() == 3
    with owner.transaction(None) as session:
        session.execute(text("SET LOCAL kovra.guild = '0'"))
        assert [session.scalars(text(f"SELECT count(*) FROM {table}")).one() for table in COUNTED] == [0] * 6


def test_the_first_rights_after_warming_up_open_no_connection(connect, say, roster):
    fresh = connect("kovra_web", pool_size=2)
    warm(fresh, 2, Roster(fresh).warm)
    opened = []
    event.listen(fresh.engine, "connect", lambda *line: opened.append(line))

    Roster(fresh).standing(say.HARBOUR, say.ODALYS, say.QUILLON)

    assert opened == []


def test_a_database_that_is_away_is_not_waited_for():
    warm(Database("postgresql:///nowhere?host=/nonexistent", role=None), 2, lambda: None)
