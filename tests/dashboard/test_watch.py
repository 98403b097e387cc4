"""Looking after the viewers of many streams takes few questions."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from kovra.dashboard.streams import Streams, Viewer
from kovra.dashboard.watch import Watch
from kovra.ids import GuildId, UserId
from kovra.live.events import Hint, HintKind
from kovra.live.subscription import Subscription

GUILD, USER = GuildId(110_000_000_000_000_001), UserId(110_000_000_000_000_002)
STREAMS = 50


class Open:
    """A stream that goes on."""

    closed = False


def test_streams_that_opened_one_by_one_are_looked_at_together():
    questions, all_seen = [], threading.Event()

    def open_among(session_ids):
        questions.append(set(session_ids))
        if len(set.union(*questions)) == STREAMS:
            all_seen.set()
        return session_ids

    scope = SimpleNamespace(may=lambda capability: True)
    guilds = SimpleNamespace(scopes=lambda user_ids, guild_id: dict.fromkeys(user_ids, scope))
    streams = Streams()
    watch = Watch(streams, SimpleNamespace(open_among=open_among), guilds, every_s=2.0)

    for number in range(STREAMS):
        watch.add(Open(), Viewer(session_id=b"%d" % number, user_id=USER, guild_id=GUILD, reads_notes=True))
        time.sleep(0.001)  # each opens at a moment of its own

    assert all_seen.wait(60)
    streams.close()
    assert len(questions) < STREAMS / 2


@pytest.mark.parametrize(("heard_before", "ended"), [(0, True), (1, False)])
def test_what_was_said_while_a_stream_opened_is_looked_at_at_once(heard_before, ended):
    stream, streams = Subscription(GUILD, 0, lambda _: True, lambda _: None, threading.Lock()), Streams()
    sessions = SimpleNamespace(open_among=lambda session_ids: session_ids)
    looked = threading.Event()

    def scopes(user_ids, guild_id):
        looked.set()
        return {}  # nobody may see anything any more

    watch = Watch(streams, sessions, SimpleNamespace(scopes=scopes), every_s=3600)
    watch.hear(Hint(guild_id=GUILD, kind=HintKind.ROLE_UPDATED))

    watch.add(stream, Viewer(session_id=b"s", user_id=USER, guild_id=GUILD, reads_notes=True), heard_before)

    if ended:
        assert looked.wait(60)
    streams.close()
    watch._thread.join(60)
    assert stream.why == ("revoked" if ended else None)
