"""The posts of a job in the log channel: up to ten cases in a message, as the channel takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kovra.actions.checkpoint import nowhere
from kovra.actions.job import Chunk
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.case import PostResult, PostStatus
from kovra.guard.job_ports import JobLedger, JobPost, JobRoster
from kovra.guard.notices import NONCE_TRUSTED, case_post, send_once
from kovra.guard.ports import Discord, Message
from kovra.ids import ChannelId, message_nonce

#: Ten embeds share 6,000 characters (API reference, Create Message): what is left of each reason.
_MAX_REASON = 200

#: How long a post waits when Discord could not be reached, in seconds.
RETRY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class JobPosts:
    """Posts the cases of a chunk that wait for it, each at most once; ``base_url`` is the dashboard's address."""

    ledger: JobLedger
    roster: JobRoster
    discord: Discord
    base_url: str
    at: Callable[[str], None] = nowhere

    def run(self, chunk: Chunk) -> None:
        """Send what is due until the channel takes no more; the relay brings the chunk back for the rest."""
        while (post := self.ledger.next_post(chunk)) is not None:
            self.at("after_log_intent")
            try:
                result = self._post(post)
            except (DiscordLimited, DiscordUnreached) as error:
                self.ledger.put_off_post(post, delay_s=getattr(error, "retry_after_s", RETRY_S))
                return
            self.at("after_log_post")
            self.ledger.end_post(post, result)

    def _post(self, post: JobPost) -> PostResult:
        channel_id = self.roster.log_channels(post.guild_id).of_case(post.cases[0][0])
        if channel_id is None:
            return PostResult(status=PostStatus.NOT_NEEDED)
        # Once Discord may have forgotten the nonce, the message is looked for and never sent again.
        look_only = post.now - post.first_at > NONCE_TRUSTED
        try:
            message_id = send_once(
                self.discord,
                channel_id,
                self._message(post),
                message_nonce(post.post_id, "l"),
                since=post.first_at,
                look_only=look_only,
            )
        except DiscordRefused as error:
            return PostResult(status=PostStatus.REFUSED, code=error.code, channel_id=channel_id)
        except DiscordUnknown:
            return PostResult(status=PostStatus.UNKNOWN, channel_id=channel_id)
        return _sent(channel_id, message_id)

    def _message(self, post: JobPost) -> Message:
        embeds = []
        for case, notice in post.cases:
            url = f"{self.base_url}/g/{case.guild_id}/cases?case={case.case_no}"
            embeds += case_post(case, notice, url, most_reason=_MAX_REASON).embeds
        return Message(embeds=tuple(embeds))


def _sent(channel_id: ChannelId, message_id: int) -> PostResult:
    return PostResult(status=PostStatus.SENT, channel_id=channel_id, message_id=message_id)
