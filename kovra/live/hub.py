"""One hub per process: reads a guild's new events once, formats them once, and hands them to every open stream.

Two threads of the standard library, which gevent's patching turns green: one listens to the bulletin, one reads and
fans out. The reader also asks once per tick for the newest numbers of the guilds somebody looks at, so Redis may be
away, or lose rings, and every page still follows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kovra.errors import Unavailable
from kovra.ids import GuildId
from kovra.live.events import Hint, HintKind, hint_frame, resync_frame
from kovra.live.feed import Feed
from kovra.live.hints import Gathering
from kovra.live.lag import Lag
from kovra.live.listening import Listening
from kovra.live.ports import EventLike, EventSource
from kovra.live.recent import MOST, PAGE, framed
from kovra.live.rounds import Rounds
from kovra.live.stream import Batch, Stream, Visible
from kovra.live.subscription import Subscription

#: A reader further behind than this is told to reload: that is less work for both than a frame for each event.
LONGEST_REPLAY = MOST

#: A guild is asked about a tick after it was read last, or from this share of a tick on, together with others.
EARLY = 0.5

StreamT = TypeVar("StreamT", bound=Stream)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The hub's metrics: open streams now, counts since the start, and the worst lag of the last minute.

    The lag of an event is from its transaction, by PostgreSQL's clock, until every stream had it, by this machine's.
    """

    clients: int
    guilds: int
    sent: int
    sent_bytes: int
    overflowed: int
    resyncs: int
    lag_s: float


class Hub:
    """Hands out subscriptions to guilds.

    Args:
        redis_url: where the bulletin rings.
        source: the kept events; it must read what has been committed (the primary, no replica that lags).
        tick_s: how late a page is at most when a ring is lost.
    """

    def __init__(self, redis_url: str, source: EventSource, tick_s: float = 1.0) -> None:
        self._source, self._tick_s = source, tick_s
        self._newest = Rounds(source.newest)
        self._listening = Listening(redis_url, self._hear, tick_s)
        self._lock = threading.Lock()  # guards _feeds, their streams and numbers, _rung, the hints and the counts
        self._feeds: dict[GuildId, Feed] = {}
        self._rung: set[GuildId] = set()
        self._hints, self._told = Gathering(), list[Hint]()
        self._writing = threading.Lock()  # held by whoever writes into sockets, for one turn at most
        self._sent = self._sent_bytes = self._overflowed = self._resyncs = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._source_away = False
        self._lag = Lag()
        self._hear_hint: list[Callable[[Hint], None]] = []

    def on_hint(self, call: Callable[[Hint], None]) -> None:
        """Call this at every hint, of guilds nobody looks at too; it must not wait."""
        self._hear_hint.append(call)

    def tell_everybody(self, kind: HintKind) -> None:
        """A hint of this process's own, to all who look at any guild."""
        with self._lock:
            guild_ids = list(self._feeds)
        for guild_id in guild_ids:
            self._pass_on(Hint(guild_id=guild_id, kind=kind))

    def start(self) -> None:
        """Begin to listen and read; once per process, and after a fork. Needs neither Redis nor Postgres yet."""
        self._threads = [
            threading.Thread(target=self._listening.run, args=(self._stopping,), name="kovra-hub-listen", daemon=True),
            threading.Thread(target=self._read, name="kovra-hub-read", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End every subscription at once, and the threads within a moment."""
        self._stopping.set()
        self._wake.set()
        with self._lock:
            streams = [stream for feed in self._feeds.values() for stream in feed.streams()]
        for stream in streams:
            stream.close("stopped")
        for thread in self._threads:
            thread.join(timeout=2)

    def figures(self) -> Figures:
        """A snapshot for the metrics page."""
        with self._lock:
            feeds = list(self._feeds.values())
            counts = [count for feed in feeds for count in (feed, *feed.streams())]
            return Figures(
                clients=sum(map(len, feeds)),
                guilds=len(feeds),
                sent=self._sent + sum(count.sent for count in counts),
                sent_bytes=self._sent_bytes + sum(count.sent_bytes for count in counts),
                overflowed=self._overflowed,
                resyncs=self._resyncs,
                lag_s=self._lag.worst(time.monotonic()),
            )

    def subscribe(
        self, guild_id: GuildId, after: int | None, visible: Visible, kind: type[StreamT] = Subscription
    ) -> StreamT:
        """Open a stream of frames: first what was missed, then live, in order, nothing missing and nothing twice.

        Args:
            after: the last number the reader has seen; None starts with the next event.
            visible: whether the viewer may see an event or a hint; asked once for each, before it is buffered.
            kind: what frames are handed to.

        Returns:
            A stream whose first frame is ``resync`` when the history does not reach back to ``after`` or has
            never held it.

        Raises:
            Unavailable: the source was needed and did not answer, or the hub stops.
        """
        newest = self._newest_for(guild_id, after)
        known = after is not None and 0 <= after <= newest
        stream, feed, start = self._join(guild_id, newest, after if known else newest, visible, kind)
        try:
            if after is not None:
                stream.begin(self._missed(stream, feed, after, start) if known else [self._resync(max(start, newest))])
        except BaseException:
            stream.close()
            raise
        return stream

    def _newest_for(self, guild_id: GuildId, after: int | None) -> int:
        """The guild's newest number; what this process has shown will do for a reader who is not ahead of that."""
        feed = self._feeds.get(guild_id)
        if feed is not None and after is not None and 0 <= after <= (shown := feed.shown):
            return shown
        return self._newest.of(guild_id) or 0

    def _join(
        self, guild_id: GuildId, newest: int, seen: int, visible: Visible, kind: type[StreamT]
    ) -> tuple[StreamT, Feed, int]:
        """Register a stream; live frames begin behind the returned number, what lies before it must be replayed."""
        with self._lock:
            if self._stopping.is_set():
                raise Unavailable("this process is stopping")
            if (feed := self._feeds.get(guild_id)) is None:
                feed = self._feeds[guild_id] = Feed(guild_id, newest, self._source, self._writing)
            # The reader may be ahead of this process, after a stream from another one. What has been shown is replayed,
            # though it may still be on its way to others.
            stream = kind(guild_id, max(seen, feed.shown), visible, self._leave, self._writing)
            feed.add(stream)
            return stream, feed, feed.shown

    def _missed(self, stream: Stream, feed: Feed, after: int, start: int) -> list[bytes]:
        """The frames behind ``after`` up to ``start``, or a resync when they cannot all be had."""
        if start - after > LONGEST_REPLAY or (told := feed.recent.between(after, start)) is None:
            return [self._resync(start)]
        return [data for event, data in told if data is not None and stream.sees(event)]

    def _resync(self, newest: int) -> bytes:
        with self._lock:
            self._resyncs += 1
        return resync_frame(newest)

    def _leave(self, stream: Stream) -> None:
        with self._lock:
            feed = self._feeds.get(stream.guild_id)
            if feed is None or not feed.remove(stream):
                return
            self._sent += stream.sent
            self._sent_bytes += stream.sent_bytes
            if not len(feed):
                del self._feeds[stream.guild_id]
                self._sent += feed.sent
                self._sent_bytes += feed.sent_bytes
            self._overflowed += stream.why == "overflow"

    def _read(self) -> None:
        """The reading thread: at each ring and each tick, hand out what is new."""
        next_tick = time.monotonic()
        while not self._stopping.is_set():
            self._wake.wait(max(0.0, min(next_tick, self._hints.next_at) - time.monotonic()))
            self._wake.clear()
            try:
                self._tell_hints()
                if (now := time.monotonic()) >= next_tick:
                    next_tick = now + self._tick_s
                    next_tick = self._find_behind(now)
                self._hand_out()
            except Unavailable as error:
                # Nothing was marked as shown, so the next tick finds it again.
                if not self._source_away:
                    _log.warning("events cannot be read (%s); open pages stand still until they can", error)
                self._source_away = True
            except Exception:
                # Without this thread every page of the process would stand still for good.
                _log.exception("handing out events failed; it is tried again at the next tick")

    def _find_behind(self, now: float) -> float:
        """Look whether a ring was lost, in guilds that have not been read lately; when to do so again."""
        with self._lock:
            feeds = list(self._feeds.values())
        for feed in feeds:
            feed.recent.forget(now)
        asked = {feed.guild_id: feed for feed in feeds if now - feed.looked_at >= self._tick_s * EARLY}
        if asked:
            newest = self._source.newest(asked)
            for feed in asked.values():
                feed.looked_at = now
            if self._source_away:
                _log.info("events can be read again")
            self._source_away = False
            self._ring(guild_id for guild_id, number in newest.items() if number > asked[guild_id].shown)
        return min((feed.looked_at for feed in feeds), default=now) + self._tick_s

    def _hand_out(self) -> None:
        """One page of each guild that rang, in turn, so that a burst in one does not hold up the others."""
        while not self._stopping.is_set():
            with self._lock:
                feeds = [self._feeds[guild_id] for guild_id in self._rung if guild_id in self._feeds]
                self._rung.clear()
            if not feeds:
                return
            for feed in feeds:
                now = time.monotonic()
                events = self._source.after(feed.guild_id, feed.shown, PAGE)
                feed.looked_at = now
                self._show(feed, events)
                if len(events) == PAGE:
                    self._ring([feed.guild_id])

    def _show(self, feed: Feed, events: Sequence[EventLike]) -> None:
        if not events:
            return
        told = framed(events)
        frames = [(event, data) for event, data in told if data is not None]
        feed.recent.add(told)
        with self._lock:
            # From here on a new stream replays these itself; the ones below get them now.
            feed.shown = events[-1].seq
        if frames:
            feed.hand_out(Batch(frames))
        self._lag.add(max(0.0, time.time() - events[0].at.timestamp()), time.monotonic())

    def _hear(self, told: GuildId | Hint) -> None:
        if isinstance(told, Hint):
            self._pass_on(told)
        else:
            self._ring([told])

    def _ring(self, guild_ids: Iterable[GuildId]) -> None:
        with self._lock:
            self._rung.update(guild_id for guild_id in guild_ids if guild_id in self._feeds)
        self._wake.set()

    def _pass_on(self, hint: Hint) -> None:
        for call in self._hear_hint:
            call(hint)
        with self._lock:
            if hint.guild_id not in self._feeds:
                return
            if (told := self._hints.take(hint, time.monotonic())) is None:
                return
            self._told.append(told)
        self._wake.set()

    def _tell_hints(self) -> None:
        """Hand out the hints that nothing holds back any more."""
        with self._lock:
            hints, self._told = self._told + self._hints.due(time.monotonic()), []
            told = [(self._feeds[hint.guild_id], hint) for hint in hints if hint.guild_id in self._feeds]
        for feed, hint in told:
            feed.hint(hint, hint_frame(hint))
