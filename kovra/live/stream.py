"""What the hub hands events to: one open stream, which filters them for its viewer and knows why it ended."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from kovra.ids import GuildId
from kovra.live.events import Hint
from kovra.live.ports import EventLike

Visible = Callable[[EventLike | Hint], bool]

#: Why a stream is closed: its reader left, was too slow, had its time, may see no more, its filter failed, or the
#: process stops.
Why = Literal["left", "overflow", "over", "revoked", "filter", "stopped"]

_log = logging.getLogger(__name__)


class Batch:
    """New events of one guild with their frames, formatted once for all streams."""

    def __init__(self, told: Sequence[tuple[EventLike, bytes]]) -> None:
        self.told = told
        self.last = told[-1][0].seq
        self.frames = [frame for _, frame in told]
        self.whole = b"".join(self.frames)


class Stream(ABC):
    """An open stream of one guild: frames in order, none missing and none twice.

    Args:
        shown: live frames begin behind this number; what lies before it is replayed, or its reader has it.
        visible: whether its viewer may see an event or a hint.
        on_close: called once, when it is closed.
        writing: held by whoever writes into sockets, for one turn at most; one for all streams of a hub.

    Attributes:
        sent, sent_bytes: frames its reader has been given, and their bytes.
        why: why it was closed, None while it is open.
    """

    def __init__(
        self,
        guild_id: GuildId,
        shown: int,
        visible: Visible,
        on_close: Callable[[Stream], None],
        writing: threading.Lock,
    ) -> None:
        self.guild_id, self.visible = guild_id, visible
        self.sent = self.sent_bytes = 0
        self.why: Why | None = None
        self._on_close, self._writing = on_close, writing
        self._on_end: Callable[[], None] | None = None
        self._shown = shown

    @property
    def closed(self) -> bool:
        return self.why is not None

    @property
    def shown(self) -> int:
        """It has been handed everything up to this number, or did not need it."""
        return self._shown

    @abstractmethod
    def begin(self, replay: Iterable[bytes]) -> None:
        """Say what comes before the live frames. Its reader gets the stream only after this."""

    def close(self, why: Why = "left") -> None:
        """End it: what its reader had not taken is dropped. Twice is once."""
        if self.why is None:
            self.why = why
            self._close()
            self._on_close(self)
            if self._on_end is not None:
                self._on_end()

    def at_end(self, call: Callable[[], None]) -> None:
        """Call this once when it is closed, at once when it is already."""
        self._on_end = call
        if self.why is not None:
            call()

    def sees(self, event: EventLike | Hint) -> bool:
        """Whether its viewer may see this. A filter that fails shows nothing more at all."""
        try:
            return self.visible(event)
        except Exception:
            _log.exception("the filter of a stream of guild %d failed; the stream is closed", self.guild_id)
            self.close("filter")
            return False

    def offer(self, batch: Batch) -> None:
        """Hand it live events; those that it has shown already or its viewer may not see are left out."""
        if self.why is not None or batch.last <= self._shown:
            return
        shown, self._shown = self._shown, batch.last
        frames = [frame for event, frame in batch.told if event.seq > shown and self.sees(event)]
        if frames and self.why is None:
            self._put(frames, batch.whole if len(frames) == len(batch.frames) else b"".join(frames))

    def offer_hint(self, hint: Hint, frame: bytes) -> None:
        """Hand it a hint, if its viewer may see it."""
        if self.why is None and self.sees(hint):
            self._put([frame], frame)

    @abstractmethod
    def _put(self, frames: Sequence[bytes], whole: bytes) -> None:
        """Give its reader these frames; ``whole`` is all of them in one."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of its reader; ``why`` says why."""
