"""What Guard says: the notice to the target and the post in the log channel. Neither ever stops an action."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kovra.actions.checkpoint import nowhere
from kovra.actions.rights import Standing
from kovra.errors import DiscordError, DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard import outcome
from kovra.guard.case import Case, NoticeResult, NoticeStatus, PostResult, PostStatus
from kovra.guard.case_post import Shown, post_of
from kovra.guard.claim import Claim
from kovra.guard.notice_texts import TOLD_AFTER, TOLD_BEFORE, notice_text, telling
from kovra.guard.ports import Discord, Ledger, Message, Roster
from kovra.ids import ChannelId, MessageId, message_nonce

#: Discord remembers a nonce for "a few minutes"; it is trusted for this long after the first try.
NONCE_TRUSTED = timedelta(seconds=60)

#: Discord's clock and the database's differ by less than this.
_CLOCKS_APART = timedelta(seconds=60)

#: Discord refuses a post so when the channel is gone or closed to Guard (API reference, JSON Error Codes): Unknown
#: Channel, Missing Access, Missing Permissions. Somebody can mend it, so what was not posted is posted then.
CLOSED = frozenset({10003, 50001, 50013})

#: For how long a channel that took no more counts as busy, in seconds.
BUSY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Busy:
    """Which channels lately took no more. While one does not, its cases wait and are posted together.

    It is this process's own memory: forgotten, the first case finds the channel busy again, and nothing else happens.
    """

    monotonic: Callable[[], float] = time.monotonic
    _until: dict[ChannelId, float] = field(default_factory=dict)

    def __call__(self, channel_id: ChannelId) -> bool:
        return self.monotonic() < self._until.get(channel_id, 0.0)

    def for_a_while(self, channel_id: ChannelId) -> None:
        """It took no more just now."""
        self._until[channel_id] = self.monotonic() + BUSY_S


@dataclass(frozen=True, kw_only=True)
class Notices:
    """Sends the messages of an action, each at most once, and records what became of them.

    ``base_url`` is the dashboard's public address, for the link in a log post; ``busy`` knows the channels that take no
    more now; ``at`` is the executor's checkpoint.
    """

    ledger: Ledger
    roster: Roster
    discord: Discord
    base_url: str
    busy: Busy = field(default_factory=Busy)
    at: Callable[[str], None] = nowhere

    def tell_before(self, claim: Claim, standing: Standing, ends_at: datetime | None = None) -> NoticeStatus | None:
        """Send the DM of a ban, softban or kick. None: this action is told later, or not at all."""
        return self._tell(claim, standing, None, ends_at) if claim.request.action in TOLD_BEFORE else None

    def tell_after(self, claim: Claim, standing: Standing, case: Case) -> NoticeStatus:
        """Send the DM of a mute, warn or quarantine, which names its case."""
        if claim.request.action in TOLD_AFTER:
            return self._tell(claim, standing, case)
        return claim.notice or NoticeStatus.NOT_NEEDED

    def tell_again(self, claim: Claim, standing: Standing, case: Case) -> NoticeStatus:
        """Send the DM of a case once more, as the case reads now. Somebody wants to know, so Discord is asked."""
        return self._tell(claim, standing, case, knock=True)

    def _tell(
        self,
        claim: Claim,
        standing: Standing,
        case: Case | None,
        ends_at: datetime | None = None,
        *,
        knock: bool = False,
    ) -> NoticeStatus:
        if claim.notice not in (None, NoticeStatus.SENDING):
            return claim.notice
        if not claim.request.tells:
            return NoticeStatus.NOT_NEEDED
        if standing.target.bot:
            return self._no_notice(claim, NoticeStatus.NOT_NEEDED)
        begun = claim.notice is NoticeStatus.SENDING
        if not standing.target.member and not begun:
            # Discord refuses a DM to someone we share no server with; asking anyway counts against Guard.
            return self._no_notice(claim, NoticeStatus.NOT_TRIED, outcome.NO_SERVER_SHARED)
        if standing.target.dms_closed and not (begun or knock):
            # Discord would refuse it again, and each refusal counts against Guard: a sweep must not knock 500 times.
            return self._no_notice(claim, NoticeStatus.NOT_TRIED, outcome.CLOSED_DMS)
        told = telling(claim.request, standing, ends_at=ends_at, case=case)
        text = notice_text(self.roster.notice_texts(claim.guild_id), told)
        # Sent again to someone who has left, the nonce would not help: Discord refuses before it looks at it.
        look_only = begun and (_forgotten(claim.notice_at, claim) or not standing.target.member)
        if not look_only:
            self.ledger.intend_notice(claim)
            self.at("after_notice_intent")
        result = self._send_notice(claim, text, look_only=look_only)
        self.at("after_notice_post")
        self.ledger.record_notice(claim, result)
        closed = result.status is NoticeStatus.REFUSED and result.code == outcome.CLOSED_DMS
        if closed or (standing.target.dms_closed and result.status is NoticeStatus.SENT):
            self.ledger.dms_are_closed(claim, closed)
        return result.status

    def post(self, claim: Claim, case: Case, notice: NoticeStatus | None) -> PostResult:
        """Post the case in its channel, or leave it to be posted together with others when the channel is busy.

        Raises:
            DiscordLimited, DiscordUnreached: this attempt certainly sent nothing, an earlier one may have.
        """
        channel_id = self.roster.log_channels(claim.guild_id).of_case(case)
        if channel_id is None:
            return PostResult(status=PostStatus.NOT_NEEDED)
        begun = claim.post_at is not None
        if not begun and self.busy(channel_id):
            return PostResult(status=PostStatus.WAITING)
        look_only = _forgotten(claim.post_at, claim)
        if not look_only:
            self.ledger.intend_post(claim, channel_id)
            self.at("after_log_intent")
        message = post_of([Shown(case=case, notice=notice)], self.base_url)
        try:
            nonce = message_nonce(claim.request_id, "l")
            since = claim.post_at or claim.now
            message_id = send_once(self.discord, channel_id, message, nonce, since=since, look_only=look_only)
        except DiscordRefused as error:
            if not begun and error.code in CLOSED:
                self.busy.for_a_while(channel_id)
                return PostResult(status=PostStatus.WAITING)
            return PostResult(status=PostStatus.REFUSED, code=error.code, channel_id=channel_id)
        except DiscordUnknown:
            return PostResult(status=PostStatus.UNKNOWN, channel_id=channel_id)
        except (DiscordLimited, DiscordUnreached):
            if begun:
                raise
            self.busy.for_a_while(channel_id)
            return PostResult(status=PostStatus.WAITING)
        return PostResult(status=PostStatus.SENT, channel_id=channel_id, message_id=message_id)

    def _send_notice(self, claim: Claim, text: str, *, look_only: bool) -> NoticeResult:
        try:
            since = claim.notice_at or claim.now
            channel_id = self.discord.open_dm(claim.request.target_id)
            nonce = message_nonce(claim.request_id, "d")
            message_id = send_once(
                self.discord, channel_id, Message(content=text), nonce, since=since, look_only=look_only
            )
        except DiscordRefused as error:
            status = NoticeStatus.UNKNOWN if look_only else NoticeStatus.REFUSED
            return NoticeResult(status=status, text=text, code=error.code)
        except (DiscordLimited, DiscordUnreached):
            return NoticeResult(status=NoticeStatus.UNKNOWN if look_only else NoticeStatus.SKIPPED, text=text)
        except DiscordUnknown:
            return NoticeResult(status=NoticeStatus.UNKNOWN, text=text)
        return NoticeResult(status=NoticeStatus.SENT, text=text, channel_id=channel_id, message_id=message_id)

    def _no_notice(self, claim: Claim, status: NoticeStatus, code: int | None = None) -> NoticeStatus:
        self.ledger.record_notice(claim, NoticeResult(status=status, code=code))
        return status


def send_once(
    discord: Discord, channel_id: ChannelId, message: Message, nonce: str, *, since: datetime, look_only: bool
) -> MessageId:
    """Send a message, or find it where it may have been sent already.

    Args:
        since: when it was first tried.
        look_only: it may have been sent, and sending it again would not give the first one back.
    """
    if not look_only:
        try:
            return discord.send(channel_id, message, nonce=nonce)
        except DiscordUnknown:
            # At once again: the nonce makes it the same message.
            with suppress(DiscordError):  # then the history tells below
                return discord.send(channel_id, message, nonce=nonce)
    try:
        found = discord.find_message(channel_id, message, nonce=nonce, since=since - _CLOCKS_APART)
    except DiscordError as error:
        raise DiscordUnknown("whether the message was sent cannot be seen") from error
    if found is None:
        raise DiscordUnknown("the message was not found where it may have been sent")
    return found


def _forgotten(first_try: datetime | None, claim: Claim) -> bool:
    """Whether Discord may have forgotten the nonce of a message that was begun."""
    return first_try is not None and claim.now - first_try > NONCE_TRUSTED
