"""Statements that a connection knows by name."""

from __future__ import annotations

import pytest
from sqlalchemy import BigInteger, bindparam, event, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from kovra.store.database import end_with, run
from kovra.store.prepared import Prepared
from kovra.store.tables import GuildCounters

MINE = bindparam("mine", type_=BigInteger)
COUNT = Prepared(select(func.count()).select_from(GuildCounters))
MAKE = Prepared(insert(GuildCounters).values(guild_id=MINE))
KNOWN = text("SELECT count(*) FROM pg_prepared_statements WHERE name = :name")


@pytest.fixture
def web(connect, clock):
    """One connection, so that a test knows what it has seen."""
    return connect("kovra_web", pool_size=1, max_overflow=0, clock=clock)


def count(database, guild_id):
    return database.once(guild_id, COUNT)[0][0]


def test_a_connection_prepares_once(web, say):
    sent = []
    event.listen(web.engine, "before_cursor_execute", lambda *said: sent.append(said[2].split()[0]))

    counted = [count(web, say.HARBOUR) for _ in range(3)]

    assert counted == [0, 0, 0]
    assert sent == ["PREPARE", "EXECUTE", "EXECUTE", "EXECUTE"]


def test_a_plan_made_in_one_guild_shows_nothing_of_it_to_another(web, say):
    web.once(say.HARBOUR, MAKE, {"mine": say.HARBOUR})
    assert count(web, say.HARBOUR) == 1

    assert count(web, say.MEADOW) == 0
    assert count(web, None) == 0


def test_what_was_prepared_in_a_transaction_that_failed_stays(web, say):
    def fail():
        with web.transaction(say.HARBOUR) as session:
            run(session.connection(), MAKE, {"mine": say.HARBOUR})
            run(session.connection(), MAKE, {"mine": say.HARBOUR})

    with pytest.raises(IntegrityError):
        fail()

    assert web.once(None, KNOWN, {"name": MAKE.name})[0][0] == 1
    assert count(web, say.HARBOUR) == 0
    web.once(say.HARBOUR, MAKE, {"mine": say.HARBOUR})
    assert count(web, say.HARBOUR) == 1


def test_a_commit_travels_with_a_statement_that_is_prepared_on_the_way(web, connect, say):
    with web.transaction(say.HARBOUR) as session:
        end_with(session, MAKE, {"mine": say.HARBOUR})
        seen_by_others = count(connect("kovra_web"), say.HARBOUR)

    assert seen_by_others == 1


def test_a_new_connection_prepares_anew(web, say):
    count(web, say.HARBOUR)
    web.dispose()

    assert count(web, say.HARBOUR) == 0


def test_the_clock_is_read_when_the_statement_runs(web, clock):
    now = Prepared(select(web.now().label("now")))
    first = web.once(None, now)[0].now

    clock.forward(hours=1)

    assert (web.once(None, now)[0].now - first).total_seconds() == 3600


def test_a_value_that_is_missing_is_no_null(web, say):
    with pytest.raises(KeyError):
        web.once(say.HARBOUR, MAKE, {})


def test_a_list_of_any_length_is_refused():
    with pytest.raises(ValueError, match="list"):
        Prepared(select(GuildCounters.last_case).where(GuildCounters.guild_id.in_([1, 2])))


def test_a_remainder_is_no_place_for_a_value(web):
    assert web.once(None, Prepared(select(MINE % 7)), {"mine": 23})[0][0] == 2
