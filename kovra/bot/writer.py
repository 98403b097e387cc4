"""The one thread that writes the mirror: in the order of the events, without ever holding up the gateway's loop."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

from kovra.errors import Unavailable

log = logging.getLogger(__name__)

Job = Callable[[], None]

#: So many writes waiting mean that the database has been away for long; remembering more would eat the memory.
MOST_WAITING = 50_000

#: So many items go in one write.
MOST_TOGETHER = 500

#: How long to wait before a write that found no database is tried again: the first time and at most, in seconds.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


class Writer:
    """A queue of writes and its thread.

    A write that finds the database away is tried again until it is back, and those behind it wait: an older state must
    never be written over a newer one. A write that fails for another reason is logged and left out.

    Args:
        overflowed: called once when ``MOST_WAITING`` is passed. What is queued then is lost, so the mirror must be
            made anew.
    """

    def __init__(self, overflowed: Callable[[], None]) -> None:
        self._overflowed = overflowed
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mirror-writer", daemon=True)
        #: Writes that wait and still take more, by what they are of.
        self._open: dict[Hashable, list[Any]] = {}
        self._adding = threading.Lock()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue one write."""
        if self._jobs.qsize() >= MOST_WAITING and not self._stopping.is_set():
            self._stopping.set()
            self._overflowed()
        self._jobs.put(job)

    def put_with(self, kind: Hashable, item: Any, write: Callable[[list[Any]], None]) -> None:
        """Queue one item of a write that takes many: it goes with those of its kind that still wait.

        A sweep tells of hundreds in a second; each in a transaction of its own, whoever came back in between would wait
        for all of them. The item overtakes what was queued since, so ``part`` has to come before whatever must not be
        overtaken by this kind.
        """
        with self._adding:
            if (waiting := self._open.get(kind)) is not None and len(waiting) < MOST_TOGETHER:
                waiting.append(item)
                return
            items = self._open[kind] = [item]

        def write_all() -> None:
            with self._adding:
                if self._open.get(kind) is items:
                    del self._open[kind]
            write(items)

        self.put(write_all)

    def part(self, *kinds: Hashable) -> None:
        """What comes of these kinds from now on is written after what is queued so far."""
        with self._adding:
            for kind in kinds:
                self._open.pop(kind, None)

    def settled(self) -> Future[None]:
        """Done as soon as everything queued so far has been written."""
        done: Future[None] = Future()
        self.put(lambda: done.set_result(None))
        return done

    def stop(self, drain_s: float) -> None:
        """Write what is queued, for at most ``drain_s``, and end the thread."""
        self._jobs.put(None)
        self._thread.join(drain_s)
        self._stopping.set()
        self._thread.join(_LONGEST_PAUSE_S)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._write(job)
            if self._stopping.is_set():
                return

    def _write(self, job: Job) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                job()
                return
            except Unavailable as error:
                log.warning("the mirror waits for the database: %s", error)
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            except Exception:
                log.exception("one write of the mirror failed and is left out")
                return
