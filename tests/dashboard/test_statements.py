"""What pages ask PostgreSQL: each statement is a trip, and busy pages are fetched whenever something happens."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, text

from kovra.actions.request import Action
from kovra.ids import new_request_id
from kovra.store.bygone import BygoneKeeper

#: By page: session and rights are one of each.
MOST = {
    "cases": 5,
    "cases/list": 3,
    "cases/list?before=3": 3,
    "cases/3": 6,
    "members/list": 3,
    "members/{}": 7,
    "members/{}/now": 6,
    "bans/list": 3,
}


#: More cases like the first, of as many people.
ALIKE = """
INSERT INTO mod_cases SELECT (jsonb_populate_record(c, jsonb_build_object(
    'case_no', n, 'request_id', gen_random_uuid(), 'target_id', c.target_id + n))).*
FROM mod_cases c, generate_series(2, :to) n WHERE c.case_no = 1
"""


@pytest.fixture
def asked(databases):
    """The statements that this thread has made the web process ask."""
    statements, here = [], threading.get_ident()

    def trip(connection, cursor, statement, *_):
        # What a connection does not know yet it prepares, once; now and then a session is seen; the hub asks beside.
        if threading.get_ident() == here and not statement.startswith(("PREPARE", "UPDATE sessions")):
            statements.append(statement)

    event.listen(databases("kovra_web").engine, "before_cursor_execute", trip)
    return statements


def test_pages_make_no_more_trips_than_they_need(site, cast, databases, a_case, asked):
    for _ in range(3):
        a_case(Action.WARN)
    keeper = BygoneKeeper(databases("kovra_bot"))
    keeper.joined(cast.harbour, [(cast.quillon, datetime.now(UTC))], "k7Qe", cast.moderator)
    who = site.signed_in(cast.admin)

    trips = {}
    for page in MOST:
        path = f"/g/{cast.harbour}/{page.format(cast.quillon)}"
        asked.clear()
        assert who.get(path, headers={"HX-Request": "true"}).status_code == 200
        trips[page] = len(asked)

    assert trips == MOST


def test_an_act_on_a_hundred_cases_makes_as_many_trips_as_one_on_two(site, cast, owner, a_case, asked):
    a_case(Action.WARN)
    with owner.transaction(cast.harbour) as session:
        session.execute(text(ALIKE), {"to": 100})
    who = site.signed_in(cast.admin)

    trips = []
    for count in (2, 100):
        numbers = ",".join(str(number) for number in range(1, count + 1))
        form = {"many_id": str(new_request_id()), "cases": numbers, "reason": "Wrong person"}
        asked.clear()
        answer = who.post(f"/g/{cast.harbour}/cases/many/comment", form)
        trips.append(len(asked))
        assert f"0 of {count} done" in answer.get_data(as_text=True)

    assert trips[0] == trips[1] <= 21
