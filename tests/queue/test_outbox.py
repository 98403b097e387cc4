"""The way onto a lane, while Redis is not there or does not answer."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from dramatiq import Message

from kovra.actions import envelope
from kovra.actions.envelope import Key
from kovra.actions.request import Action, ActionRequest, Source
from kovra.ids import GuildId, UserId, new_request_id
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.outbox import QUEUE, QUIET_S, Outbox, Quiet

MESSAGE = Message(queue_name="guard", actor_name="note", args=(), kwargs={}, options={"lane": "1"})


class Silent:
    """A Redis that takes connections and says nothing."""

    def __init__(self, server: socket.socket) -> None:
        self.server = server
        server.setblocking(False)

    def connections(self) -> int:
        """How many came since the last look."""
        count = 0
        while True:
            try:
                self.server.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def silent():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Silent(server)


def outbox_to(address: str, ahead: list[float]) -> Outbox:
    broker = LanesBroker(connect(address, socket_timeout_s=0.3, connect_timeout_s=0.3))
    broker.declare_queue("guard")
    return Outbox(broker=broker, quiet=Quiet(lambda: time.monotonic() + ahead[0]))


def test_a_redis_that_hangs_slows_one_click_and_not_a_burst(silent):
    ahead = [0.0]
    outbox = outbox_to(f"redis://127.0.0.1:{silent.server.getsockname()[1]}", ahead)

    first, asked = outbox.offer(MESSAGE), silent.connections()
    burst, asked_meanwhile = [outbox.offer(MESSAGE) for _ in range(3)], silent.connections()
    ahead[0] += QUIET_S
    later, asked_again = outbox.offer(MESSAGE), silent.connections()

    assert [first, *burst, later] == [False] * 5
    assert (asked > 0, asked_meanwhile, asked_again > 0) == (True, 0, True)


def test_a_redis_that_is_not_there_is_asked_every_time_and_found_when_it_is_back(desk, real):
    ahead = [0.0]
    away = outbox_to("unix:///tmp/there-is-no-kovra.sock", ahead)

    assert not away.offer(MESSAGE)

    assert Outbox(broker=desk.broker(client=real), quiet=away.quiet).offer(MESSAGE)


def test_what_a_full_lane_does_not_take_is_not_on_it(client):
    broker = LanesBroker(client, longest=1)
    broker.declare_queue("guard")
    outbox = Outbox(broker=broker)

    assert [outbox.offer(MESSAGE), outbox.offer(MESSAGE)] == [True, False]


@pytest.fixture
def some():
    """Sixty sealed warnings of as many people."""
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def one(number):
        request = ActionRequest(
            request_id=new_request_id(),
            guild_id=GuildId(110_000_000_000_000_001),
            action=Action.WARN,
            target_id=UserId(700_000_000_000_000_000 + number),
            moderator_id=UserId(120_000_000_000_000_002),
            source=Source.DASHBOARD,
            reason="spam",
            issued_at=noon,
        )
        return envelope.seal(request, Key(kid="w1", ring="web", secret=b"w" * 32), noon + timedelta(hours=1))

    return [one(number) for number in range(60)]


def test_many_at_once_stand_behind_what_is_clicked_and_one_alone_does_not(desk, some):
    broker = desk.broker()
    broker.declare_queue(QUEUE)
    outbox, lane = Outbox(broker=broker), str(some[0].request.guild_id)

    assert (outbox.put_each([]), outbox.put_each(some[:1]), outbox.put_each(some[1:])) == ([], some[:1], some[1:])

    held = broker.lane(QUEUE, lane)
    assert (held.depth, held.bulk) == (60, 59)


def test_a_lane_that_is_full_takes_the_first_of_many(client, some):
    broker = LanesBroker(client, longest=55)
    broker.declare_queue(QUEUE)

    assert Outbox(broker=broker).put_each(some) == some[:55]


def test_of_many_none_is_put_while_redis_hangs(silent, some):
    ahead = [0.0]
    outbox = outbox_to(f"redis://127.0.0.1:{silent.server.getsockname()[1]}", ahead)
    outbox.offer(MESSAGE)
    silent.connections()

    assert outbox.put_each(some) == []

    assert silent.connections() == 0
