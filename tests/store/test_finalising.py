"""Several who finish in one guild at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kovra.actions.request import Action
from kovra.errors import ClaimLost, Unavailable
from kovra.ids import UserId
from kovra.store.casebook import Casebook, numbers_turn
from kovra.store.events import Events

PATIENCE_S = 10
CASES = "SELECT case_no, target_id, xmin::text AS transaction FROM mod_cases ORDER BY case_no"


@pytest.fixture
def claims(accept, guard, say):
    """Five bans that are done, each on somebody else, with a duration of their own."""
    entries = [accept(target_id=UserId(1_000 + number), params={"duration_s": 60})[0] for number in range(5)]
    return [guard.take(entry) for entry in entries]


@pytest.fixture
def together(guard, owner, say, clock):
    """Finalise the first of these claims alone, and the others in the transaction after it; gives the futures."""

    def finish(claims, standings=()):
        standings = dict(standings)
        here, group = say.HARBOUR, guard.ledger._finalising._together

        def finalise(claim):
            standing = standings.get(claim.request_id) or guard.standing(claim.request)
            return guard.ledger.finalise(claim, standing=standing, ends_at=clock.now())

        with ThreadPoolExecutor(8) as pool:
            # The first waits in line for this transaction, and the others for the first.
            with owner.transaction(here, first=numbers_turn(here)) as session:
                session.execute(text("SELECT 1"))
                futures = []
                for number, claim in enumerate(claims):
                    futures.append(pool.submit(finalise, claim))
                    while here not in group._busy or len(group._waiting.get(here, ())) < number:
                        assert not futures[-1].done()
            for future in futures:
                future.exception(PATIENCE_S)
        return futures

    return finish


@pytest.fixture
def written(owner, worker, say):
    """The cases in order; the chain has been checked."""

    def read():
        with owner.transaction(say.HARBOUR) as session:
            rows = session.execute(text(CASES)).all()
        assert Casebook(worker, say.AUDIT_KEY).verify(say.HARBOUR) is None
        assert [row.case_no for row in rows] == list(range(1, len(rows) + 1))
        return rows

    return read


def test_they_share_a_transaction_and_each_has_its_own_case_event_and_end(together, claims, written, web, owner, say):
    futures = together(claims)

    rows = written()
    told = [event.facts for event in Events(web).after(say.HARBOUR, 0) if event.kind == "case.created"]
    with owner.transaction(say.HARBOUR) as session:
        ends = session.execute(text("SELECT case_no, target_id FROM scheduled_ends ORDER BY case_no")).all()
        states = session.scalars(text("SELECT DISTINCT state FROM action_requests")).all()
    assert [future.result().case_no for future in futures] == [1, 2, 3, 4, 5]
    assert [row.target_id for row in rows] == [claim.request.target_id for claim in claims]
    assert len({row.transaction for row in rows[1:]}) == 1
    assert rows[0].transaction != rows[1].transaction
    assert [(facts["case_no"], facts["target_id"]) for facts in told] == [(r.case_no, str(r.target_id)) for r in rows]
    assert [tuple(end) for end in ends] == [(row.case_no, row.target_id) for row in rows]
    assert states == ["applied"]


def test_who_was_overtaken_takes_no_number_and_nobody_along(together, claims, written):
    claims[2] = replace(claims[2], epoch=claims[2].epoch + 1)

    futures = together(claims)

    assert len(written()) == 4
    assert [type(future.exception()) for future in futures] == [type(None)] * 2 + [ClaimLost] + [type(None)] * 2


def test_what_postgres_refuses_of_one_takes_nobody_along(together, claims, written, guard):
    standing = guard.standing(claims[3].request)
    unkept = replace(standing, target=replace(standing.target, name="\x00"))

    futures = together(claims, [(claims[3].request_id, unkept)])

    assert isinstance(futures.pop(3).exception(), DBAPIError)
    assert sorted(future.result().case_no for future in futures) == [1, 2, 3, 4] == [row.case_no for row in written()]


def test_a_database_that_goes_away_leaves_nothing_of_anybody(together, claims, written, guard):
    def away(point):
        raise Unavailable(point)

    finalising = guard.ledger._finalising
    group, write = finalising._together, finalising._write
    group._commit = lambda guild_id, deeds: write(guild_id, deeds) if len(deeds) == 1 else away("gone")

    _, *futures = together(claims)

    assert [type(future.exception()) for future in futures] == [Unavailable] * 4
    assert len(written()) == 1


def test_a_note_beside_bans_has_no_end(together, accept, guard, claims, written, owner, say):
    claims[1] = guard.take(accept(action=Action.NOTE, target_id=UserId(9))[0])

    together(claims)

    with owner.transaction(say.HARBOUR) as session:
        ends = session.scalars(text("SELECT case_no FROM scheduled_ends ORDER BY case_no")).all()
    assert (len(written()), ends) == (5, [1, 3, 4, 5])
