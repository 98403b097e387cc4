"""The steps of one action with their times: what the trace of a case shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: What is read of a request for its steps.
SHOWN = (
    *("issued_at", "created_at", "accepted_at", "claimed_at", "checked_at", "notice_at", "notice_done_at"),
    *("notice_status", "effect_at", "effect_done_at", "failure_kind", "applied_at", "post_at", "post_done_at"),
    "post_status",
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step. ``ended_at`` is None while it runs; ``status`` is what came of it, if there is more to say."""

    name: str
    started_at: datetime
    ended_at: datetime | None
    status: str | None = None


def steps_of(row: Any) -> list[Step]:
    """What happened to a request, in the order it happened, of a row with ``SHOWN``. Only steps that began
    are in it.
    """
    accepted = row.accepted_at or row.created_at
    steps = [
        # The wish arose on somebody's machine, whose clock may be ahead of ours.
        _step("requested", min(row.issued_at, accepted), accepted),
        _step("queued", accepted, row.claimed_at) if row.accepted_at else None,
        _step("checked", row.claimed_at, row.checked_at),
        _step("notice", row.notice_at, row.notice_done_at, row.notice_status),
        _step("effect", row.effect_at, row.effect_done_at, "failed" if row.failure_kind else None),
        _step("applied", row.effect_done_at or row.checked_at, row.applied_at) if row.applied_at else None,
        _step("post", row.post_at, row.post_done_at, row.post_status),
    ]
    begun = [step for step in steps if step]
    return sorted(begun, key=lambda step: step.started_at)


def _step(name: str, start: datetime | None, end: datetime | None, status: str | None = None) -> Step | None:
    return Step(name=name, started_at=start, ended_at=end, status=status) if start else None
