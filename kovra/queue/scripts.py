"""The broker's Lua scripts: ``lua/lib.lua``, one file each, ``lua/each.lua``. What a script does stands at its top."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import redis

_FOLDER = Path(__file__).with_name("lua")
_NAMES = ("enqueue", "fetch", "finish", "sweep", "beat", "give_up", "redrive", "pause", "mend_lane", "mend_shard")

#: A prefix, and the arguments of the step in its shard.
Call = tuple[str, Iterable[Any]]


@cache
def _source(name: str) -> str:
    return "".join((_FOLDER / f"{part}.lua").read_text() for part in ("lib", name, "each"))


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

    def run(self, name: str, prefix: str, *args: Any) -> Any:
        """Run a script on the keys below ``prefix``.

        Raises:
            ResponseError: the step failed.
        """
        (answer,) = self.run_each(name, [(prefix, args)])
        if isinstance(answer, redis.RedisError):
            raise answer
        return answer

    def run_each(self, name: str, calls: Iterable[Call]) -> list[Any]:
        """Run a script in several shards in one round trip; answers in the same order.

        A step that fails gives its error as its answer and stops no other.
        """
        prefixes, args = [], list(self._caps)
        for prefix, given in calls:
            words = list(given)
            prefixes.append(prefix)
            args += [len(words), *words]
        replies = self._scripts[name](keys=prefixes, args=args)
        return [answer if done else _failure(answer) for done, answer in zip(replies[::2], replies[1::2], strict=True)]

    def gather(self, bells: list[str], most: int) -> list[int]:
        """Take the tokens of up to ``most`` doorbells; which of them rang."""
        return self._gather(keys=bells, args=[most])


def _failure(text: bytes) -> redis.RedisError:
    said = text.decode(errors="replace")
    if said.startswith("OOM "):
        return redis.OutOfMemoryError(said)
    return redis.ReadOnlyError(said) if said.startswith("READONLY ") else redis.ResponseError(said)
