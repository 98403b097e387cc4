"""Whose turn a request is. A claim is fenced: every later write names its epoch and fails when someone took over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from kovra.actions.request import ActionRequest, State
from kovra.guard.case import Case, NoticeStatus, PostStatus
from kovra.ids import GuildId

#: Of the clocks that never go back, the one that goes on while the machine sleeps, where there is one.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def running_s() -> float:
    """Seconds by a clock that goes on while this process stands still: by it a claim is known to be over."""
    return time.clock_gettime(_CLOCK)


class NotClaimed(StrEnum):
    """Why there is nothing to do for an entry of a lane."""

    FINISHED = "finished"
    """The request has reached its end: an identical copy, acknowledged and counted."""
    RUNNING = "running"
    """A living worker has it."""
    TARGET_BUSY = "target_busy"
    """Another request on this target is being executed; the relay brings this one back."""
    DEFERRED = "deferred"
    """It is not due yet."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to execute one request, and what earlier attempts left behind.

    Attributes:
        epoch: counts the claims of this request; a write under an older epoch changes nothing.
        attempt: 1 the first time.
        state: ``executing``, or ``applied`` when only messages are left to send.
        accepted_at, expires_at: from the database's clock.
        now: the database's clock when the claim was made.
        revoked: its key was revoked after it was accepted; nothing may begin.
        effect_at: when an earlier attempt had committed its intent to act; whether it acted is unknown.
        effect_before: what that attempt kept of the time before.
        notice, post: where the messages of earlier attempts stand.
        notice_channel_id: the DM channel, once opened.
        case: the case, once finalised.
    """

    request: ActionRequest
    epoch: int
    attempt: int
    state: State
    accepted_at: datetime
    expires_at: datetime
    now: datetime
    revoked: bool = False
    effect_at: datetime | None = None
    effect_before: Mapping[str, Any] = field(default_factory=dict)
    notice: NoticeStatus | None = None
    notice_at: datetime | None = None
    post: PostStatus | None = None
    post_at: datetime | None = None
    case: Case | None = None

    @property
    def effect_intended(self) -> bool:
        return self.effect_at is not None

    @property
    def guild_id(self) -> GuildId:
        return self.request.guild_id

    @property
    def request_id(self) -> UUID:
        return self.request.request_id
