"""Questions of many at one moment are asked once, and no answer is older than who gets it."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from kovra.errors import Unavailable
from kovra.live.rounds import Rounds


class Killed(BaseException):
    """As gevent ends a greenlet whose client left."""


class Source:
    """Answers when it is let; ``fails`` is raised by the next calls, one each."""

    def __init__(self):
        self.asked, self.fails = [], []
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def find(self, keys):
        self.asked.append(set(keys))
        self.begun.release()
        assert self.go_on.acquire(timeout=30)
        if self.fails:
            raise self.fails.pop(0)
        return {key: (key, len(self.asked)) for key in keys if key != "nothing"}


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def come(source, wait_until):
    """``come(first, *others)``: the others come while the question of the first is on its way."""
    rounds = Rounds(source.find)
    with ThreadPoolExecutor(16) as pool:

        def ask(first, *others) -> list[Future]:
            asked = [pool.submit(rounds.of, first)]
            assert source.begun.acquire(timeout=30)
            asked += [pool.submit(rounds.of, key) for key in others]
            wait_until(lambda: rounds._next.keys >= set(others))
            return asked

        yield ask
        source.go_on.release(100)


def test_who_comes_while_a_question_is_on_its_way_goes_with_the_next(source, come):
    asked = come("first", "a", "b", "nothing")

    source.go_on.release(2)
    found = [future.result(30) for future in asked]

    assert source.asked == [{"first"}, {"a", "b", "nothing"}]
    assert found == [("first", 1), ("a", 2), ("b", 2), None]


def test_a_question_on_its_way_takes_nobody_in_even_for_the_same_key(source, come):
    asked = come("same", "same")

    source.go_on.release(2)

    assert [future.result(30) for future in asked] == [("same", 1), ("same", 2)]


def test_a_question_that_fails_fails_for_its_round_alone(source, come):
    asked = come("first", "a", "b")
    source.fails = [Unavailable("away")]

    source.go_on.release(2)

    with pytest.raises(Unavailable):
        asked[0].result(30)
    assert [future.result(30) for future in asked[1:]] == [("a", 2), ("b", 2)]


def test_who_is_killed_while_asking_leaves_the_question_to_the_others(source, come):
    asked = come("first", "a", "b")
    source.go_on.release()
    asked[0].result(30)
    source.fails = [Killed()]

    source.go_on.release(2)

    errors = [type(future.exception(30)) for future in asked[1:]]
    assert sorted(map(str, errors)) == sorted(map(str, [Killed, type(None)]))
    assert source.asked == [{"first"}, {"a", "b"}, {"a", "b"}]
