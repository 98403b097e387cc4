"""Whether the workers live, told to open pages when it changes: a worker that dies tells nobody, so somebody looks.

One thread for all streams of a process, and one short question in each interval in which anybody looks at anything.
"""

from __future__ import annotations

import logging
import threading
import time

from kovra.dashboard.streams import Streams
from kovra.errors import Unavailable
from kovra.live.events import HintKind
from kovra.live.hub import Hub
from kovra.store.workers import Workers

_log = logging.getLogger(__name__)


class WorkerWatch:
    """Says ``workers.changed`` to every open page when a worker came, went, fell silent or was heard again."""

    def __init__(self, streams: Streams, workers: Workers, hub: Hub, every_s: float) -> None:
        self._streams, self._workers, self._hub, self._every_s = streams, workers, hub, every_s
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pause = threading.Event()  # never set: it only waits
        #: What was seen last; nothing while nobody looks, so that whoever comes first is told at the first look.
        self._seen: frozenset[tuple[int, bool, bool]] | None = None

    def wake(self) -> None:
        """Somebody looks; the first starts the thread."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kovra-worker-watch", daemon=True)
                self._thread.start()

    def look(self) -> None:
        """Look once.

        Raises:
            Unavailable: PostgreSQL does not answer; what was seen last is still what is known.
        """
        if not len(self._streams):
            self._seen = None
            return
        found = frozenset((one.key, one.alive, one.listening) for one in self._workers.now())
        if found != self._seen:
            self._seen = found
            self._hub.tell_everybody(HintKind.WORKERS_CHANGED)

    def _run(self) -> None:
        next_at = time.monotonic() + self._every_s
        while not self._streams.closed:
            self._pause.wait(min(max(0.0, next_at - time.monotonic()), 1.0))  # a second: the process may stop meanwhile
            if time.monotonic() < next_at:
                continue
            next_at = time.monotonic() + self._every_s
            try:
                self.look()
            except Unavailable:
                pass  # pages say so themselves
            except Exception:
                # Without this thread a page would show a dead worker as alive for as long as it is open.
                _log.exception("looking after the workers failed; it is tried again")
