"""Waiting for the end of one request."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest

from kovra.errors import Unavailable
from kovra.live.outcomes import Outcomes

MINE = UUID("0192f5a0-0000-7000-8000-000000000001")
THEIRS = UUID("0192f5a0-0000-7000-8000-000000000002")


class Statuses:
    """Where each request stands, and how often that was asked."""

    def __init__(self) -> None:
        self.states: dict[UUID, str] = {}
        self.asked = 0

    def __call__(self, guild_id, request_id):
        self.asked += 1
        return self.states.get(request_id)


def done(state):
    return state == "done"


@pytest.fixture
def statuses():
    return Statuses()


def test_a_request_that_has_ended_is_answered_at_once(new_hub, guild, statuses):
    statuses.states[MINE] = "done"

    assert Outcomes(new_hub(), statuses).wait(guild, MINE, 30, done) == "done"
    assert statuses.asked == 1


def test_the_end_is_seen_by_its_event_and_no_other_request_is_looked_at(
    new_hub, guild, statuses, history, bulletin, heard, wait_until
):
    hub = new_hub()
    heard()
    statuses.states[MINE] = "queued"
    answers: list[object] = []
    waiting = threading.Thread(
        target=lambda: answers.append(Outcomes(hub, statuses).wait(guild, MINE, 30, done)), daemon=True
    )
    waiting.start()
    wait_until(lambda: statuses.asked == 1)

    history.write(20, request_id=THEIRS)
    statuses.states[MINE] = "executing"
    history.write(1, kind="action.running", request_id=MINE)
    bulletin.ring(guild)
    wait_until(lambda: statuses.asked == 2)
    statuses.states[MINE] = "done"
    history.write(1, kind="action.done", request_id=MINE)
    bulletin.ring(guild)
    waiting.join(30)

    assert answers == ["done"]
    assert statuses.asked == 3
    assert hub.figures().clients == 0


def test_when_the_time_is_over_the_last_status_is_given(new_hub, guild, statuses):
    statuses.states[MINE] = "queued"

    assert Outcomes(new_hub(), statuses).wait(guild, MINE, 0.05, done) == "queued"
    assert statuses.asked == 2


def test_an_unknown_request_gives_none(new_hub, guild, statuses):
    assert Outcomes(new_hub(), statuses).wait(guild, MINE, 0.01, done) is None


def test_a_stopping_hub_ends_the_wait_with_the_last_status(new_hub, guild, statuses, wait_until):
    hub = new_hub()
    statuses.states[MINE] = "queued"
    answers: list[object] = []
    waiting = threading.Thread(
        target=lambda: answers.append(Outcomes(hub, statuses).wait(guild, MINE, 60, done)), daemon=True
    )
    waiting.start()
    wait_until(lambda: statuses.asked == 1)

    hub.stop()
    waiting.join(30)

    assert answers == ["queued"]


def test_a_database_that_is_away_is_said(new_hub, guild, statuses, history):
    history.away = True

    with pytest.raises(Unavailable):
        Outcomes(new_hub(), statuses).wait(guild, MINE, 1, done)
