"""The way onto a lane, while Redis is not there or does not answer."""

from __future__ import annotations

import socket
import time

import pytest
from dramatiq import Message

from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.outbox import QUIET_S, Outbox, Quiet

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
