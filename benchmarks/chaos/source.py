"""An event stream that comes back after every break and says what it saw last, as a browser's EventSource does."""

from __future__ import annotations

import contextlib
import re
import threading

from urllib3.exceptions import HTTPError

from benchmarks.person import Person

#: A browser waits as long as the server asked it to; this one is in a hurry.
_RETRY_S = 0.3

_FRAME = re.compile(rb"^id: (\d+)$", re.MULTILINE)


class Source:
    """Keeps the ids of all events of one guild, in the order they came. ``since`` is where it starts."""

    def __init__(self, person: Person, guild_id: int, since: int) -> None:
        self._person = person
        self._url = f"{person.web_url}/g/{guild_id}/live"
        self.seen: list[int] = []
        self._last = since
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(OSError, HTTPError):  # those of requests are the first, of urllib3 the second
                self._read()
            self._closed.wait(_RETRY_S)  # as an EventSource, which waits before it comes back

    def _read(self) -> None:
        headers = {"Last-Event-ID": str(self._last), "Accept": "text/event-stream"}
        with self._person.session.get(self._url, headers=headers, stream=True, timeout=(5, 60)) as answer:
            answer.raise_for_status()
            rest = b""
            # As it arrives: a stream has neither a length nor chunks, and iter_content would wait for its end.
            while piece := answer.raw.read1(65536):
                if self._closed.is_set():
                    return
                *frames, rest = (rest + piece).split(b"\n\n")
                for frame in frames:
                    if found := _FRAME.search(frame):
                        self._last = int(found[1])
                        self.seen.append(self._last)
