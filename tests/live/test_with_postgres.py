"""The hub over the real history: what PostgreSQL commits is shown in order, once, whoever rolls back or races."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from kovra.ids import GuildId
from kovra.live.hub import Hub
from kovra.store.database import Database
from kovra.store.events import EventKind, Events, append_event
from kovra.store.migrate import upgrade


@pytest.fixture(scope="module")
def database(new_database: Callable[..., str]) -> Iterator[Database]:
    """As the worker has it: it writes events, and may read them."""
    url = new_database()
    upgrade(url)
    opened = Database(url, role="kovra_worker")
    yield opened
    opened.dispose()


@pytest.fixture
def hub(database, valkey_url):
    opened = Hub(valkey_url, Events(database), tick_s=0.1)
    opened.start()
    yield opened
    opened.stop()


class Undone(Exception):
    """A transaction that is rolled back after it took its number."""


def test_racing_writers_and_rollbacks_leave_no_gap_and_no_double(database, hub, bulletin, guild):
    writers, each, readers = 4, 60, 3
    total = writers * each
    seen: list[list[int]] = [[] for _ in range(readers)]
    trouble: list[BaseException] = []

    def write(number: int) -> None:
        dice = random.Random(number)
        written = 0
        while written < each:
            try:
                with database.transaction(guild) as session:
                    append_event(session, guild, EventKind.CASE_UPDATED, None, {"case_no": written})
                    if dice.random() < 0.3:
                        raise Undone
            except Undone:
                continue  # the number goes to the next
            written += 1
            if dice.random() < 0.7:
                bulletin.ring(guild)

    def follow(number: int) -> None:
        dice, mine = random.Random(number), seen[number]
        while len(mine) < total:
            with hub.subscribe(guild, mine[-1] if mine else 0, lambda event: True) as stream:
                for _ in range(dice.randint(1, 20)):
                    frame = stream.next(30)
                    assert frame is not None, "nothing came"
                    mine.append(int(frame.split()[1]))
                    if len(mine) == total:
                        break

    def kept(work: Callable[[int], None], number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            trouble.append(error)

    threads = [threading.Thread(target=kept, args=(write, number), daemon=True) for number in range(writers)]
    threads += [threading.Thread(target=kept, args=(follow, number), daemon=True) for number in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)

    assert trouble == []
    assert seen == [list(range(1, total + 1))] * readers


def test_a_guild_where_nothing_ever_happened_can_be_looked_at(hub, database, bulletin):
    quiet = GuildId(110_000_000_000_000_077)
    stream = hub.subscribe(quiet, 0, lambda event: True)

    with database.transaction(quiet) as session:
        append_event(session, quiet, EventKind.CASE_UPDATED, None, {"case_no": 1})
    bulletin.ring(quiet)

    assert stream.next(30) == b'id: 1\nevent: case.updated\ndata: {"case_no":1}\n\n'
