"""Test messages, which people ask for in the settings to see that a log post or a notice arrives.

They go the way of the posts that wait: a loop of the worker sends them, each once, and says what became of it. They are
tried for a minute and not for a day: somebody watches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from kovra.actions.ports import Bulletin
from kovra.actions.request import Action
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.guard.notice_texts import NoticeTexts, example, notice_text, plain
from kovra.guard.notices import NONCE_TRUSTED, send_once
from kovra.guard.ports import Discord, Message
from kovra.ids import ChannelId, GuildId, UserId, message_nonce

#: The common channel of cases, and the beginning of a notice's kind; any other kind is an ``EventClass``.
COMMON, NOTICE = "common", "notice_"

#: What could not be tried for so long is not sent any more.
TRIED_FOR = timedelta(minutes=1)

#: Tests sent for one guild before others have their turn.
AT_ONCE = 5


class Arrival(StrEnum):
    """What became of a test message."""

    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    """By Discord, with its code."""
    NOWHERE = "nowhere"
    """No channel is chosen for it any more."""
    UNKNOWN = "unknown"
    """No answer came, and it was not found where it should be."""
    UNREACHED = "unreached"
    """Discord could not be reached, or asked Guard to wait for longer than somebody watches."""


@dataclass(frozen=True, kw_only=True)
class MessageTest:
    """A test that somebody is to send now. ``first_at``: when it may have been sent for the first time."""

    test_id: UUID
    guild_id: GuildId
    kind: str
    asked_by: UserId
    asked_by_name: str
    asked_at: datetime
    first_at: datetime
    now: datetime


class MessageTestLedger(Protocol):
    """The record of what is asked for."""

    def next_test(self, guild_id: GuildId) -> MessageTest | None:
        """Take the next one, and commit that it is about to be sent."""

    def put_off_test(self, test: MessageTest, *, delay_s: float) -> None:
        """It certainly was not sent."""

    def end_test(self, test: MessageTest, status: Arrival, *, code: int | None, channel_id: ChannelId | None) -> None:
        """What became of it, unless it has been asked for anew meanwhile."""


class MessageTestRoster(Protocol):
    """What a server has set."""

    def log_channels(self, guild_id: GuildId) -> LogChannels: ...

    def notice_texts(self, guild_id: GuildId) -> NoticeTexts: ...


@dataclass(frozen=True, kw_only=True)
class MessageTests:
    """Sends the tests that wait in a guild."""

    ledger: MessageTestLedger
    roster: MessageTestRoster
    discord: Discord
    bulletin: Bulletin

    def run(self, guild_id: GuildId) -> int:
        """Send what can be sent now, and say how much that was.

        Raises:
            Unavailable: Postgres does not answer; what was begun is taken up again later.
        """
        done = 0
        while done < AT_ONCE and (test := self.ledger.next_test(guild_id)) is not None:
            self._send(test)
            done += 1
        return done

    def _send(self, test: MessageTest) -> None:
        channel_id, code = None, None
        try:
            channel_id = self._place(test)
            status = Arrival.NOWHERE if channel_id is None else self._sent(test, channel_id)
        except DiscordRefused as error:
            status, code = Arrival.REFUSED, error.code
        except DiscordUnknown:
            status = Arrival.UNKNOWN
        except (DiscordLimited, DiscordUnreached) as error:
            wait_s = getattr(error, "retry_after_s", 5.0)
            if test.now + timedelta(seconds=wait_s) - test.asked_at < TRIED_FOR:
                self.ledger.put_off_test(test, delay_s=wait_s)
                return
            status = Arrival.UNREACHED
        self.ledger.end_test(test, status, code=code, channel_id=channel_id)
        self.bulletin.ring(test.guild_id)

    def _place(self, test: MessageTest) -> ChannelId | None:
        if test.kind.startswith(NOTICE):
            return self.discord.open_dm(test.asked_by)
        channels = self.roster.log_channels(test.guild_id)
        return channels.common if test.kind == COMMON else channels.of(EventClass(test.kind))

    def _sent(self, test: MessageTest, channel_id: ChannelId) -> Arrival:
        send_once(
            self.discord,
            channel_id,
            self._message(test),
            message_nonce(test.test_id, "t"),
            since=test.first_at,
            look_only=test.now - test.first_at > NONCE_TRUSTED,
        )
        return Arrival.SENT

    def _message(self, test: MessageTest) -> Message:
        if not test.kind.startswith(NOTICE):
            what = "Cases" if test.kind == COMMON else f"The posts “{test.kind}”"
            text = (
                f"**Test.** {what} come to this channel. Asked for by {plain(test.asked_by_name)}; nobody was acted on."
            )
            return Message(content=text)
        action, texts = Action(test.kind.removeprefix(NOTICE)), self.roster.notice_texts(test.guild_id)
        told = replace(example(action, test.now), member=test.asked_by_name)
        return Message(content=f"-# Test from Kovra: nothing was done to you.\n{notice_text(texts, told)}"[:2000])
