"""Posts of several cases: what a busy or closed channel left waiting, ten to a message; and posts that read anew.

What happened on the server and is no case is posted the same way, behind the cases.

A case is posted by whoever executed it. When its channel takes no more, or it belongs to a job, it waits instead, and
nobody waits for it: a loop of the worker sends what is waiting, each message at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from kovra.actions.checkpoint import nowhere
from kovra.actions.ports import Bulletin
from kovra.errors import DiscordError, DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.case import PostResult, PostStatus
from kovra.guard.case_post import Shown, post_of
from kovra.guard.heard import Heard, heard_post
from kovra.guard.log_channels import LogChannels
from kovra.guard.notices import CLOSED, NONCE_TRUSTED, Busy, send_once
from kovra.guard.ports import Discord
from kovra.ids import ChannelId, GuildId, MessageId, message_nonce

#: How long a post waits when Discord could not be reached, and when the channel is closed to Guard, in seconds.
RETRY_S, CLOSED_S = 5.0, 30.0

#: What could not be posted for so long is not made up for.
MADE_UP = timedelta(days=1)

#: Messages sent, and edited, for one guild before others have their turn.
AT_ONCE = 5

_UNKNOWN_MESSAGE = 10008


@dataclass(frozen=True, kw_only=True)
class LogPost:
    """A message that somebody is to send now. ``first_at`` is when it may have been sent for the first time.

    It shows cases, or what was heard on the server. ``channel_id`` is None when that is not wanted anywhere any more,
    or, ``lost``, when the channel it was meant for is gone and somebody may make it again.
    """

    post_id: UUID
    guild_id: GuildId
    epoch: int
    first_at: datetime
    now: datetime
    channel_id: ChannelId | None
    cases: Sequence[Shown] = ()
    heard: Sequence[Heard] = ()
    lost: bool = False

    @property
    def oldest_at(self) -> datetime:
        """Since when the oldest of what it shows waits."""
        return min([one.case.created_at for one in self.cases] + [one.at for one in self.heard], default=self.now)


@dataclass(frozen=True, kw_only=True)
class PostEdit:
    """A message that is to read as its cases do now. ``wanted``: since when, by the number of each changed case."""

    guild_id: GuildId
    channel_id: ChannelId
    message_id: MessageId
    cases: Sequence[Shown]
    wanted: Mapping[int, datetime]


class PostLedger(Protocol):
    """The record of what waits to be posted."""

    def waiting(self) -> Sequence[GuildId]:
        """The guilds in which something may be posted or edited now."""

    def next_post(self, guild_id: GuildId, channels: LogChannels) -> LogPost | None:
        """Take the next post that is due, and commit that it is about to be sent. Busy channels are passed over."""

    def put_off_post(self, post: LogPost, *, delay_s: float, code: int | None = None) -> None:
        """It certainly was not sent; ``code``: because Discord refused it. Its channel rests as long."""

    def end_post(self, post: LogPost, result: PostResult) -> None:
        """What became of it, on the post, its requests and its cases. What was only heard is forgotten."""

    def next_edit(self, guild_id: GuildId) -> PostEdit | None:
        """The next message that does not read as its cases do."""

    def end_edit(self, edit: PostEdit, *, gone: bool = False) -> None:
        """It reads so; ``gone``: somebody has deleted it. What changed since is another edit."""

    def put_off_edit(self, edit: PostEdit, *, delay_s: float) -> None: ...


class LogRoster(Protocol):
    """Where cases are posted."""

    def log_channels(self, guild_id: GuildId) -> LogChannels: ...


@dataclass(frozen=True, kw_only=True)
class LogPosts:
    """Sends and edits what waits in a guild; ``base_url`` is the dashboard's address, ``at`` a checkpoint."""

    ledger: PostLedger
    roster: LogRoster
    discord: Discord
    bulletin: Bulletin
    base_url: str
    busy: Busy = field(default_factory=Busy)
    at: Callable[[str], None] = nowhere

    def run(self, guild_id: GuildId) -> int:
        """Do what can be done now, and say how much that was; others of the guild may be at it too.

        Raises:
            Unavailable: Postgres does not answer; what was begun is taken up again later.
        """
        done = 0
        channels = self.roster.log_channels(guild_id)
        while done < AT_ONCE and (post := self.ledger.next_post(guild_id, channels)) is not None:
            self._at("after_log_intent", post)
            self._send(post)
            done += 1
        edited = 0
        while edited < AT_ONCE and (edit := self.ledger.next_edit(guild_id)) is not None:
            edited += 1
            if not self._edit(edit):
                break
        return done + edited

    def _send(self, post: LogPost) -> None:
        if post.lost and not self._too_old(post):
            self.ledger.put_off_post(post, delay_s=CLOSED_S)
            return
        try:
            result = self._sent(post)
        except (DiscordLimited, DiscordUnreached) as error:
            self._rest(post)
            self.ledger.put_off_post(post, delay_s=getattr(error, "retry_after_s", RETRY_S))
            return
        except DiscordRefused as error:
            if error.code in CLOSED and not self._too_old(post):
                self._rest(post)
                self.ledger.put_off_post(post, delay_s=CLOSED_S, code=error.code)
                return
            result = PostResult(status=PostStatus.REFUSED, code=error.code, channel_id=post.channel_id)
        self._at("after_log_post", post)
        self.ledger.end_post(post, result)
        self.bulletin.ring(post.guild_id)

    def _sent(self, post: LogPost) -> PostResult:
        if post.channel_id is None:
            return PostResult(status=PostStatus.NOT_NEEDED)
        if len(post.cases) > 1:
            self._rest(post)
        try:
            message_id = send_once(
                self.discord,
                post.channel_id,
                post_of(post.cases, self.base_url) if post.cases else heard_post(post.heard, post.post_id),
                message_nonce(post.post_id, "l"),
                since=post.first_at,
                # Once Discord may have forgotten the nonce, the message is looked for and never sent again.
                look_only=post.now - post.first_at > NONCE_TRUSTED,
            )
        except DiscordUnknown:
            return PostResult(status=PostStatus.UNKNOWN, channel_id=post.channel_id)
        return PostResult(status=PostStatus.SENT, channel_id=post.channel_id, message_id=message_id)

    def _edit(self, edit: PostEdit) -> bool:
        """False when the channel takes no more edits now. Editing twice is editing once."""
        try:
            self.discord.edit(edit.channel_id, edit.message_id, post_of(edit.cases, self.base_url))
        except DiscordRefused as error:
            # What may not be edited stays as it reads; nobody can tell when it may be again.
            self.ledger.end_edit(edit, gone=error.code == _UNKNOWN_MESSAGE)
            self.bulletin.ring(edit.guild_id)
        except DiscordError as error:
            self.ledger.put_off_edit(edit, delay_s=getattr(error, "retry_after_s", RETRY_S))
            return False
        else:
            self.ledger.end_edit(edit)
        return True

    def _rest(self, post: LogPost) -> None:
        # Cases do not wait for what was only heard.
        if post.channel_id is not None and post.cases:
            self.busy.for_a_while(post.channel_id)

    def _at(self, point: str, post: LogPost) -> None:
        self.at(point)
        for name in {one.case.batch_id or one.case.request_id for one in post.cases}:
            self.at(f"{point}@{name}")

    @staticmethod
    def _too_old(post: LogPost) -> bool:
        return post.now - post.oldest_at > MADE_UP
