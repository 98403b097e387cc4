"""The thread that writes the mirror: what waits goes together, and nothing overtakes what it must not."""

from __future__ import annotations

import threading

import pytest

from kovra.bot.writer import Writer


@pytest.fixture
def wrote():
    return []


@pytest.fixture
def writer(wrote):
    """A writer that has something slow in hand while a test puts more; ``settle()`` lets it go on to the end."""
    made, busy = Writer(overflowed=lambda: wrote.append("overflowed")), threading.Event()
    made.put(lambda: busy.wait(30))
    made.start()

    def settle() -> None:
        busy.set()
        made.settled().result(30)

    made.settle = settle
    yield made
    settle()
    made.stop(5)


def test_items_of_a_kind_that_wait_are_written_together(writer, wrote):
    for number in (1, 2, 3):
        writer.put_with("bans", number, wrote.append)
        writer.put_with("left", number * 10, wrote.append)

    writer.settle()

    assert wrote == [[1, 2, 3], [10, 20, 30]]


def test_what_comes_after_a_part_is_written_after_what_was_queued(writer, wrote):
    writer.put_with("gone", 1, wrote.append)
    writer.part("gone")
    writer.put(lambda: wrote.append("back"))
    writer.put_with("gone", 2, wrote.append)

    writer.settle()

    assert wrote == [[1], "back", [2]]


def test_a_write_that_has_begun_takes_no_more(writer, wrote):
    writer.put_with("gone", 1, wrote.append)
    writer.settle()

    writer.put_with("gone", 2, wrote.append)
    writer.settle()

    assert wrote == [[1], [2]]
