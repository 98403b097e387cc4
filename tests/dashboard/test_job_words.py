"""How fast a mass action is, how long it took, and why some of it came to nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kovra.actions.request import State
from kovra.dashboard import job_words
from kovra.dashboard.wording import about
from kovra.guard.outcome import FailureKind
from kovra.ids import UserId, new_request_id
from kovra.store.job_control import JobTarget

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def target(state, began_s=None, ended_s=None, **why):
    """One target; its moments in seconds after noon."""
    began, ended = (None if s is None else NOON + timedelta(seconds=s) for s in (began_s, ended_s))
    facts = {"refusal_kind": None, "failure_kind": None, "target_id": UserId(1), "case_no": None} | why
    return JobTarget(
        request_id=new_request_id(), target_name="x", state=state, sentence=None,
        released=False, reversed_by=facts.pop("reversed_by", None), began_at=began, ended_at=ended, **facts,
    )  # fmt: skip


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def test_the_pace_is_that_of_the_last_minute_and_says_how_long_the_rest_takes():
    ended = [target(State.DONE, second, second + 1) for second in range(0, 100, 2)]
    waiting = [target(State.ACCEPTED)] * 15

    pace = job_words.pace([*ended, *waiting], at(100))

    assert (pace.a_minute, pace.left_s) == (30, 30)


def test_a_job_that_has_just_begun_is_not_measured_by_a_whole_minute():
    pace = job_words.pace([target(State.DONE, 0, 4)] * 20 + [target(State.EXECUTING, 4)] * 10, at(5))

    assert (pace.a_minute, pace.left_s) == (240, 2.5)


@pytest.mark.parametrize(
    "targets",
    [
        [target(State.ACCEPTED)],
        [target(State.DONE, 0, 1)],
        [target(State.DONE, 0, 1), target(State.ACCEPTED)],
        [target(State.REJECTED, None, 99), target(State.ACCEPTED)],
    ],
)
def test_there_is_no_pace_where_nothing_has_ended_lately_or_nothing_is_left(targets):
    assert job_words.pace(targets, at(100)) is None


def test_a_job_took_from_the_confirmation_to_the_end_of_its_last():
    targets = [target(State.DONE, 1, 3), target(State.FAILED, 2, 41), target(State.REJECTED, None, 0)]

    assert job_words.took_s(targets, NOON) == 41
    assert job_words.took_s([*targets, target(State.ACCEPTED)], NOON) is None
    assert job_words.took_s(targets[2:], NOON) is None
    assert [one.took_s for one in targets] == [2, 39, None]


def test_what_came_to_nothing_is_grouped_by_why_the_most_frequent_first():
    targets = [
        target(State.DONE, 0, 1),
        target(State.FAILED, 0, 1, failure_kind="forbidden", target_id=UserId(7)),
        target(State.REJECTED, refusal_kind="budget"),
        target(State.FAILED, 0, 1, failure_kind="forbidden", target_id=UserId(5)),
        target(State.CANCELLED),
        target(State.EXECUTING, 0, failure_kind="refused"),
    ]

    reasons = job_words.reasons(targets)

    assert [(one.why, one.title, one.count) for one in reasons] == [
        ("forbidden", "Guard’s role or permission", 2),
        ("budget", "Over the budget", 1),
        ("cancelled", "Cancelled", 1),
    ]
    assert "Move Guard’s role higher" in reasons[0].remedy
    assert reasons[0].target_ids == [7, 5]


#: A mass action deletes no messages and changes no channel.
NOT_OF_PEOPLE = {FailureKind.NOTHING_THERE, FailureKind.NO_CHANNEL}


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind not in NOT_OF_PEOPLE])
def test_every_failure_of_a_target_has_words_and_an_address(kind):
    (reason,) = job_words.reasons([target(State.FAILED, 0, 1, failure_kind=kind.value)])

    assert reason.title != "Came to nothing"
    assert reason.remedy.endswith(".")
    assert reason.why in job_words.WHY


@pytest.mark.parametrize(
    ("length", "words"), [(0.2, "1 s"), (3.1, "4 s"), (59, "59 s"), (59.9, "1 min"), (61, "2 min"), (4000, "2 h")]
)
def test_what_is_left_is_rounded_up(length, words):
    assert about(length) == words


def test_another_try_is_offered_where_it_may_help():
    held_back = target(State.FAILED, 0, 1, failure_kind="forbidden")
    nothing_to_do = target(State.FAILED, 0, 1, failure_kind="not_banned")
    cancelled = target(State.CANCELLED)

    reasons = job_words.reasons([held_back, nothing_to_do])

    assert {one.why: one.again for one in reasons} == {"forbidden": True, "not_banned": False}
    every = [held_back, nothing_to_do, cancelled]
    assert job_words.worth_another(every, every) == [held_back, cancelled]
    assert job_words.worth_another(every, [nothing_to_do, cancelled]) == [cancelled]


def test_another_try_is_not_offered_once_all_that_was_done_is_taken_back():
    done, taken = target(State.DONE, 0, 1, case_no=1), target(State.DONE, 0, 1, case_no=2, reversed_by=3)
    rest = target(State.CANCELLED)

    assert job_words.worth_another([done, taken, rest], [rest]) == [rest]
    assert job_words.worth_another([taken, rest], [rest]) == []
