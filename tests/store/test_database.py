"""Transactions that begin with their first statement, and statements that are a transaction."""

from __future__ import annotations

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from kovra.ids import new_request_id
from kovra.store.database import end_with
from kovra.store.events import EventKind, append_event
from kovra.store.tables import GuildEvents

SCOPE = text("SELECT current_setting('kovra.guild', true)")
COUNT = select(func.count()).select_from(GuildEvents)


def tell(session, guild_id):
    return append_event(session, guild_id, EventKind.ACTION_QUEUED, new_request_id(), {})


def count(database, guild_id):
    return database.once(guild_id, COUNT)[0][0]


def test_a_transaction_is_in_its_guild_from_the_first_statement_to_the_last(web, say):
    with web.transaction(say.HARBOUR) as session:
        first, second = (session.scalars(SCOPE).one() for _ in range(2))

    assert first == second == str(say.HARBOUR)


def test_no_guild_is_left_behind_for_the_next_transaction(connect, say):
    web = connect("kovra_web", pool_size=1, max_overflow=0)
    with web.transaction(say.HARBOUR):
        pass
    web.once(say.HARBOUR, SCOPE)

    with web.transaction(None) as session:
        assert not session.scalars(SCOPE).one()
    assert not web.once(None, SCOPE)[0][0]


def test_the_connection_that_rested_least_is_used_next(connect, say):
    web, backend = connect("kovra_web", pool_size=2, max_overflow=0), text("SELECT pg_backend_pid()")
    with web.transaction(say.HARBOUR) as outer:
        outer.scalars(backend).one()
        with web.transaction(say.HARBOUR) as inner:
            inner.scalars(backend).one()
        last = outer.scalars(backend).one()

    assert [web.once(say.HARBOUR, backend)[0][0] for _ in range(3)] == [last] * 3


def test_what_fails_half_way_leaves_nothing(web, say):
    def fail():
        with web.transaction(say.HARBOUR) as session:
            tell(session, say.HARBOUR)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert count(web, say.HARBOUR) == 0


def test_a_first_statement_that_fails_leaves_a_connection_that_can_be_used(connect, say):
    web = connect("kovra_web", pool_size=1, max_overflow=0)
    with pytest.raises(ProgrammingError), web.transaction(say.HARBOUR) as session:
        session.execute(text("SELECT nonsense"))

    with web.transaction(say.HARBOUR) as session:
        assert tell(session, say.HARBOUR) == 1


def test_a_single_statement_is_committed_when_it_has_answered(connect, say):
    web = connect("kovra_web", pool_size=1, max_overflow=0)
    web.once(say.HARBOUR, text("INSERT INTO guild_counters (guild_id) VALUES (:g)"), {"g": say.HARBOUR})

    with connect("kovra_web").transaction(say.HARBOUR) as session:
        assert session.scalars(text("SELECT count(*) FROM guild_counters")).one() == 1


def test_a_single_statement_is_committed_after_another_isolation_too(connect, say):
    web = connect("kovra_web", pool_size=1, max_overflow=0)
    with web.engine.execution_options(isolation_level="REPEATABLE READ").connect() as line:
        line.execute(text("SELECT 1"))

    web.once(say.HARBOUR, text("INSERT INTO guild_counters (guild_id) VALUES (:g)"), {"g": say.HARBOUR})

    assert connect("kovra_web").once(say.HARBOUR, text("SELECT count(*) FROM guild_counters"))[0][0] == 1


def test_rows_of_another_guild_are_out_of_reach_of_a_single_statement(web, say):
    with web.transaction(say.HARBOUR) as session:
        tell(session, say.HARBOUR)

    assert (count(web, say.HARBOUR), count(web, say.MEADOW)) == (1, 0)


@pytest.mark.parametrize("wait", [True, False])
def test_only_what_may_be_lost_does_not_wait_for_the_disk(web, say, wait):
    shown = text("SHOW synchronous_commit")
    with web.transaction(say.HARBOUR, wait_for_disk=wait) as session:
        assert session.scalars(shown).one() == ("on" if wait else "off")
    assert web.once(say.HARBOUR, shown, wait_for_disk=wait)[0][0] == ("on" if wait else "off")
    assert web.once(say.HARBOUR, shown)[0][0] == "on"


def test_rows_can_be_read_in_portions(web, say):
    with web.transaction(say.HARBOUR) as session:
        for _ in range(5):
            tell(session, say.HARBOUR)

    with web.transaction(say.HARBOUR) as session:
        portions = session.scalars(select(GuildEvents.seq).execution_options(yield_per=2))
        assert sorted(portions) == [1, 2, 3, 4, 5]


def test_saying_the_guild_is_no_statement_of_its_own(web, say):
    sent = []
    event.listen(web.engine, "before_cursor_execute", lambda *said: sent.append(said[2]))

    with web.transaction(say.HARBOUR) as session:
        session.execute(COUNT)
    web.once(say.HARBOUR, COUNT)

    assert len(sent) == 2


def test_a_commit_travels_with_the_last_statement(connect, say):
    web = connect("kovra_web", pool_size=1, max_overflow=0)
    made = text("INSERT INTO guild_counters (guild_id) VALUES (:g)")

    with web.transaction(say.HARBOUR) as session:
        end_with(session, made, {"g": say.HARBOUR})
        seen_by_others = connect("kovra_web").once(say.HARBOUR, text("SELECT count(*) FROM guild_counters"))

    assert seen_by_others[0][0] == 1


def test_a_last_statement_that_fails_commits_nothing(connect, say):
    web = connect("kovra_web", pool_size=1, max_overflow=0)

    def fail():
        with web.transaction(say.HARBOUR) as session:
            tell(session, say.HARBOUR)
            end_with(session, text("INSERT INTO guild_counters (guild_id) VALUES (:g)"), {"g": say.HARBOUR})

    with pytest.raises(IntegrityError):
        fail()

    assert count(web, say.HARBOUR) == 0
    with web.transaction(say.HARBOUR) as session:
        assert tell(session, say.HARBOUR) == 1


def test_a_server_that_fell_silent_is_noticed_within_seconds(owner):
    with owner.transaction(None) as session:
        said = session.connection().connection.dbapi_connection.get_dsn_parameters()

    assert int(said["tcp_user_timeout"]) <= 20_000
    assert int(said["keepalives_idle"]) + 2 * int(said["keepalives_interval"]) <= 20
