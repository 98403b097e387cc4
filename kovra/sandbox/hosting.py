"""A sandbox on its own thread, for callers without an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kovra.sandbox.server import Sandbox

T = TypeVar("T")

#: How long a call into the sandbox's thread may take before something is wrong, in seconds.
_PATIENCE_S = 30


class Hosted:
    """A running sandbox and the way into its thread. Its state is touched through :meth:`call` only."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop) -> None:
        self.sandbox, self._loop = sandbox, loop

    @property
    def base_url(self) -> str:
        return self.sandbox.base_url

    def call(self, function: Callable[[Sandbox], T]) -> T:
        """Run a function on the sandbox's thread, between two of its requests, and return what it returns."""

        async def run() -> T:
            return function(self.sandbox)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_PATIENCE_S)


@contextmanager
def hosted(make: Callable[[], Sandbox], port: int = 0) -> Iterator[Hosted]:
    """Run a sandbox on a thread of its own until the block ends.

    Args:
        make: builds the sandbox; called on that thread.
        port: where to listen; 0 takes a free one.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(_PATIENCE_S)

    async def start() -> Sandbox:
        return await make().start(port)

    try:
        sandbox = run(start())
        try:
            yield Hosted(sandbox, loop)
        finally:
            run(sandbox.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE_S)
        loop.close()
