"""How the workers read on pages: who lives, what each serves, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from kovra.dashboard import wording
from kovra.store.workers import SILENT_AFTER, WorkerNow

_START = "Whoever runs Kovra starts one: the line “worker” of the Procfile."
#: What it means that nothing runs.
WAITS = "What is asked for is accepted, and waits until its time runs out."


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that is wrong: what it is, and what it means and who does what. ``bad``: nothing runs here."""

    title: str
    text: str
    bad: bool


@dataclass(frozen=True, kw_only=True)
class Hand:
    """One worker as a row. ``note`` says what is wrong with it."""

    worker: WorkerNow
    name: str
    shards: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Crew:
    """All of them, this server's shard among so many, how many serve it, and what is wrong."""

    hands: Sequence[Hand]
    shard: int
    shards: int
    serving: int
    trouble: Trouble | None


def crew(found: Sequence[WorkerNow], shard: int, shards: int, *, operator: bool) -> Crew:
    """What a reader sees of the workers; only an operator the names of machines and what concerns other servers."""
    hands = [
        Hand(
            worker=one,
            name=one.owner if operator else f"Worker {number}",
            shards=f"All {shards}" if len(one.shards) >= shards else ranges(one.shards),
            note=_note(one),
        )
        for number, one in enumerate(found, start=1)
    ]
    serving = sum(one.serves(shard) for one in found)
    trouble = standstill(found, shard)
    if trouble is None and operator:
        trouble = _nobody_elsewhere(found, shards)
    return Crew(hands=hands, shard=shard, shards=shards, serving=serving, trouble=trouble)


def ranges(numbers: Collection[int]) -> str:
    """ "0–31, 40"."""

    def runs() -> Iterator[str]:
        # Within a run each number is as far from its place as the one before.
        for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
            first, *others = [number for _, number in run]
            yield f"{first}–{others[-1]}" if others else str(first)

    return ", ".join(runs()) or "None"


def _note(one: WorkerNow) -> str:
    if not one.alive:
        return "It ended without a word, or cannot reach PostgreSQL. What it had in hand goes to a worker that lives."
    if not one.listening:
        return "It does not reach Redis, and goes on by itself once it does."
    return ""


def standstill(found: Sequence[WorkerNow], shard: int) -> Trouble | None:
    """Why nothing runs of what lies in this shard; None while a worker serves it."""
    if any(one.serves(shard) for one in found):
        return None
    alive = [one for one in found if one.alive]
    if not alive:
        title = "No worker runs, so nothing is executed."
        lately = "" if found else f" A worker is shown within {wording.duration(int(SILENT_AFTER.total_seconds()))}."
        return Trouble(title=title, text=f"{WAITS} {_START}{lately}", bad=True)
    if not any(one.listening for one in alive):
        text = "They go on by themselves once Redis answers. Whoever runs Kovra looks at it, and at REDIS_URL."
        return Trouble(title="No worker reaches Redis, so nothing is executed.", text=f"{WAITS} {text}", bad=True)
    text = f"Whoever runs Kovra adds {shard} to the KOVRA_WORKER_SHARDS of a worker, or unsets it, to let it serve all."
    title = f"No worker serves shard {shard}, which carries this server."
    return Trouble(title=title, text=f"{WAITS} {text}", bad=True)


def _nobody_elsewhere(found: Sequence[WorkerNow], shards: int) -> Trouble | None:
    left = [shard for shard in range(shards) if not any(one.serves(shard) for one in found)]
    if not left:
        return None
    title = f"Nobody serves {'shard' if len(left) == 1 else 'the shards'} {ranges(left)}."
    text = (
        "Servers there wait; this one does not. Whoever runs Kovra gives them to a worker with KOVRA_WORKER_SHARDS, or "
        "unsets it in one, which then serves all."
    )
    return Trouble(title=title, text=text, bad=False)
