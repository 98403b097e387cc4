"""The relay takes rows out of the backlog only when a lane can take them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest

from kovra.ids import new_request_id
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.outbox import QUEUE, Outbox
from kovra.queue.relay import Relay


@dataclass
class Row:
    guild_id: int = 1 << 22
    request_id: UUID = new_request_id()
    target_id: int = 7
    body: bytes = b"{}"
    kid: str = "web-1"
    sig: str = "00"


class NoChunks:
    def overdue(self) -> list[object]:
        return []


class OneRow:
    """A backlog that counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def overdue(self, limit: int) -> list[Row]:
        self.asked += 1
        return [Row()]


@pytest.fixture
def relay_over():
    def make(client):
        broker = LanesBroker(client, shards=2)
        broker.declare_queue(QUEUE)
        return Relay(backlog=OneRow(), jobs=NoChunks(), outbox=Outbox(broker=broker)), broker

    return make


def test_an_overdue_row_is_put_on_its_lane(relay_over, client):
    relay, broker = relay_over(client)

    assert relay.tick() == 1
    assert broker.qsize(QUEUE) == 1


def test_while_redis_is_away_no_row_is_taken_out(relay_over):
    relay, _ = relay_over(connect("unix:///tmp/there-is-no-kovra.sock"))

    assert relay.tick() == 0
    assert relay.backlog.asked == 0
