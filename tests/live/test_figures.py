"""What the metrics page says of open streams."""

from __future__ import annotations

import selectors
import socket
from dataclasses import replace
from datetime import timedelta

import pytest

from kovra import readings
from kovra.live.events import BEAT, frame
from kovra.live.lag import LATELY_S, Lag
from kovra.live.wire import Wire
from kovra.live.wires import Wires
from tests.live.frames import all_of, take


@pytest.fixture
def told(new_hub):
    """``told(hub)``: the readings by their names."""
    return lambda hub: {reading.name: reading.value for reading in readings.of_hub(hub)()}


def test_frames_and_bytes_of_both_kinds_of_streams_are_counted(new_hub, history, bulletin, guild, heard, told):
    hub, wires = new_hub(), Wires(BEAT, 60, 900, selectors.DefaultSelector())
    server, browser = socket.socketpair()
    with server, browser:
        subscription, wire = hub.subscribe(guild, None, all_of), hub.subscribe(guild, None, all_of, Wire)
        wires.take(wire, server, b"")
        heard()
        for _ in range(3):  # the first one by one, the others to the crowd
            history.write()
            bulletin.ring(guild)
            take(subscription, 1)
        sent = sum(len(frame(event)) for event in history.kept[guild])
        got = b""
        while len(got) < sent:
            got += browser.recv(65536)

        while_open = told(hub)
        wire.close()
        subscription.close()
        wires.close()

    assert (while_open["kovra_sse_clients"], while_open["kovra_sse_guilds"]) == (2, 1)
    for figures in (while_open, told(hub)):
        assert figures["kovra_sse_frames"] == 6
        assert figures["kovra_sse_bytes"] == 2 * sent
    assert told(hub)["kovra_sse_clients"] == 0


def test_the_lag_is_that_of_the_oldest_event_of_a_page(new_hub, history, bulletin, guild, heard, told, wait_until):
    hub = new_hub()
    stream = hub.subscribe(guild, None, all_of)
    heard()
    history.write(2)
    kept = history.kept[guild]
    kept[0] = replace(kept[0], at=kept[0].at - timedelta(seconds=100))

    bulletin.ring(guild)
    take(stream, 2)

    wait_until(lambda: told(hub)["kovra_sse_lag_seconds"] >= 100)


def test_the_worst_lag_of_the_last_minute_is_told_and_then_forgotten():
    lag = Lag()

    lag.add(0.1, now=0)
    lag.add(3.0, now=10)
    lag.add(0.2, now=20)

    assert (lag.worst(now=21), lag.worst(now=10.5 + LATELY_S), lag.worst(now=21 + LATELY_S)) == (3.0, 0.2, 0.0)
