"""The record of what was done: the values of a case and of its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from kovra.actions.request import TO_CHANNELS, TO_SERVER, Action, Source
from kovra.ids import ChannelId, GuildId, MessageId, UserId


class NoticeStatus(StrEnum):
    """What became of the DM to the target."""

    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    SKIPPED = "skipped"
    """Its turn did not come in time."""
    NOT_TRIED = "not_tried"
    """Discord was not asked, because it would have refused: the code says how."""
    NOT_NEEDED = "not_needed"
    UNKNOWN = "unknown"


#: The target was to be told and was not, as far as anybody knows.
UNTOLD = frozenset({NoticeStatus.REFUSED, NoticeStatus.SKIPPED, NoticeStatus.NOT_TRIED, NoticeStatus.UNKNOWN})


class PostStatus(StrEnum):
    """What became of the post in the log channel."""

    WAITING = "waiting"
    """Its channel is busy or closed, or it is of a job: it is posted together with others."""
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    NOT_NEEDED = "not_needed"
    UNKNOWN = "unknown"
    DELETED = "deleted"
    """It was posted, and somebody has deleted it in Discord."""


@dataclass(frozen=True, kw_only=True)
class NoticeResult:
    """The end of one DM. ``code`` is Discord's error code when it refused (50007: closed DMs)."""

    status: NoticeStatus
    text: str | None = None
    code: int | None = None
    channel_id: ChannelId | None = None
    message_id: MessageId | None = None


@dataclass(frozen=True, kw_only=True)
class PostResult:
    """The end of one log post."""

    status: PostStatus
    code: int | None = None
    channel_id: ChannelId | None = None
    message_id: MessageId | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One numbered case, as it stands at finalise. ``case_no`` is the n-th case ever of its guild.

    ``for_case`` is the case whose end it keeps: the one whose ban it lifts, or whose mute it carries on. ``role_id`` is
    the role it gave or took, ``reverses`` the case it takes back, ``result`` what a purge deleted and in
    which channels: ``{"deleted": 37, "channels": ["…"]}``.
    """

    guild_id: GuildId
    case_no: int
    request_id: UUID
    action: Action
    target_id: UserId
    target_name: str
    moderator_id: UserId
    moderator_name: str
    source: Source
    reason: str
    created_at: datetime
    ends_at: datetime | None = None
    batch_id: UUID | None = None
    for_case: int | None = None
    role_id: int | None = None
    voided: bool = False
    reverses: int | None = None
    of_member: bool = False
    result: Mapping[str, Any] | None = None

    @property
    def of_place(self) -> bool:
        """Whether it was done to a channel or to the server, and not to a person."""
        return self.action in TO_CHANNELS | TO_SERVER or (self.action is Action.PURGE and not self.of_member)
