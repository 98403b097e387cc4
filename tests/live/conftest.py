"""A kept history in memory that behaves as PostgreSQL's does, and hubs that are stopped again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from kovra.errors import Unavailable
from kovra.ids import GuildId
from kovra.live.bulletin import Bulletin, connect
from kovra.live.events import Event
from kovra.live.hub import Hub

GUILD = GuildId(110_000_000_000_000_001)


class History:
    """Numbers without gaps, visible in their order, and all at once: as under the row lock of a counter."""

    def __init__(self) -> None:
        self.kept: dict[GuildId, list[Event]] = {}
        self.lock = threading.Lock()
        self.away = False
        self.asked: list[tuple[str, object]] = []
        self.before_read: Callable[[], None] = lambda: None

    def write(
        self, count: int = 1, guild_id: GuildId = GUILD, kind: str = "case.created", request_id: UUID | None = None
    ) -> None:
        for _ in range(count):
            with self.lock:
                events = self.kept.setdefault(guild_id, [])
                seq = events[-1].seq + 1 if events else 1
                facts = {"case_no": seq}
                events.append(
                    Event(
                        guild_id=guild_id, seq=seq, kind=kind, request_id=request_id, facts=facts, at=datetime.now(UTC)
                    )
                )

    def prune(self, keep: int) -> None:
        with self.lock:
            for guild_id, events in self.kept.items():
                self.kept[guild_id] = events[-keep:]

    def after(self, guild_id: GuildId, seq: int, limit: int) -> Sequence[Event]:
        self._answer("after", guild_id)
        self.before_read()
        with self.lock:
            return [event for event in self.kept.get(guild_id, []) if event.seq > seq][:limit]

    def newest(self, guild_ids: Iterable[GuildId]) -> Mapping[GuildId, int]:
        wanted = tuple(guild_ids)
        self._answer("newest", wanted)
        with self.lock:
            return {guild_id: self.kept[guild_id][-1].seq for guild_id in wanted if guild_id in self.kept}

    def _answer(self, what: str, about: object) -> None:
        self.asked.append((what, about))
        if self.away:
            raise Unavailable("the history is away")


@pytest.fixture
def guild() -> GuildId:
    return GUILD


@pytest.fixture
def history() -> History:
    return History()


@pytest.fixture
def new_hub(valkey_url: str, history: History) -> Iterator[Callable[..., Hub]]:
    """``new_hub(redis_url=…, tick_s=…)`` starts one; it is stopped after the test."""
    hubs: list[Hub] = []

    def make(redis_url: str = valkey_url, tick_s: float = 60.0) -> Hub:
        hub = Hub(redis_url, history, tick_s)
        hub.start()
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        hub.stop()


@pytest.fixture
def bulletin(valkey_url: str) -> Iterator[Bulletin]:
    with connect(valkey_url) as client:
        yield Bulletin(client)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """``wait_until(condition)`` returns when it holds, and fails after a generous time."""

    def wait(condition: Callable[[], object], within_s: float = 30.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, "the awaited never came"
            time.sleep(0.01)  # between two looks

    return wait


@pytest.fixture
def heard(valkey_url: str, wait_until: Callable[[Callable[[], object]], None]) -> Callable[..., None]:
    """``heard()`` returns once that many hubs listen to the bulletin: a ring before that is nobody's."""

    def wait(hubs: int = 1, redis_url: str = valkey_url) -> None:
        with connect(redis_url) as client:
            wait_until(lambda: dict(client.pubsub_numsub("kovra:bulletin")).get(b"kovra:bulletin", 0) >= hubs)

    return wait
