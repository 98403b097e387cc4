"""How the launcher speaks: calm lines on a terminal, plain lines into a file."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from kovra.launcher.trouble import Trouble

#: Seconds between two lines of one piece of work, when nobody can see a line change.
PLAIN_EVERY_S = 10.0


class Say:
    """Writes for a person.

    Args:
        out: where to; colours and moving lines only when it is a terminal.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.live = self.out.isatty()
        self._lock = threading.RLock()
        self._moving = False

    def line(self, text: str = "") -> None:
        """One line of text."""
        # Whoever listened may be gone (a closed terminal, "| head"); what we do goes on, the stop above all.
        with self._lock, contextlib.suppress(OSError):
            self._clear()
            print(text, file=self.out, flush=True)

    def note(self, text: str) -> None:
        """A sentence that a person may want to know."""
        self.line(f"  {text}")

    def title(self, text: str) -> None:
        self.line()
        self.line(f"  {self.bold(text)}")

    def done(self, what: str, seconds: float, more: str = "") -> None:
        """A finished step and how long it took."""
        self.line(f"  {self._paint('✓', '32')} {what:<14}{self.dim(f'{seconds:5.1f} s  {more}'.rstrip())}")

    def failed(self, trouble: Trouble) -> None:
        """What is wrong, what to do, and the last words of whatever failed."""
        self.line()
        self.line(f"  {self._paint('✗', '31')} {self.bold(trouble.what)}")
        self.line(f"    {trouble.remedy}")
        if trouble.said:
            self.line()
            for said in trouble.said:
                self.line(self.dim(f"    │ {said}"))
        self.line()

    @contextlib.contextmanager
    def working(self, what: str) -> Iterator[Callable[[str], None]]:
        """Show that something goes on: call what it gives with the present detail."""
        began = time.monotonic()
        detail, ended = [""], threading.Event()

        def show() -> None:
            last = began
            while not ended.wait(0.1 if self.live else 1.0):
                now = time.monotonic()
                if self.live:
                    self._move(f"  {self.dim('·')} {what:<14} {self.dim(f'{now - began:3.0f} s  {detail[0]}')}")
                elif now - last >= PLAIN_EVERY_S:
                    last = now
                    self.line(f"  · {what}: {now - began:.0f} s  {detail[0]}")

        shower = threading.Thread(target=show, daemon=True)
        shower.start()
        try:
            yield lambda text: detail.__setitem__(0, text)
        finally:
            ended.set()
            shower.join()
            with self._lock, contextlib.suppress(OSError):
                self._clear()

    def bold(self, text: str) -> str:
        return self._paint(text, "1")

    def dim(self, text: str) -> str:
        return self._paint(text, "2")

    def link(self, text: str) -> str:
        return self._paint(text, "1;36")

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.live else text

    def _move(self, text: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            self.out.write(f"\r\x1b[2K{text}")
            self.out.flush()
            self._moving = True

    def _clear(self) -> None:
        if self._moving:
            self.out.write("\r\x1b[2K")
            self._moving = False
