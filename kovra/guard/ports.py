"""What executing an action needs of the world, worded as Guard would say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from kovra.actions.envelope import Verified
from kovra.actions.request import Action, ActionRequest, Refusal
from kovra.actions.rights import Standing
from kovra.guard.case import Case, NoticeResult, PostResult
from kovra.guard.claim import Claim, NotClaimed
from kovra.guard.endings import KeptEnd
from kovra.guard.outcome import Failure
from kovra.ids import ChannelId, GuildId, MessageId, UserId

if TYPE_CHECKING:
    from kovra.guard.case_acts import Change
    from kovra.guard.log_channels import LogChannels
    from kovra.guard.notice_texts import NoticeTexts
    from kovra.guard.restoring import Hold


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message of Guard's. ``embeds`` are Discord's embed objects, ten at most; mentions never ping anyone."""

    content: str = ""
    embeds: tuple[Mapping[str, Any], ...] = ()


class MemberSeen(Protocol):
    """A member as Discord shows them now."""

    @property
    def joined_at(self) -> datetime | None: ...

    @property
    def timed_out_until(self) -> datetime | None: ...

    @property
    def role_ids(self) -> Sequence[int]: ...


class RoleSeen(Protocol):
    """A role as Discord shows it now."""

    @property
    def role_id(self) -> int: ...

    @property
    def position(self) -> int: ...

    @property
    def managed(self) -> bool: ...


class MessageSeen(Protocol):
    """A message as Discord shows it now."""

    @property
    def message_id(self) -> int: ...

    @property
    def author_id(self) -> int: ...

    @property
    def pinned(self) -> bool: ...


class ChannelSeen(Protocol):
    """A channel as Discord shows it now. ``everyone``: what it allows and denies @everyone, None when nothing."""

    @property
    def channel_id(self) -> int: ...

    @property
    def kind(self) -> int: ...

    @property
    def slow_s(self) -> int: ...

    @property
    def everyone(self) -> tuple[int, int] | None: ...


class ServerSeen(Protocol):
    """What of a server a lockdown changes, as Discord shows it now."""

    @property
    def level(self) -> int: ...

    @property
    def invites_until(self) -> datetime | None: ...

    @property
    def dms_until(self) -> datetime | None: ...


class BanSeen(Protocol):
    """A ban as Discord shows it now."""

    @property
    def reason(self) -> str | None: ...


class Discord(Protocol):
    """Guard's hands. Each call is one HTTP attempt.

    Every method raises DiscordRefused (certainly not done), DiscordLimited, DiscordUnreached (not done, may be asked
    again) or DiscordUnknown (may or may not have been done). ``reason`` is the audit-log reason, at most 512
    characters.
    """

    def leaving_before(self, moment: float) -> AbstractContextManager[None]:
        """What is called in the block leaves before this moment of ``running_s`` or is DiscordUnreached.

        Whoever stood still is not told: others may have acted meanwhile, and the same act again, late, would undo
        what people have done since.
        """

    def ban(self, guild_id: GuildId, user_id: UserId, *, delete_window_s: int, reason: str) -> None: ...

    def unban(self, guild_id: GuildId, user_id: UserId, *, reason: str) -> None: ...

    def kick(self, guild_id: GuildId, user_id: UserId, *, reason: str) -> None: ...

    def mute(self, guild_id: GuildId, user_id: UserId, *, until: datetime, reason: str) -> None: ...

    def unmute(self, guild_id: GuildId, user_id: UserId, *, reason: str) -> None: ...

    def add_role(self, guild_id: GuildId, user_id: UserId, role_id: int, *, reason: str) -> None: ...

    def remove_role(self, guild_id: GuildId, user_id: UserId, role_id: int, *, reason: str) -> None: ...

    def set_roles(self, guild_id: GuildId, user_id: UserId, role_ids: Sequence[int], *, reason: str) -> None:
        """All roles of a member in one call; what is not named is taken."""

    def set_everyone(self, guild_id: GuildId, channel_id: int, bits: tuple[int, int] | None, *, reason: str) -> None:
        """What a channel allows and denies @everyone; None takes its own word about it away."""

    def set_slowmode(self, channel_id: int, slow_s: int, *, reason: str) -> None: ...

    def set_level(self, guild_id: GuildId, level: int, *, reason: str) -> None:
        """The verification level of a server, 0 to 4."""

    def pause(
        self, guild_id: GuildId, *, invites_until: datetime | None, dms_until: datetime | None, reason: str
    ) -> None:
        """Pause invites and DMs, for 24 hours at most; None lifts the pause."""

    def delete_messages(self, channel_id: int, message_ids: Sequence[int], *, reason: str) -> None:
        """Delete up to a hundred messages younger than 14 days. Those that are gone already are no error."""

    def open_dm(self, user_id: UserId) -> ChannelId: ...

    def send(self, channel_id: ChannelId, message: Message, *, nonce: str) -> MessageId:
        """Sent with ``enforce_nonce``: the same nonce within a few minutes gives the first message back."""

    def edit(self, channel_id: ChannelId, message_id: MessageId, message: Message) -> None:
        """Let a message of Guard's read so; doing it twice is doing it once."""

    # Looking changes nothing, and is how an unknown outcome becomes a known one.

    def fetch_member(self, guild_id: GuildId, user_id: UserId) -> MemberSeen | None: ...

    def fetch_roles(self, guild_id: GuildId) -> Sequence[RoleSeen]: ...

    def fetch_channel(self, guild_id: GuildId, channel_id: int) -> ChannelSeen: ...

    def fetch_channels(self, guild_id: GuildId) -> Sequence[ChannelSeen]: ...

    def fetch_server(self, guild_id: GuildId) -> ServerSeen: ...

    def latest_messages(self, channel_id: int, *, before: int | None) -> Sequence[MessageSeen]:
        """The latest hundred messages, or those before this one, newest first."""

    def fetch_ban(self, guild_id: GuildId, user_id: UserId) -> BanSeen | None: ...

    def noted(self, guild_id: GuildId, action: Action, mark: str) -> bool:
        """Whether a late entry of the audit log for this action has a reason that ends in the mark."""

    def find_message(self, channel_id: ChannelId, message: Message, *, nonce: str, since: datetime) -> MessageId | None:
        """The message with this nonce, or a bot's with the same content, among the first hundred since a moment."""


class Roster(Protocol):
    """Who is who in a guild at the moment of execution."""

    def standing(self, guild_id: GuildId, moderator_id: UserId, target_id: UserId) -> Standing:
        """From the mirror; when the gateway has not been heard for 60 s, moderator and target are read over REST.

        Raises Unavailable when neither answers: the request is then deferred.
        """

    def around(self, request: ActionRequest, standing: Standing) -> Standing:
        """The same, with what else the request names. Raises Unavailable."""

    def joined_at(self, guild_id: GuildId, user_id: UserId) -> datetime | None:
        """When a member joined, as the mirror knows it; None when it knows of none."""

    def notice_texts(self, guild_id: GuildId) -> NoticeTexts:
        """What the guild has written for its notices, and its name."""

    def log_channels(self, guild_id: GuildId) -> LogChannels:
        """Where cases are posted."""


class Ledger(Protocol):
    """The queue of record, as the executor writes it.

    Every write names the claim's epoch; it raises ClaimLost when another worker has taken over, and Unavailable when
    Postgres does not answer. Moments are taken from the database's clock. Each method is one transaction.
    """

    def claim(self, verified: Verified) -> Claim | NotClaimed:
        """Take a request: state ``executing``, epoch and attempt counted up, event ``action.running``.

        Raises EnvelopeRefused when no row has this id (``unknown_request``), or its bytes, key or signature differ
        (``row_differs``).
        """

    def await_key(self, lane: GuildId, *, body: bytes, kid: str, sig: str) -> bool:
        """Let an accepted request wait whose key this worker does not know, for one that does.

        False when no accepted request of this lane was sealed so: then it is a forgery.
        """

    def intend_notice(self, claim: Claim) -> None: ...

    def record_notice(self, claim: Claim, result: NoticeResult) -> None: ...

    def dms_are_closed(self, claim: Claim, closed: bool) -> None:
        """Remember, or forget, that Discord refuses Guard's DMs to this target."""

    def intend_effect(self, claim: Claim, before: Mapping[str, Any]) -> float:
        """Commit that Guard is about to act; no call that changes Discord leaves before this.

        Returns:
            Until when the claim is surely ours, by :func:`~kovra.guard.claim.running_s`; no call leaves after it.
        """

    def finalise(
        self,
        claim: Claim,
        *,
        standing: Standing,
        ends_at: datetime | None,
        result: Mapping[str, Any] | None = None,
    ) -> Case:
        """Case number, case, the ends of its target, event ``case.created`` and state ``applied``, all in one."""

    def kept_end(self, claim: Claim) -> KeptEnd | None:
        """The end of a case that this request keeps (``for_case``); None when it was lifted or replaced since."""

    def case(self, claim: Claim) -> Case | None:
        """The case that the request is about, as it stands."""

    def amend(self, claim: Claim, *, standing: Standing, change: Change) -> Case:
        """Change the case: itself, its end, its thread, event ``case.updated`` and state ``applied``, all in one."""

    def close(self, claim: Claim) -> None:
        """Nothing is left to do for a request about a case: state ``done``, event ``action.done``."""

    def intended(self, claim: Claim) -> Mapping[str, Any]:
        """What was kept with the latest intent of this claim."""

    def hold(self, claim: Claim) -> Hold | None:
        """What is kept for this target of the time before an act that this one begins anew or takes back."""

    def intend_post(self, claim: Claim, channel_id: ChannelId) -> None: ...

    def finish(self, claim: Claim, post: PostResult) -> None:
        """What became of the post, state ``done``, event ``action.done``. Who was never told was not to be told."""

    def fail(self, claim: Claim, failure: Failure) -> None:
        """State ``failed`` (``dead`` when its attempts are used up), event ``action.failed``, audit entry."""

    def reject(self, claim: Claim, refusal: Refusal) -> None:
        """State ``rejected``, event ``action.rejected``, audit entry."""

    def expire(self, claim: Claim) -> None:
        """State ``expired``, event ``action.expired``, audit entry."""

    def give_back(self, claim: Claim, *, delay_s: float, intent_stays: bool = False) -> None:
        """State ``accepted`` with a due time, event ``action.queued``; the relay brings it back.

        ``intent_stays``: what became of the deed is still unknown, so whoever takes it next must look first.
        """

    def leave(self, claim: Claim) -> None:
        """Let go of a claim that could not be written on; others may have it once the database answers again."""

    def put_off(self, claim: Claim, *, delay_s: float) -> None:
        """Let the log post of a case wait: this attempt certainly sent nothing. State ``applied`` with a due time."""


class Quarantine(Protocol):
    """Where entries go that must not be executed."""

    def refuse(self, *, lane: GuildId, body: bytes, cause: str, request: ActionRequest | None = None) -> None:
        """Write the audit entry ``envelope.refused`` for an entry of this lane. The good row is never touched."""

    def replayed(self, *, lane: GuildId, request: ActionRequest) -> None:
        """Count an identical copy of a finished or running request."""
