"""Readers of the case browser: each a process with a browser's cookie, asking as fast as it is answered."""

from __future__ import annotations

import http.client
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.casefile.seed import GUILD

READERS = 8
PATIENCE_S = 30


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one question cost: milliseconds of each answer, and how many failed."""

    ms: Sequence[float]
    failed: int


def ask(
    address: tuple[str, int], cookie: str, questions: Mapping[str, Sequence[str]], seconds: float
) -> dict[str, Answers]:
    """Eight readers ask one kind of question after the other, for so many seconds, all of its paths in turn."""
    return {kind: _asked(address, cookie, paths, seconds) for kind, paths in questions.items()}


def _asked(address: tuple[str, int], cookie: str, paths: Sequence[str], seconds: float) -> Answers:
    spawned = multiprocessing.get_context("spawn")
    start, answers = spawned.Barrier(READERS), spawned.Queue()
    turns = [[*paths[number % len(paths) :], *paths[: number % len(paths)]] for number in range(READERS)]
    readers = [
        spawned.Process(target=_read, args=(address, cookie, turn, seconds, start, answers), daemon=True)
        for turn in turns
    ]
    for reader in readers:
        reader.start()
    told = [answers.get(timeout=seconds + 4 * PATIENCE_S) for _ in readers]
    for reader in readers:
        reader.join(10)
    return Answers(ms=[ms for times, _ in told for ms in times], failed=sum(failed for _, failed in told))


def _read(
    address: tuple[str, int], cookie: str, paths: Sequence[str], seconds: float, start: Any, answers: Any
) -> None:
    line = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
    get = _getter(line, cookie)
    times: list[float] = []
    failed = 0
    get(paths[0])
    start.wait(PATIENCE_S)
    ends = time.monotonic() + seconds
    number = 0
    while time.monotonic() < ends:
        began = time.monotonic()
        failed += get(paths[number % len(paths)]) != 200
        times.append((time.monotonic() - began) * 1000)
        number += 1
    answers.put((times, failed))


def _getter(line: http.client.HTTPConnection, cookie: str) -> Callable[[str], int]:
    headers = {"Cookie": f"kovra={cookie}", "HX-Request": "true", "Host": "localhost"}

    def get(path: str) -> int:
        line.request("GET", f"/g/{GUILD}{path}", headers=headers)
        answer = line.getresponse()
        answer.read()
        return answer.status

    return get
