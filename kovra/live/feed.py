"""One guild that somebody looks at: its open streams, and what is handed to them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from kovra.ids import GuildId
from kovra.live.crowd import Crowd
from kovra.live.events import Hint
from kovra.live.ports import EventSource
from kovra.live.recent import Recent
from kovra.live.stream import Batch, Stream, Visible
from kovra.live.turns import TURN, give_way
from kovra.live.wire import Wire

_log = logging.getLogger(__name__)


class Feed:
    """The streams of one guild: wires that stand at the same number in crowds, all others one by one.

    Anybody adds and removes; one thread hands out.

    Args:
        shown: everything up to this number has been handed to its streams, or was there before them.
        source: the kept events.
        writing: held by whoever writes into sockets, for one turn at most.

    Attributes:
        looked_at: when its newest number was last asked for, in monotonic seconds.
        recent: what was handed out lately, up to ``shown`` at least.
        sent, sent_bytes: frames that crowds took, and their bytes; streams outside count their own.
    """

    def __init__(self, guild_id: GuildId, shown: int, source: EventSource, writing: threading.Lock) -> None:
        self.guild_id, self.shown = guild_id, shown
        self.sent = self.sent_bytes = 0
        self.looked_at = time.monotonic()
        self.recent = Recent(guild_id, shown, source)
        self._writing = writing
        self._lock = threading.Lock()  # guards the three below
        self._streams: set[Stream] = set()
        self._alone: set[Stream] = set()
        self._crowds: dict[Visible, Crowd] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def streams(self) -> list[Stream]:
        """All that are open."""
        with self._lock:
            return list(self._streams)

    def add(self, stream: Stream) -> None:
        """Take in a stream; it is handed what comes behind ``shown``."""
        with self._lock:
            self._streams.add(stream)
            self._alone.add(stream)

    def remove(self, stream: Stream) -> bool:
        """Let go of a closed stream; False when it is not here."""
        with self._lock:
            known = stream in self._streams
            self._streams.discard(stream)
            self._alone.discard(stream)
            return known

    def hand_out(self, batch: Batch) -> None:
        """Hand new events to every stream; ``shown`` is their last number already."""
        for crowd in self._crowds_now():
            frames = self._seen(crowd, batch.told)
            self._write(crowd, frames, batch.whole if len(frames) == len(batch.frames) else b"".join(frames))
        alone = self._those_alone()
        _each(alone, lambda stream: stream.offer(batch))
        self._gather(alone)

    def hint(self, hint: Hint, frame: bytes) -> None:
        """Hand a hint to every stream."""
        for crowd in self._crowds_now():
            if self._seen(crowd, [(hint, frame)]):
                self._write(crowd, [frame], frame, numbered=False)
        _each(self._those_alone(), lambda stream: stream.offer_hint(hint, frame))

    def _write(self, crowd: Crowd, frames: Sequence[bytes], whole: bytes, *, numbered: bool = True) -> None:
        taken = crowd.write(whole, self.shown if numbered else None)
        self.sent += taken * len(frames)
        self.sent_bytes += taken * len(whole)

    def _seen(self, crowd: Crowd, told: Iterable[tuple[object, bytes]]) -> list[bytes]:
        """What the viewers of a crowd may see. A filter that fails shows nothing more at all."""
        try:
            return [frame for event, frame in told if crowd.visible(event)]  # type: ignore[arg-type]
        except Exception:
            _log.exception("a filter of streams of guild %d failed; they are closed", self.guild_id)
            for member in crowd.members():
                cast(Wire, member).close("filter")
            return []

    def _crowds_now(self) -> list[Crowd]:
        with self._lock:
            return list(self._crowds.values())

    def _those_alone(self) -> list[Stream]:
        """Everyone who is in no crowd, those who left one meanwhile too."""
        with self._lock:
            for crowd in self._crowds.values():
                self._alone.update(self._streams & {cast(Wire, member) for member in crowd.take_left()})
            return list(self._alone)

    def _gather(self, alone: Iterable[Stream]) -> None:
        """Let wires that have caught up join those who see the same."""
        with self._lock:
            for visible in [visible for visible, crowd in self._crowds.items() if crowd.over]:
                del self._crowds[visible]
            for stream in alone:
                if not isinstance(stream, Wire):
                    continue
                crowd = self._crowds.get(stream.visible) or Crowd(stream.visible, self.shown, self._writing)
                if stream.join(crowd, self.shown):
                    self._crowds[stream.visible] = crowd
                    self._alone.discard(stream)


def _each(streams: Sequence[Stream], hand: Callable[[Stream], None]) -> None:
    for number, stream in enumerate(streams, 1):
        hand(stream)
        if number % TURN == 0:
            give_way()  # however large the guild
