"""The relay takes rows out of the backlog only when a lane can take them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from kovra.ids import new_request_id
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.outbox import QUEUE, Outbox
from kovra.queue.relay import FULL_S, Relay


@dataclass
class Row:
    guild_id: int = 1 << 22
    request_id: UUID = field(default_factory=new_request_id)
    target_id: int = 7
    body: bytes = b"{}"
    kid: str = "web-1"
    sig: str = "00"


class NoChunks:
    def overdue(self) -> list[object]:
        return []


class Rows:
    """A backlog that counts how often it was asked."""

    def __init__(self, count: int) -> None:
        self.asked, self.count = 0, count

    def overdue(self, limit: int, but: Collection[int]) -> list[Row]:
        self.asked += 1
        return [Row() for _ in range(self.count) if Row.guild_id not in but]


@pytest.fixture
def relay_over():
    def make(client, rows=1, **options):
        broker = LanesBroker(client, shards=2, **options)
        broker.declare_queue(QUEUE)
        return Relay(backlog=Rows(rows), jobs=NoChunks(), outbox=Outbox(broker=broker)), broker

    return make


def test_an_overdue_row_is_put_on_its_lane(relay_over, client):
    relay, broker = relay_over(client)

    assert relay.tick() == 1
    assert broker.qsize(QUEUE) == 1


def test_while_redis_is_away_no_row_is_taken_out(relay_over):
    relay, _ = relay_over(connect("unix:///tmp/there-is-no-kovra.sock"))

    assert relay.tick() == 0
    assert relay.backlog.asked == 0


def test_what_an_outage_left_travels_together(relay_over, real):
    relay, broker = relay_over(real, rows=120)
    relay.tick()
    scripts = real.info("commandstats")["cmdstat_evalsha"]["calls"]

    assert relay.tick() == 120

    assert real.info("commandstats")["cmdstat_evalsha"]["calls"] - scripts == 3
    assert broker.qsize(QUEUE) == 240


def test_a_lane_that_takes_no_more_is_left_alone_for_a_while(relay_over, client):
    relay, broker = relay_over(client, rows=5, longest=3)
    now = [0.0]
    relay = replace(relay, monotonic=lambda: now[0])

    taken = [relay.tick(), relay.tick()]
    now[0] = FULL_S
    client.flushall()

    assert taken == [3, 0]
    assert relay.tick() == 3
    assert broker.qsize(QUEUE) == 3
