"""Readers of the case browser: each a process with a browser's cookie, asking as fast as it is answered.

Imports nothing of Kovra: eight processes that start must not cost what they measure.
"""

from __future__ import annotations

import http.client
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

READERS = 8
#: Connections of one reader; as many as browsers open to one server.
LINES = 6
PATIENCE_S = 60


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one kind of question cost: milliseconds of each answer, how many failed, and the seconds of processor that
    all of them took.
    """

    ms: Sequence[float]
    failed: int
    cpu_s: float


def ask(
    address: tuple[str, int],
    cookie: str,
    questions: Mapping[str, Sequence[str]],
    seconds: float,
    cpu_s: Callable[[], float],
) -> dict[str, Answers]:
    """Eight readers ask one kind of question after the other, each for so many seconds, all of its paths in turn.

    ``cpu_s`` tells what those who answer have spent until now.
    """
    spawned = multiprocessing.get_context("spawn")
    start, answers = spawned.Barrier(READERS), spawned.Queue()
    readers = [
        spawned.Process(
            target=_read, args=(number, address, cookie, dict(questions), seconds, start, answers), daemon=True
        )
        for number in range(READERS)
    ]
    for reader in readers:
        reader.start()
    told: dict[str, list[tuple[list[float], int]]] = {kind: [] for kind in questions}
    spent, before = {}, cpu_s()
    for number in range(READERS * len(questions)):
        kind, times, failed = answers.get(timeout=seconds + 2 * PATIENCE_S)
        told[kind].append((times, failed))
        if number % READERS == READERS - 1:
            # All are back before any asks the next kind.
            spent[kind], before = cpu_s() - before, cpu_s()
    for reader in readers:
        reader.join(10)
    return {
        kind: Answers(
            ms=[ms for times, _ in each for ms in times], failed=sum(failed for _, failed in each), cpu_s=spent[kind]
        )
        for kind, each in told.items()
    }


def _read(
    reader: int,
    address: tuple[str, int],
    cookie: str,
    questions: Mapping[str, Sequence[str]],
    seconds: float,
    start: Any,
    answers: Any,
) -> None:
    # As a browser keeps them, asked in turn: the kernel shares connections out by lot, and eight would fall unevenly.
    lines = [http.client.HTTPConnection(*address, timeout=PATIENCE_S) for _ in range(LINES)]
    headers = {"Cookie": f"kovra={cookie}", "HX-Request": "true", "Host": "localhost"}
    for kind, paths in questions.items():
        # Each begins elsewhere, so that not all ask the same at the same time.
        first = reader * len(paths) // READERS
        turn = [*paths[first:], *paths[:first]]
        times: list[float] = []
        failed = 0
        start.wait(4 * PATIENCE_S)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            line = lines[len(times) % LINES]
            began = time.monotonic()
            line.request("GET", turn[len(times) % len(turn)], headers=headers)
            answer = line.getresponse()
            answer.read()
            times.append((time.monotonic() - began) * 1000)
            failed += answer.status != 200
        answers.put((kind, times, failed))
