"""Guard's hands: each act and message is one HTTP attempt through Pycord, made for synchronous worker threads.

Pycord belongs to one event loop. It gets a thread of its own here; callers wait for their answer in theirs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import discord

from kovra.actions.request import Action
from kovra.bot import payloads
from kovra.bot.buckets import Limited
from kovra.bot.http import BEHIND, LEAVE_BEFORE, GuardHTTP, reached
from kovra.bot.places import PlaceCalls
from kovra.bot.pointing import points_at
from kovra.bot.ports import Pacer
from kovra.errors import DiscordError, DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.ports import Message
from kovra.ids import DISCORD_EPOCH_MS, ChannelId, GuildId, MessageId, UserId
from kovra.store.mirror import BanRow, MemberRow, RoleRow

T = TypeVar("T")

_UNKNOWN_MEMBER, _UNKNOWN_USER, _UNKNOWN_BAN = 10007, 10013, 10026

#: What Discord's audit log calls our deeds (API reference, Audit Log Events).
_AUDIT_TYPES = {Action.KICK: 20, Action.BAN: 22, Action.UNBAN: 23, Action.MUTE: 24, Action.UNMUTE: 24}

#: Most entries or messages Discord gives at once, and how many such pages of the audit log are worth reading.
_PAGE, _AUDIT_PAGES = 100, 3

#: Most bans in one page, how many pages are worth reading, and how many bans are sooner asked for one by one.
_BANS_IN_A_PAGE, _BAN_PAGES, _FEW_BANS = 1000, 20, 10

#: What is added to the time limits of a call before its caller gives up on the loop itself, in seconds.
_SLACK_S = 5.0


class GuardRest(PlaceCalls):
    """The port ``guard.ports.Discord`` over Pycord. Safe from any thread but its own.

    Args:
        token: the bot's token.
        base_url: the Discord it is meant for; ``start`` refuses when Pycord points elsewhere.
        timeout_s: for one request.
        longest_wait_s: how long a call may wait for a rate limit before it is ``DiscordLimited``; a little more than
            the second after which most of Discord's buckets are free again.
        pacer: the pace shared by all processes; ``None`` switches it off.
    """

    def __init__(
        self,
        token: str,
        base_url: str,
        *,
        pacer: Pacer | None = None,
        timeout_s: float = 10.0,
        longest_wait_s: float = 1.5,
    ) -> None:
        self._token, self._base_url, self._pacer = token, base_url, pacer
        self._timeout_s, self._longest_wait_s = timeout_s, longest_wait_s
        self._http: GuardHTTP | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._calls: set[concurrent.futures.Future[Any]] = set()

    @property
    def limited(self) -> int:
        """How often Discord has answered with 429."""
        return 0 if self._http is None else self._http.limited

    @property
    def invalid(self) -> int:
        """How many answers Discord has counted as invalid: 10,000 in ten minutes block the address."""
        return 0 if self._http is None else self._http.invalid

    def start(self) -> None:
        """Start the loop's thread. Asks Discord nothing: a worker may start while Discord is away.

        Raises:
            RuntimeError: Pycord points at another Discord than ``base_url``; the token must not go there.
        """
        if not points_at(self._base_url):
            raise RuntimeError(f"Pycord does not point at {self._base_url}; point it there first")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="guard-rest", daemon=True)
        self._thread.start()
        self._http = self._on_loop(self._make_http())

    def close(self, drain_s: float = 10.0) -> None:
        """Take no more calls, wait for those on their way, then close the connections."""
        http, self._http = self._http, None
        if http is None:
            return
        concurrent.futures.wait(list(self._calls), timeout=drain_s)
        self._on_loop(http.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SLACK_S)
        self._loop.close()

    def behind(self, work: Callable[..., T]) -> Callable[..., T]:
        """This work, whose calls stand behind what somebody waits for."""

        def run(*args: Any, **kwargs: Any) -> T:
            before = BEHIND.set(True)
            try:
                return work(*args, **kwargs)
            finally:
                BEHIND.reset(before)

        return run

    @contextmanager
    def leaving_before(self, moment: float) -> Iterator[None]:
        """What this thread calls in the block leaves before this moment of ``running_s`` or is DiscordUnreached."""
        before = LEAVE_BEFORE.set(moment)
        try:
            yield
        finally:
            LEAVE_BEFORE.reset(before)

    def ban(self, guild_id: GuildId, user_id: UserId, *, delete_window_s: int, reason: str) -> None:
        """Ban a member or a bare id; their messages of the last ``delete_window_s`` seconds go too."""
        self._call(lambda http: http.ban(user_id, guild_id, delete_message_seconds=delete_window_s, reason=reason))

    def bulk_ban(
        self, guild_id: GuildId, user_ids: Sequence[UserId], *, delete_window_s: int, reason: str
    ) -> frozenset[UserId]:
        """Ban up to 200 users in one call; who was banned by it. Discord says of nobody why they were not."""
        answer = self._call(
            lambda http: http.bulk_ban(list(user_ids), guild_id, delete_message_seconds=delete_window_s, reason=reason)
        )
        try:
            return frozenset(UserId(int(user_id)) for user_id in answer["banned_users"])
        except (KeyError, TypeError, ValueError) as error:
            raise DiscordUnknown("Discord's answer does not say who was banned") from error

    def bans_among(self, guild_id: GuildId, user_ids: Iterable[UserId]) -> dict[UserId, str]:
        """Who of these is banned, with the reason. Few are asked for one by one, many are read from the list."""
        wanted = sorted(set(user_ids))
        found: dict[UserId, str] = {}
        after, pages = (wanted[0] - 1 if wanted else 0), 0
        while len(wanted) > _FEW_BANS and pages < _BAN_PAGES:
            page = self._call(lambda http, after=after: http.get_bans(guild_id, limit=_BANS_IN_A_PAGE, after=after))
            rows = [payloads.ban_row(ban) for ban in page]
            found |= {row.user_id: row.reason or "" for row in rows if row.user_id in wanted}
            after, pages = max([after, *(row.user_id for row in rows)]), pages + 1
            wanted = [user_id for user_id in wanted if user_id > after] if len(rows) == _BANS_IN_A_PAGE else []
        for user_id in wanted:
            if (ban := self.fetch_ban(guild_id, user_id)) is not None:
                found[user_id] = ban.reason or ""
        return found

    def noted_targets(self, guild_id: GuildId, action: Action, mark: str) -> frozenset[UserId]:
        """Whom one of the last 300 entries of the audit log for this action names, with the mark at its end."""
        return frozenset(
            UserId(int(entry["target_id"]))
            for entry in self._late_entries(guild_id, action)
            if entry.get("target_id") and _marked(entry, mark)
        )

    def unban(self, guild_id: GuildId, user_id: UserId, *, reason: str) -> None:
        """Lift a ban."""
        self._call(lambda http: http.unban(user_id, guild_id, reason=reason))

    def kick(self, guild_id: GuildId, user_id: UserId, *, reason: str) -> None:
        """Remove a member."""
        self._call(lambda http: http.kick(user_id, guild_id, reason=reason))

    def mute(self, guild_id: GuildId, user_id: UserId, *, until: datetime, reason: str) -> None:
        """Time a member out until an aware moment."""
        # Discord reads a time without its offset in a zone of its own choosing.
        if until.tzinfo is None:
            raise ValueError("until must be an aware moment")
        moment = until.astimezone(UTC).isoformat(timespec="milliseconds")
        self._call(lambda http: http.edit_member(guild_id, user_id, communication_disabled_until=moment, reason=reason))

    def unmute(self, guild_id: GuildId, user_id: UserId, *, reason: str) -> None:
        """End a member's time-out."""
        self._call(lambda http: http.edit_member(guild_id, user_id, communication_disabled_until=None, reason=reason))

    def add_role(self, guild_id: GuildId, user_id: UserId, role_id: int, *, reason: str) -> None:
        """Give a member a role; that they have it already is no error."""
        self._call(lambda http: http.add_role(guild_id, user_id, role_id, reason=reason))

    def remove_role(self, guild_id: GuildId, user_id: UserId, role_id: int, *, reason: str) -> None:
        """Take a role from a member; that they have not got it is no error."""
        self._call(lambda http: http.remove_role(guild_id, user_id, role_id, reason=reason))

    def set_roles(self, guild_id: GuildId, user_id: UserId, role_ids: Sequence[int], *, reason: str) -> None:
        """Give a member these roles and no others, in one call."""
        roles = [str(role_id) for role_id in role_ids]
        self._call(lambda http: http.edit_member(guild_id, user_id, roles=roles, reason=reason))

    def open_dm(self, user_id: UserId) -> ChannelId:
        """The channel of direct messages with a user; the same one each time."""
        return ChannelId(_id_of(self._call(lambda http: http.start_private_message(user_id))))

    def send(self, channel_id: ChannelId, message: Message, *, nonce: str) -> MessageId:
        """Send a message that pings nobody. Within a few minutes the same nonce gives the first message back."""
        sent = self._call(
            lambda http: http.send_message(
                channel_id,
                message.content,
                embeds=[dict(embed) for embed in message.embeds] or None,
                nonce=nonce,
                enforce_nonce=True,
                allowed_mentions={"parse": []},
            )
        )
        return MessageId(_id_of(sent))

    def edit(self, channel_id: ChannelId, message_id: MessageId, message: Message) -> None:
        """Let a message of Guard's read so. It pings nobody."""
        self._call(
            lambda http: http.edit_message(
                channel_id,
                message_id,
                content=message.content,
                embeds=[dict(embed) for embed in message.embeds],
                allowed_mentions={"parse": []},
            )
        )

    def fetch_member(self, guild_id: GuildId, user_id: UserId) -> MemberRow | None:
        """A member as Discord sees them now; None when they are none. For when the gateway is silent: 5 a second."""
        try:
            return payloads.member_row(self._call(lambda http: http.get_member(guild_id, user_id)))
        except DiscordRefused as error:
            if error.code in (_UNKNOWN_MEMBER, _UNKNOWN_USER):
                return None
            raise

    def fetch_ban(self, guild_id: GuildId, user_id: UserId) -> BanRow | None:
        """A ban with its reason; None when there is none."""
        try:
            return payloads.ban_row(self._call(lambda http: http.get_ban(user_id, guild_id)))
        except DiscordRefused as error:
            if error.code == _UNKNOWN_BAN:
                return None
            raise

    def noted(self, guild_id: GuildId, action: Action, mark: str) -> bool:
        """Whether one of the last 300 entries of the audit log for this action ends in the mark."""
        return any(_marked(entry, mark) for entry in self._late_entries(guild_id, action))

    def _late_entries(self, guild_id: GuildId, action: Action) -> Iterator[dict[str, Any]]:
        before: int | None = None
        for _ in range(_AUDIT_PAGES):
            page = self._call(
                lambda http, before=before: http.get_audit_logs(
                    guild_id, limit=_PAGE, before=before, action_type=_AUDIT_TYPES[action]
                )
            )
            entries = page["audit_log_entries"]
            yield from entries
            if len(entries) < _PAGE:
                return
            before = min(int(entry["id"]) for entry in entries)

    def find_message(self, channel_id: ChannelId, message: Message, *, nonce: str, since: datetime) -> MessageId | None:
        """Look for a message by its nonce, else by its text and the footer of its embed; a hundred are looked at."""
        after = int(since.timestamp() * 1000) - DISCORD_EPOCH_MS << 22
        wanted = (message.content, _footer(message.embeds))
        for found in self._call(lambda http: http.logs_from(channel_id, _PAGE, after=after)):
            same = (found.get("content") or "", _footer(found.get("embeds") or [])) == wanted
            if found.get("nonce") == nonce or (same and found["author"].get("bot")):
                return MessageId(int(found["id"]))
        return None

    def fetch_roles(self, guild_id: GuildId) -> list[RoleRow]:
        """The guild's roles as Discord sees them now."""
        return [payloads.role_row(role) for role in self._call(lambda http: http.get_roles(guild_id))]

    def put_commands(self, application_id: int, commands: list[dict[str, Any]]) -> None:
        """Tell Discord all commands of the application; others are gone. Twice a minute at most."""
        self._call(lambda http: http.bulk_upsert_global_commands(application_id, commands))

    async def _make_http(self) -> GuardHTTP:
        http = GuardHTTP(
            loop=asyncio.get_running_loop(),
            timeout_s=self._timeout_s,
            longest_wait_s=self._longest_wait_s,
            pacer=self._pacer,
        )
        http.token = self._token
        return http

    def _call(self, ask: Callable[[GuardHTTP], Awaitable[T]]) -> T:
        """Make one call on the loop and wait for its end, told in Kovra's errors."""
        http = self._http
        if http is None:
            raise DiscordUnreached("Guard's hands are not open")
        asked = _awaited(ask, http, BEHIND.get(), LEAVE_BEFORE.get())
        call = asyncio.run_coroutine_threadsafe(asked, self._loop)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            # Each of bucket, line and pace may hold a request back that long.
            return call.result(self._timeout_s + 3 * self._longest_wait_s + _SLACK_S)
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            call.cancel()  # one that the loop itself has not come to must not leave after its caller has gone
            raise as_kovra(error) from error

    def _on_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SLACK_S)


async def _awaited(
    ask: Callable[[GuardHTTP], Awaitable[T]], http: GuardHTTP, behind: bool | None, leave_before: float | None
) -> T:
    # A context of the caller's thread does not come along by itself.
    BEHIND.set(behind)
    LEAVE_BEFORE.set(leave_before)
    # Pycord's methods build their request when called, so they are called on the loop too.
    return await ask(http)


def as_kovra(error: Exception) -> DiscordError:
    """Tell an error of Pycord or aiohttp as one of the four that the executor knows."""
    if isinstance(error, Limited):
        return DiscordLimited(error.retry_after_s)
    if isinstance(error, discord.HTTPException) and error.status < 500:
        return DiscordRefused(error.status, error.code, error.text)
    if isinstance(error, discord.HTTPException):
        return DiscordUnknown(f"Discord answered {error.status}")
    if not reached(error):
        return DiscordUnreached(str(error) or type(error).__name__)
    return DiscordUnknown(str(error) or type(error).__name__)


def _marked(entry: Mapping[str, Any], mark: str) -> bool:
    return (entry.get("reason") or "").rstrip().endswith(mark)


def _footer(embeds: Sequence[Mapping[str, Any]]) -> str | None:
    return (embeds[0].get("footer") or {}).get("text") if embeds else None


def _id_of(answer: Any) -> int:
    try:
        return int(answer["id"])
    except (KeyError, TypeError, ValueError) as error:
        raise DiscordUnknown("Discord's answer holds no id") from error
