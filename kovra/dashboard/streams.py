"""The open streams of this process: counted per session and person, looked after, ended together."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass

from kovra.ids import GuildId, UserId
from kovra.live.stream import Stream

#: Tabs share one stream per browser and server; more than this is a mistake or an attack.
MOST_PER_SESSION = 6

#: Of one person, over all their sessions.
MOST_PER_PERSON = 20

#: Of this process. Each is an open file, and pages need some too.
MOST = 11_000


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a stream does what, in seconds: show it is alive, look whether its viewer still may, end; and how often
    open pages hear whether workers live."""

    heartbeat_s: float = 15.0
    reauthorise_s: float = 30.0
    longest_s: float = 15 * 60.0
    workers_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Whose stream it is. ``session_id`` is the SHA-256 of the cookie; ``reads_notes`` decided what was let through."""

    session_id: bytes
    user_id: UserId
    guild_id: GuildId
    reads_notes: bool


class Streams:
    """Knows every open stream, so that a stopping process can end them at once and they resume elsewhere."""

    def __init__(
        self, most_per_session: int = MOST_PER_SESSION, most_per_person: int = MOST_PER_PERSON, most: int = MOST
    ) -> None:
        self._most_per_session, self._most_per_person, self._most = most_per_session, most_per_person, most
        self._lock = threading.Lock()
        self._open: dict[Stream, Viewer] = {}
        self._of_person: defaultdict[UserId, set[Stream]] = defaultdict(set)
        self._sessions: Counter[bytes] = Counter()
        self._people: Counter[UserId] = Counter()
        self._places = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def closed(self) -> bool:
        """Whether the process is stopping."""
        return self._closed

    def enter(self, viewer: Viewer) -> bool:
        """Take a place for one more stream; False when session, person or process has its share, or it stops."""
        with self._lock:
            if (
                self._closed
                or self._places >= self._most
                or self._sessions[viewer.session_id] >= self._most_per_session
                or self._people[viewer.user_id] >= self._most_per_person
            ):
                return False
            self._places += 1
            self._sessions[viewer.session_id] += 1
            self._people[viewer.user_id] += 1
            return True

    def hold(self, viewer: Viewer, stream: Stream) -> None:
        """Remember the stream that sits on a place taken before; its end gives the place back."""
        with self._lock:
            self._open[stream] = viewer
            self._of_person[viewer.user_id].add(stream)
            closed = self._closed
        stream.at_end(lambda: self.leave(viewer, stream))
        if closed:
            stream.close("stopped")

    def leave(self, viewer: Viewer, stream: Stream | None = None) -> None:
        """Give a place back."""
        with self._lock:
            self._places -= 1
            for counts, key in ((self._sessions, viewer.session_id), (self._people, viewer.user_id)):
                counts[key] -= 1  # type: ignore[index]
                if counts[key] <= 0:  # type: ignore[index]
                    del counts[key]  # type: ignore[arg-type]
            if stream is not None:
                del self._open[stream]
                theirs = self._of_person[viewer.user_id]
                theirs.discard(stream)
                if not theirs:
                    del self._of_person[viewer.user_id]

    def viewers(self) -> dict[Stream, Viewer]:
        """Every open stream and whose it is."""
        with self._lock:
            return dict(self._open)

    def of_person(self, user_id: UserId) -> dict[Stream, Viewer]:
        """The open streams of one person."""
        with self._lock:
            return {stream: self._open[stream] for stream in self._of_person.get(user_id, ())}

    def close(self) -> None:
        """End every stream and take no new one: the process is stopping. Browsers reconnect and resume."""
        with self._lock:
            self._closed = True
            streams = list(self._open)
        for stream in streams:
            stream.close("stopped")
