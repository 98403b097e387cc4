"""Looking after the viewers of many streams takes few questions."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

from kovra.dashboard.streams import Streams, Viewer
from kovra.dashboard.watch import Watch
from kovra.ids import GuildId, UserId

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
