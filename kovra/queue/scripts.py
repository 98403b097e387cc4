"""The broker's Lua scripts: ``lua/lib.lua`` followed by one file each. What a script does stands at its top."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import redis

_FOLDER = Path(__file__).with_name("lua")
_NAMES = ("enqueue", "fetch", "finish", "sweep", "beat", "redrive", "pause", "mend_lane", "mend_shard")


@cache
def _source(name: str) -> str:
    return (_FOLDER / "lib.lua").read_text() + (_FOLDER / f"{name}.lua").read_text()


class Scripts:
    """Runs the scripts. One call is one atomic step in one shard.

    Args:
        client: where they run.
        in_flight: how many entries of a lane may be in flight.
        kept: how many of these are kept for interactive work.
    """

    def __init__(self, client: redis.Redis, *, in_flight: int, kept: int) -> None:
        self._caps = (in_flight, kept)
        self._scripts = {name: client.register_script(_source(name)) for name in _NAMES}
        self._gather = client.register_script((_FOLDER / "gather.lua").read_text())

    def run(self, name: str, prefix: str, *args: Any, pipe: redis.client.Pipeline | None = None) -> Any:
        """Run a script on the keys below ``prefix``; with ``pipe`` the answer comes when the pipeline is executed."""
        return self._scripts[name](keys=[prefix], args=[*self._caps, *args], client=pipe)

    def run_each(self, name: str, calls: Iterable[tuple[str, Iterable[Any]]], *, client: redis.Redis) -> list[Any]:
        """Run a script in several shards in one round trip: prefix and arguments of each; answers in the same order."""
        with client.pipeline(transaction=False) as pipe:
            for prefix, args in calls:
                self.run(name, prefix, *args, pipe=pipe)
            return pipe.execute()

    def gather(self, bells: list[str], most: int) -> list[int]:
        """Take the tokens of up to ``most`` doorbells; which of them rang."""
        return self._gather(keys=bells, args=[most])
