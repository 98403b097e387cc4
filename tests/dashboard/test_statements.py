"""What pages ask PostgreSQL: each statement is a trip, and busy pages are fetched whenever something happens."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from sqlalchemy import event

from kovra.actions.request import Action
from kovra.store.bygone import BygoneKeeper

#: By page: session and rights are two of each.
MOST = {"cases": 6, "cases/list": 4, "cases/3": 7, "members/{}": 8, "members/{}/now": 7}


def test_pages_make_no_more_trips_than_they_need(site, cast, databases, a_case):
    for _ in range(3):
        a_case(Action.WARN)
    keeper = BygoneKeeper(databases("kovra_bot"))
    keeper.joined(cast.harbour, [(cast.quillon, datetime.now(UTC))], "k7Qe", cast.moderator)
    who, asked, here = site.signed_in(cast.admin), [], threading.get_ident()

    def trip(connection, cursor, statement, *_):
        # What a connection does not know yet it prepares, once; now and then a session is seen; the hub asks beside.
        if threading.get_ident() == here and not statement.startswith(("PREPARE", "UPDATE sessions")):
            asked.append(statement)

    event.listen(databases("kovra_web").engine, "before_cursor_execute", trip)

    trips = {}
    for page in MOST:
        path = f"/g/{cast.harbour}/{page.format(cast.quillon)}"
        asked.clear()
        assert who.get(path, headers={"HX-Request": "true"}).status_code == 200
        trips[page] = len(asked)

    assert trips == MOST
