"""How the Action Queue reads: dead letters in words, latency as a chart, a table and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from kovra.dashboard import charts, wording
from kovra.guard.outcome import FailureKind
from kovra.store.traffic import Speed, Times

#: What a single action takes at most, from the click to its case.
PROMISE_S = 1.0

#: The steps of an action, in their order.
STEPS = {
    "waited": "Waited in the lane",
    "checked": "Signature and rights checked",
    "notice": "DM, when one was sent before the act",
    "discord": "Discord",
    "case": "Case written",
    "post": "Log post",
}

_FORGED = (
    "Its signature does not hold: it was forged or altered on its way.",
    "Whoever runs Kovra looks who can write to Redis. Discard it; the good request is kept and not changed by it.",
)
_STRANGE = (
    "It is no entry of Kovra’s: something else wrote it, or it was damaged.",
    "Discard it. Whoever runs Kovra looks what else writes to this Redis.",
)
_MISPLACED = (
    "It says other things than the lane entry that carried it.",
    "Whoever runs Kovra looks who can write to Redis. Discard it; requests that were accepted are not lost by that.",
)
_LETTERS = {
    "failed": (
        "The worker gave it up after an error of its own.",
        "Retry it when the cause is gone; whoever runs Kovra finds the error in the worker’s log.",
    ),
    "poison": (
        "A worker died each time it had this in hand.",
        "Retry it once; if it comes back, discard it and tell whoever runs Kovra.",
    ),
    "actor": (
        "No worker knows what to do with it; it may come from another version of Kovra.",
        "Retry it when all processes run the same version.",
    ),
    **dict.fromkeys(("fields", "size", "undecodable", "options"), _STRANGE),
    **dict.fromkeys(("queue", "lane", "priority", "order_key", "lock", "shard"), _MISPLACED),
}


#: What to do about a failed request whose own sentence says only what happened.
_REMEDIES: Mapping[str, str] = {
    FailureKind.TARGET_GONE: "A ban still reaches them by their id.",
    FailureKind.NO_CHANNEL: "Choose another channel.",
    FailureKind.INVALID: "Ask again with other values.",
    FailureKind.REFUSED: "Ask again; if Discord refuses it again, the health check may say why.",
}


def remedy(kind: str) -> str:
    """What to do about a request that failed so; empty when its sentence says it."""
    return _REMEDIES.get(kind, "")


def letter(cause: str) -> tuple[str, str]:
    """What happened to an entry that lies aside, and what to do. An unknown word is the check's own: a refused seal."""
    return _LETTERS.get(cause, _FORGED)


def chart(speed: Speed, moments: Sequence[datetime], step: timedelta) -> Mapping[str, Any]:
    """Median and 95th percentile over the hour, in a unit that keeps the labels short."""
    highest = max([PROMISE_S * 1.1, *(times.p95_s for times in speed.points.values())])
    in_seconds = highest >= 10
    unit, label = (1, "s") if in_seconds else (1000, "ms")
    ticks = charts.ticks(highest * unit)
    top = ticks[-1].value / unit

    def line(name: str) -> charts.Line:
        return charts.line([_of(speed.points.get(at), name) for at in moments], top)

    return {
        "ticks": ticks,
        "unit": label,
        "p50": line("p50_s"),
        "p95": line("p95_s"),
        "promise_y": round(100 - 100 * PROMISE_S / top, 2),
        "labels": [
            (round(100 * at / (len(moments) - 1), 2), f"{moments[at]:%H:%M}") for at in range(0, len(moments), 10)
        ],
        "numbers": [(f"{at:%H:%M} to {at + step:%H:%M}", speed.points.get(at)) for at in reversed(moments)],
        "steps": [(STEPS[name], speed.steps.get(name)) for name in STEPS],
        "sentence": _sentence(speed),
    }


def _of(times: Times | None, name: str) -> float | None:
    return None if times is None else getattr(times, name)


def _sentence(speed: Speed) -> str:
    whole = speed.whole
    if whole is None:
        return "No single action was done in the last hour."
    late = sum(times.p95_s > PROMISE_S for times in speed.points.values())
    over = (
        f"Above the promise of one second in {late} of {len(speed.points)} points."
        if late
        else "Always inside the promise of one second."
    )
    return (
        f"{wording.count(whole.requests, 'single action')} in the last hour, median {1000 * whole.p50_s:.0f} ms, "
        f"95th percentile {1000 * whole.p95_s:.0f} ms. {over} The same numbers are in the table."
    )
