"""What each process tells Prometheus: the numbers of the rooms, by name. `docs/operators.md` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Protocol

from kovra.live.hub import Hub
from kovra.metrics import Reading
from kovra.queue.broker import LanesBroker
from kovra.store.operations import Operations

#: What "lately" is for steps and for outcomes.
STEPS_LATELY = timedelta(minutes=5)
OUTCOMES_LATELY = timedelta(hours=1)

#: So many lanes are named, and none with less in it: a name is a series that Prometheus keeps for long.
NAMED_LANES, NAMED_FROM = 10, 10


class Limited(Protocol):
    """Who counts Discord's refusals of this process."""

    @property
    def limited(self) -> int: ...

    @property
    def invalid(self) -> int: ...


Read = Callable[[], Iterator[Reading]]


def of_queue(broker: LanesBroker, queue_name: str) -> Read:
    """The lanes, from Redis: all of them together, each shard, and by name the fullest few that hold something."""

    def read() -> Iterator[Reading]:
        gauge, labels = broker.gauge(queue_name, fullest=NAMED_LANES), {"queue": queue_name}
        for name, text, value in (
            ("depth", "Messages on the lanes, waiting or in flight", gauge.depth),
            ("in_flight", "Messages that workers have in hand", gauge.in_flight),
            ("oldest_seconds", "Age of the oldest message on any lane", gauge.oldest_age_ms / 1000),
            ("lanes", "Lanes that hold something", gauge.lanes),
            ("lanes_paused", "Lanes that somebody paused", gauge.paused),
            ("dead_letters", "Entries kept for people to decide about", gauge.dead),
        ):
            yield Reading(name=f"kovra_queue_{name}", help=text, value=value, labels=labels)
        for shard in gauge.shards:
            of_shard = labels | {"shard": str(shard.shard)}
            yield from _filled("shard", of_shard, shard.held, shard.in_flight, shard.oldest_age_ms)
        for name in gauge.fullest:
            lane = broker.lane(queue_name, name)
            if lane.depth >= NAMED_FROM:
                of_lane = labels | {"lane": lane.lane}
                yield from _filled("lane", of_lane, lane.depth, lane.in_flight, lane.oldest_age_ms)

    return read


def _filled(what: str, labels: Mapping[str, str], held: int, in_flight: int, oldest_age_ms: int) -> Iterator[Reading]:
    for name, text, value in (
        ("depth", f"Messages of this {what}, waiting or in flight", held),
        ("in_flight", f"Messages of this {what} that workers have in hand", in_flight),
        ("oldest_seconds", f"Age of the oldest message of this {what}", oldest_age_ms / 1000),
    ):
        yield Reading(name=f"kovra_{what}_{name}", help=text, value=value, labels=labels)


def of_requests(operations: Operations) -> Read:
    """Requests and their steps, from Postgres."""

    def read() -> Iterator[Reading]:
        for waiting in operations.waiting():
            labels = {"state": waiting.state}
            yield Reading(
                name="kovra_requests_open", help="Requests not done yet", value=waiting.requests, labels=labels
            )
            yield Reading(
                name="kovra_request_oldest_seconds",
                help="Age of the oldest open request, since it was accepted or due",
                value=waiting.oldest_s,
                labels=labels,
            )
        yield Reading(
            name="kovra_requests_dead", help="Requests that gave up and wait for a person", value=operations.dead()
        )
        for step in operations.steps(STEPS_LATELY):
            for quantile, seconds in (("0.5", step.p50_s), ("0.95", step.p95_s)):
                yield Reading(
                    name="kovra_step_seconds",
                    help="How long a step took, of the requests of the last five minutes",
                    value=seconds,
                    labels={"step": step.step, "quantile": quantile},
                )
        for outcome, requests in operations.outcomes(OUTCOMES_LATELY).items():
            yield Reading(
                name="kovra_requests_lately",
                help="Requests of the last hour by what became of them",
                value=requests,
                labels={"outcome": outcome},
            )

    return read


def of_discord(client: Limited) -> Read:
    """What Discord refused this process."""

    def read() -> Iterator[Reading]:
        yield Reading(
            name="kovra_discord_limited", help="Answers of Discord with status 429", value=client.limited, counts=True
        )
        yield Reading(
            name="kovra_discord_invalid",
            help="Answers that Discord counts as invalid: 10,000 in ten minutes block the address",
            value=client.invalid,
            counts=True,
        )

    return read


def of_hub(hub: Hub) -> Read:
    """The open streams of this process."""

    def read() -> Iterator[Reading]:
        figures = hub.figures()
        yield Reading(name="kovra_sse_clients", help="Open streams", value=figures.clients)
        yield Reading(name="kovra_sse_guilds", help="Guilds somebody looks at", value=figures.guilds)
        yield Reading(
            name="kovra_sse_lag_seconds",
            help="The worst of the last minute: from an event's transaction until every stream here had it",
            value=figures.lag_s,
        )
        for name, text, value in (
            ("frames", "Frames handed to streams", figures.sent),
            ("bytes", "Bytes of these frames", figures.sent_bytes),
            ("overflowed", "Streams ended because their reader was too slow", figures.overflowed),
            ("resyncs", "Streams told to reload because the history was too short", figures.resyncs),
        ):
            yield Reading(name=f"kovra_sse_{name}", help=text, value=value, counts=True)

    return read
