"""What Guard says: the notice to the target and the post in the log channel. Neither ever stops an action."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kovra.actions.checkpoint import nowhere
from kovra.actions.request import TO_SERVER, Action
from kovra.actions.rights import Standing
from kovra.errors import DiscordError, DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.case import Case, NoticeResult, NoticeStatus, PostResult, PostStatus
from kovra.guard.claim import Claim
from kovra.guard.endings import RENEWED
from kovra.guard.native import NOBODY
from kovra.guard.notice_texts import TOLD_AFTER, TOLD_BEFORE, cut, notice_text, plain, telling
from kovra.guard.ports import Discord, Ledger, Message, Roster
from kovra.ids import ChannelId, MessageId, audit_ref, message_nonce

#: Discord remembers a nonce for "a few minutes"; it is trusted for this long after the first try.
NONCE_TRUSTED = timedelta(seconds=60)

#: Discord's clock and the database's differ by less than this.
_CLOCKS_APART = timedelta(seconds=60)

_MAX_REASON_IN_POST = 1000

_COLOURS = {
    Action.BAN: 0xD9534F,
    Action.KICK: 0xE0873E,
    Action.MUTE: 0x8E6BD8,
    Action.WARN: 0xD9B13B,
    Action.NOTE: 0x7A8699,
    Action.UNBAN: 0x3FA66B,
    Action.UNMUTE: 0x3FA66B,
    Action.SOFTBAN: 0xD9534F,
    Action.ROLE_ADD: 0x4A90D9,
    Action.ROLE_REMOVE: 0x4A90D9,
    Action.QUARANTINE: 0x8E6BD8,
    Action.UNQUARANTINE: 0x3FA66B,
    Action.PRUNE: 0xE0873E,
    Action.BLOCK: 0x7A8699,
    Action.PURGE: 0xE0873E,
    Action.LOCK: 0xD9B13B,
    Action.UNLOCK: 0x3FA66B,
    Action.SLOWMODE: 0xD9B13B,
    Action.SLOWMODE_OFF: 0x3FA66B,
    Action.LOCKDOWN: 0xD9534F,
    Action.LOCKDOWN_OFF: 0x3FA66B,
}


def _whom(case: Case) -> list[dict[str, Any]]:
    """The member or the channel of a case; a lockdown has neither."""
    if case.action in TO_SERVER:
        return []
    if case.of_place:
        found = [{"name": "Channel", "value": f"<#{case.target_id}>", "inline": True}]
    else:
        named = f"<@{case.target_id}>\n`{case.target_id}`"
        # A prune names nobody.
        value = plain(case.target_name) if case.action is Action.PRUNE else named
        found = [{"name": "Member", "value": value, "inline": True}]
    if case.result is not None:
        where = " ".join(f"<#{channel_id}>" for channel_id in case.result["channels"][:10])
        found += [{"name": "Deleted", "value": f"{case.result['deleted']} messages in {where}", "inline": True}]
    return found


def case_post(
    case: Case, notice: NoticeStatus | None, case_url: str, most_reason: int = _MAX_REASON_IN_POST
) -> Message:
    """The post in the log channel. Its footer carries the mark by which a lost post is found again."""
    fields = [
        *_whom(case),
        {"name": "Moderator", "value": _who(case), "inline": True},
        {"name": "Source", "value": case.source.value, "inline": True},
    ]
    if case.ends_at:
        fields.append({"name": "Until", "value": f"<t:{int(case.ends_at.timestamp())}:f>", "inline": True})
    if case.role_id:
        fields.append({"name": "Role", "value": f"<@&{case.role_id}>", "inline": True})
    if case.for_case:
        word = "Carries on" if case.action in RENEWED else "Ends"
        fields.append({"name": word, "value": f"#{case.for_case}", "inline": True})
    if notice in (NoticeStatus.REFUSED, NoticeStatus.SKIPPED, NoticeStatus.UNKNOWN):
        fields.append({"name": "DM", "value": f"{notice.value}: the member was not told", "inline": True})
    if case.reverses:
        fields.append({"name": "Reverses", "value": f"#{case.reverses}", "inline": True})
    if case.voided:
        fields.append({"name": "Void", "value": "This case does not count any more.", "inline": True})
    embed = {
        "title": f"Case #{case.case_no} · {case.action.noun.capitalize()} · {cut(plain(case.target_name), 80)}",
        "url": case_url,
        "description": cut(case.reason, most_reason) or "No reason given",
        "color": _COLOURS[case.action],
        "fields": fields,
        "footer": {"text": audit_ref(case.request_id)},
        "timestamp": case.created_at.isoformat(),
    }
    return Message(embeds=(embed,))


@dataclass(frozen=True, kw_only=True)
class Notices:
    """Sends the messages of an action, each at most once, and records what became of them.

    ``base_url`` is the dashboard's public address, for the link in a log post; ``at`` is the executor's checkpoint.
    """

    ledger: Ledger
    roster: Roster
    discord: Discord
    base_url: str
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
        """Send the DM of a case once more, as the case reads now."""
        return self._tell(claim, standing, case)

    def repost(self, case: Case, where: tuple[ChannelId, MessageId] | None) -> None:
        """Let the post of a case read as the case does now. A post that is gone, or may not be edited, stays so."""
        if where is None:
            return
        message = case_post(case, None, f"{self.base_url}/g/{case.guild_id}/cases?case={case.case_no}")
        with suppress(DiscordError):
            self.discord.edit(*where, message)

    def _tell(
        self, claim: Claim, standing: Standing, case: Case | None, ends_at: datetime | None = None
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
            return self._no_notice(claim, NoticeStatus.SKIPPED)
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
        return result.status

    def post(self, claim: Claim, case: Case, notice: NoticeStatus | None) -> PostResult:
        """Post the case in the guild's log channel.

        Raises:
            DiscordLimited, DiscordUnreached: this attempt certainly sent nothing; it is worth another later.
        """
        channel_id = self.roster.log_channels(claim.guild_id).of_case(case)
        if channel_id is None:
            return PostResult(status=PostStatus.NOT_NEEDED)
        look_only = _forgotten(claim.post_at, claim)
        if not look_only:
            self.ledger.intend_post(claim, channel_id)
            self.at("after_log_intent")
        message = case_post(case, notice, f"{self.base_url}/g/{case.guild_id}/cases?case={case.case_no}")
        try:
            nonce = message_nonce(claim.request_id, "l")
            since = claim.post_at or claim.now
            message_id = send_once(self.discord, channel_id, message, nonce, since=since, look_only=look_only)
        except DiscordRefused as error:
            return PostResult(status=PostStatus.REFUSED, code=error.code, channel_id=channel_id)
        except DiscordUnknown:
            return PostResult(status=PostStatus.UNKNOWN, channel_id=channel_id)
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

    def _no_notice(self, claim: Claim, status: NoticeStatus) -> NoticeStatus:
        self.ledger.record_notice(claim, NoticeResult(status=status))
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
            with suppress(DiscordError):
                return discord.send(channel_id, message, nonce=nonce)
    try:
        found = discord.find_message(channel_id, message, nonce=nonce, since=since - _CLOCKS_APART)
    except DiscordError as error:
        raise DiscordUnknown("whether the message was sent cannot be seen") from error
    if found is None:
        raise DiscordUnknown("the message was not found where it may have been sent")
    return found


def _who(case: Case) -> str:
    """Whom a case is credited to; Discord names nobody for its own AutoMod, nor for a bulk ban."""
    return plain(case.moderator_name) if case.moderator_id == NOBODY else f"<@{case.moderator_id}>"


def _forgotten(first_try: datetime | None, claim: Claim) -> bool:
    """Whether Discord may have forgotten the nonce of a message that was begun."""
    return first_try is not None and claim.now - first_try > NONCE_TRUSTED
