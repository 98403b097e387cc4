"""The steps of one action as the side sheet draws them: a bar where each began and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

#: A step of no length is still seen, in percent of the width.
_THINNEST = 1.2


class Step(Protocol):
    """One step as it is kept. ``ended_at`` is None while it runs, ``status`` what came of it."""

    @property
    def name(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def status(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the drawing. ``x`` and ``width`` are percent of the whole."""

    icon: str
    label: str
    x: float
    width: float
    ms_label: str
    bad: bool = False
    running: bool = False


@dataclass(frozen=True, kw_only=True)
class Trace:
    steps: tuple[Line, ...]
    total_label: str


#: Icon and words of each step, and the words when it came out another way.
_WORDS = {
    "requested": ("key", "Signed and accepted"),
    "queued": ("queue", "Waited in queue"),
    # Guard takes only what it could verify; then it looks at the rights again.
    "checked": ("check", "Signature, rights checked"),
    "notice": ("mail", "DM"),
    "effect": ("screen", "Discord answered"),
    "applied": ("cases", "Case written"),
    "post": ("hash", "Posted in the log"),
}
_NOTICE = {
    "sent": "DM sent",
    "refused": "DM refused",
    "skipped": "DM skipped",
    "unknown": "DM unanswered",
    "not_needed": "No DM",
    "sending": "DM on its way",
}
_POST = {
    "refused": "Log post refused",
    "unknown": "Log post unanswered",
    "not_needed": "No log channel",
    "sending": "Log post on its way",
}
_BAD = frozenset({"refused", "skipped", "unknown", "failed"})


def draw(steps: Sequence[Step]) -> Trace:
    """Lay the steps out over the time they took together."""
    if not steps:
        return Trace(steps=(), total_label="")
    begin = min(step.started_at for step in steps)
    end = max(step.ended_at or step.started_at for step in steps)
    whole = max((end - begin).total_seconds() * 1000, 1.0)
    asked = Line(icon="bolt", label="Requested", x=0, width=_THINNEST, ms_label="0 ms")
    lines = tuple(_line(step, begin, whole) for step in steps)
    return Trace(steps=(asked, *lines), total_label=f"{_ms(whole)} in all")


def _line(step: Step, begin: datetime, whole_ms: float) -> Line:
    start_ms = (step.started_at - begin).total_seconds() * 1000
    took_ms = ((step.ended_at or step.started_at) - step.started_at).total_seconds() * 1000
    width = max(100 * took_ms / whole_ms, _THINNEST)
    icon, label = _WORDS.get(step.name, ("clock", step.name.replace("_", " ").capitalize()))
    if step.name == "notice":
        label = _NOTICE.get(step.status or "", label)
    elif step.name == "post":
        label = _POST.get(step.status or "", label)
    bad = (step.status or "") in _BAD
    return Line(
        icon="mailx" if bad and step.name == "notice" else icon,
        label=label,
        x=round(min(100 * start_ms / whole_ms, 100 - _THINNEST), 1),
        width=round(min(width, 100 - min(100 * start_ms / whole_ms, 100 - _THINNEST)), 1),
        ms_label="running" if step.ended_at is None else f"+{_ms(took_ms)}",
        bad=bad,
        running=step.ended_at is None,
    )


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:,.1f} s"
