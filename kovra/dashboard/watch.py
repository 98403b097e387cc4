"""Whether the viewers of open streams still may see them: looked at every half minute, and at once when something says
that a right may have changed.

One thread for all streams of a process; it asks the database for many viewers at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kovra.actions.capabilities import Capability
from kovra.dashboard.streams import Streams, Viewer
from kovra.errors import Unavailable
from kovra.ids import GuildId, UserId
from kovra.live.bulletin import EVERYWHERE
from kovra.live.events import Hint, HintKind
from kovra.live.stream import Stream
from kovra.live.turns import give_way
from kovra.store.guilds import Guilds
from kovra.store.sessions import Sessions

#: After these one person's rights may be others, and after these everybody's in the guild.
OF_A_PERSON = frozenset({HintKind.MEMBER_UPDATED, HintKind.MEMBER_LEFT, HintKind.MEMBER_JOINED, HintKind.SESSION_ENDED})
OF_A_GUILD = frozenset({HintKind.ROLE_UPDATED, HintKind.GUILD_UPDATED, HintKind.GUILD_LEFT})

#: Viewers asked for at once: enough to make the question cheap, few enough that nobody waits for the answer.
AT_ONCE = 250

#: Who is due within this share of the interval is looked at together with who is due now: streams open one by one, and
#: each would be a question of its own for as long as it lasts.
TOGETHER = 0.1

#: When what was told of could not be looked at, it is tried again after this, in seconds.
AGAIN_S = 0.5

_log = logging.getLogger(__name__)


class Watch:
    """Ends the streams of those who may no longer see them, and of those whose session is over.

    Attributes:
        heard: how often something was said that may have changed somebody's rights.
    """

    def __init__(self, streams: Streams, sessions: Sessions, guilds: Guilds, every_s: float) -> None:
        self._streams, self._sessions, self._guilds, self._every_s = streams, sessions, guilds, every_s
        self.heard = 0
        self._lock = threading.Lock()
        self._told: dict[Stream, Viewer] = {}
        self._due: deque[tuple[float, Stream, Viewer]] = deque()  # equal intervals: the oldest is due first
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, stream: Stream, viewer: Viewer, heard: int | None = None) -> None:
        """Watch over a new stream; the first starts the thread.

        ``heard`` is what stood in :attr:`heard` before the viewer's rights were read: what was said since then did not
        find the stream yet, and may have been about it.
        """
        with self._lock:
            self._due.append((time.monotonic() + self._every_s, stream, viewer))
            if heard is not None and heard != self.heard:
                self._told[stream] = viewer
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kovra-watch", daemon=True)
                self._thread.start()
        self._wake.set()

    def hear(self, hint: Hint) -> None:
        """Look again, now, at those whose rights this may have changed."""
        if hint.kind in OF_A_PERSON or hint.kind in OF_A_GUILD:
            # Before the streams are looked up: one that is added meanwhile is found by either.
            self.heard += 1
        concerned: Mapping[Stream, Viewer] = {}
        if hint.kind in OF_A_PERSON and str(hint.facts.get("user_id", "")).isdigit():
            concerned = self._streams.of_person(UserId(int(str(hint.facts["user_id"]))))
        elif hint.kind in OF_A_GUILD:
            concerned = self._streams.viewers()
        told = {
            stream: viewer for stream, viewer in concerned.items() if hint.guild_id in (viewer.guild_id, EVERYWHERE)
        }
        if told:
            with self._lock:
                self._told |= told
            self._wake.set()

    def _run(self) -> None:
        while not self._streams.closed:
            with self._lock:
                wait_s = 0.0 if self._told else max(0.0, self._due[0][0] - time.monotonic()) if self._due else 60.0
            self._wake.wait(min(wait_s, 1.0))  # a second: the process may stop meanwhile
            self._wake.clear()
            told, due = self._take()
            try:
                self._look({**due, **told})
            except Unavailable:
                # Nothing can be read from us either. What was told of is looked at as soon as it can be.
                with self._lock:
                    self._told = {**told, **self._told}
                time.sleep(AGAIN_S)  # before the next try
            except Exception:
                # Without this thread nobody who lost a right would lose the stream before its time.
                _log.exception("looking after the viewers of streams failed; it is tried again")
                time.sleep(AGAIN_S)  # before the next try

    def _take(self) -> tuple[dict[Stream, Viewer], dict[Stream, Viewer]]:
        now = time.monotonic()
        due = {}
        with self._lock:
            told, self._told = self._told, {}
            until = now + self._every_s * TOGETHER if self._due and self._due[0][0] <= now else now
            while self._due and self._due[0][0] <= until:
                _, stream, viewer = self._due.popleft()
                if not stream.closed:
                    due[stream] = viewer
                    self._due.append((now + self._every_s, stream, viewer))
        return told, due

    def _look(self, watched: Mapping[Stream, Viewer]) -> None:
        by_guild: defaultdict[GuildId, list[tuple[Stream, Viewer]]] = defaultdict(list)
        for stream, viewer in watched.items():
            if not stream.closed:
                by_guild[viewer.guild_id].append((stream, viewer))
        for guild_id, theirs in by_guild.items():
            for some in _parts(theirs):
                signed_in = self._sessions.open_among({viewer.session_id for _, viewer in some})
                scopes = self._guilds.scopes({viewer.user_id for _, viewer in some}, guild_id)
                for stream, viewer in some:
                    scope = scopes.get(viewer.user_id)
                    if viewer.session_id not in signed_in or scope is None or not scope.may(Capability.VIEW):
                        stream.close("revoked")
                    elif scope.may(Capability.VIEW_NOTES) != viewer.reads_notes:
                        stream.close("over")  # it comes back, with the rights of now
                give_way()


def _parts(all_of_them: Sequence[tuple[Stream, Viewer]]) -> Iterator[Iterable[tuple[Stream, Viewer]]]:
    for start in range(0, len(all_of_them), AT_ONCE):
        yield all_of_them[start : start + AT_ONCE]
