"""How the worker is put together, where no room alone can say it."""

from types import SimpleNamespace

import discord
import pytest
from dramatiq.middleware import CurrentMessage

from kovra.bot.http import BEHIND
from kovra.config import Process, from_environment
from kovra.queue.outbox import ACTOR, CHUNK_ACTOR
from kovra.wiring import worker as wiring
from tests.test_config import WHOLE

SHARDS = {"KOVRA_WORKER_SHARDS": "3-5"}


@pytest.fixture
def behind():
    """Whether the calls of what was executed would have stood behind, one after the other."""
    return []


@pytest.fixture
def broker(monkeypatch, behind):
    """The broker of a whole worker, in which nothing is executed but seen."""
    monkeypatch.setattr(discord.http.Route, "API_BASE_URL", discord.http.Route.API_BASE_URL)
    monkeypatch.setattr(discord.asset.Asset, "BASE", discord.asset.Asset.BASE)
    monkeypatch.setattr(CurrentMessage, "get_current_message", lambda: SimpleNamespace(lane="1"))

    class Seen:
        bulletin = None

        def __init__(self, **_ports):
            pass

        def __call__(self, **_entry):
            behind.append(BEHIND.get())

    monkeypatch.setattr(wiring, "Execute", Seen)
    monkeypatch.setattr(wiring, "ExecuteChunk", Seen)
    return wiring.build_worker(from_environment(Process.WORKER, WHOLE | SHARDS)).workers.broker


def test_calls_of_a_chunk_stand_behind_what_somebody_waits_for(broker, behind):
    for name in (CHUNK_ACTOR, ACTOR):
        broker.actors[name].fn(body="", kid="", sig="")

    assert behind == [True, None]


def test_a_worker_serves_the_shards_it_is_given(broker):
    assert broker.serve == (3, 4, 5)
