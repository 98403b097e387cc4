"""Threads that share transactions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kovra.ids import GuildId
from kovra.store.group_commit import GroupCommit
from kovra.store.rows import MOST

HERE, THERE = GuildId(1), GuildId(2)
PATIENCE_S = 10


class Writer:
    """Writes groups; of ``HERE`` the first only once it is let go."""

    def __init__(self):
        self.groups = []
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.group = GroupCommit(self.commit)

    def commit(self, guild_id, items):
        self.groups.append(list(items))
        if guild_id == HERE and len(self.groups) == 1:
            self.begun.set()
            assert self.let_go.wait(PATIENCE_S)
        if "all fail" in items:
            raise RuntimeError("nothing was kept")
        return [ValueError(item) if item == "fails" else f"{item}!" for item in items]

    def during_the_first(self, pool, items):
        """The futures of these, all of which come while a first transaction is under way; the first one's too."""
        first = pool.submit(self.group, HERE, "first")
        assert self.begun.wait(PATIENCE_S)
        futures = []
        for number, item in enumerate(items, 1):
            futures.append(pool.submit(self.group, HERE, item))
            while len(self.group._waiting.get(HERE, ())) < number:
                assert not futures[-1].done()
        self.let_go.set()
        return [first, *futures]


@pytest.fixture
def writer():
    return Writer()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2 * MOST) as pool:
        yield pool


def test_who_is_alone_waits_for_nobody(writer):
    writer.let_go.set()

    assert [writer.group(HERE, item) for item in "abc"] == ["a!", "b!", "c!"]
    assert writer.groups == [["a"], ["b"], ["c"]]


def test_who_comes_meanwhile_shares_the_next_transaction(writer, pool):
    futures = writer.during_the_first(pool, ["a", "b", "c"])

    assert [future.result(PATIENCE_S) for future in futures] == ["first!", "a!", "b!", "c!"]
    assert writer.groups == [["first"], ["a", "b", "c"]]


def test_an_error_of_one_is_raised_to_it_alone(writer, pool):
    _, good, bad = writer.during_the_first(pool, ["a", "fails"])

    assert good.result(PATIENCE_S) == "a!"
    with pytest.raises(ValueError, match="fails"):
        bad.result(PATIENCE_S)


def test_an_error_of_the_transaction_is_raised_to_all_and_the_next_one_runs(writer, pool):
    _, *failed = writer.during_the_first(pool, ["a", "all fail"])

    for future in failed:
        with pytest.raises(RuntimeError, match="nothing was kept"):
            future.result(PATIENCE_S)
    assert writer.group(HERE, "b") == "b!"


def test_another_guild_does_not_wait(writer, pool):
    first = pool.submit(writer.group, HERE, "first")
    assert writer.begun.wait(PATIENCE_S)

    assert writer.group(THERE, "a") == "a!"
    assert not first.done()
    writer.let_go.set()


def test_no_group_is_larger_than_what_is_planned_for(writer, pool):
    items = [str(number) for number in range(MOST + 3)]

    futures = writer.during_the_first(pool, items)

    assert [future.result(PATIENCE_S) for future in futures] == ["first!", *(f"{item}!" for item in items)]
    assert writer.groups == [["first"], items[:MOST], items[MOST:]]


def test_nothing_is_kept_of_a_guild_at_rest(writer):
    writer.let_go.set()
    writer.group(HERE, "a")

    assert (writer.group._waiting, writer.group._busy) == ({}, set())
