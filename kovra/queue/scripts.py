"""The broker's Lua scripts: ``lua/lib.lua``, one file each, ``lua/each.lua``. What a script does stands at its top."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import redis
from redis.cluster import RedisCluster

from kovra.queue.lines import ClusterLines, Lines

_FOLDER = Path(__file__).with_name("lua")
_NAMES = (
    "enqueue", "fetch", "finish", "sweep", "beat", "give_up", "redrive", "pause", "mend_lane", "mend_shard", "census",
)  # fmt: skip

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
        longest: how many entries of one priority a lane takes.
    """

    def __init__(self, client: redis.Redis | RedisCluster, *, in_flight: int, kept: int, longest: int) -> None:
        self._caps = (in_flight, kept, longest)
        self.clustered = isinstance(client, RedisCluster)
        self.lines = ClusterLines(client) if self.clustered else Lines(client)
        self._sources = {name: _source(name) for name in _NAMES} | {"gather": (_FOLDER / "gather.lua").read_text()}
        self._shas = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in self._sources.items()}

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
        """Run a script in several shards, in one round trip or, in a cluster, one each; answers in the same order.

        A step that fails gives its error as its answer and stops no other.
        """
        steps = [(prefix, list(words)) for prefix, words in calls]
        if not self.clustered:
            return self._run(name, steps)
        answers: list[Any] = []
        for step in steps:
            try:
                answers += self._run(name, [step])
            except redis.RedisError as error:  # of one node: the shards of the others go on
                answers.append(error)
        return answers

    def _run(self, name: str, steps: list[tuple[str, list[Any]]]) -> list[Any]:
        args: list[Any] = list(self._caps)
        for _, words in steps:
            args += [len(words), *words]
        replies = self._call(name, [prefix for prefix, _ in steps], args)
        return [answer if done else _failure(answer) for done, answer in zip(replies[::2], replies[1::2], strict=True)]

    def gather(self, bells: list[str], most: int) -> list[int]:
        """Take the tokens of up to ``most`` doorbells; which of them rang."""
        return self._call("gather", bells, [most])

    def _call(self, name: str, keys: list[str], args: list[Any]) -> Any:
        try:
            return self.lines.ask("EVALSHA", self._shas[name], len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:  # the server is new or was told to forget; nothing was run
            return self.lines.ask("EVAL", self._sources[name], len(keys), *keys, *args)


def _failure(text: bytes) -> redis.RedisError:
    said = text.decode(errors="replace")
    if said.startswith("OOM "):
        return redis.OutOfMemoryError(said)
    if "non local key" in said:
        # The shard's slot is on its way to another node. The prefix, of which no key is made, sent us to the new node,
        # and nothing was touched: neither node's half of the shard is taken for the whole.
        return redis.exceptions.TryAgainError(said)
    return redis.ReadOnlyError(said) if said.startswith("READONLY ") else redis.ResponseError(said)
