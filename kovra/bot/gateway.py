"""The process ``bot.py``: Guard's connection to Discord, from the first connect to an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import aiohttp
import discord

from kovra.bot import hardening, shards
from kovra.bot.comings import Comings
from kovra.bot.evidence import EvidenceRoom
from kovra.bot.http import GuardHTTP
from kovra.bot.inquiries import Inquiries
from kovra.bot.introduction import Introduction
from kovra.bot.log_ear import LogEar
from kovra.bot.mirror import Mirror
from kovra.bot.native import NativeEar
from kovra.bot.pointing import points_at
from kovra.bot.ports import Book, Hints, Outcomes, Pacer, SubmitPort, Turns
from kovra.bot.rejoin import RejoinDoor
from kovra.bot.slash import Door
from kovra.bot.writer import Writer
from kovra.errors import KovraError
from kovra.store.bygone import BygoneKeeper
from kovra.store.health import HealthKeeper
from kovra.store.log_events import LogEventKeeper
from kovra.store.mirror import Mirror as StoredMirror
from kovra.store.native_inbox import NativeInbox

log = logging.getLogger(__name__)

#: guilds, members, moderation, messages, message content, voice states, invites, AutoMod configuration and execution.
#: No presences: nothing reads them, and they would be most of the traffic.
INTENTS = 3183303

#: Discord takes one IDENTIFY per 5 s and concurrency slot (Gateway, Rate Limiting); the rest is for the way there.
IDENTIFY_GAP_S = 5.25

#: How often the gateway is asked for a sign of life, in seconds. A shard that gave none for this long twice is silent.
PULSE_S = 10.0

#: How long a request of the gateway process waits for a rate limit: nobody is waiting for it.
_LONGEST_WAIT_S = 60.0

#: Bans of a huge guild come in hundreds of pages; readiness does not wait longer for them, in seconds.
_READY_WAIT_S = 30.0

#: Shares of the 10 s in which the process must have stopped: running commands, the writer.
_DOOR_DRAIN_S, _WRITER_DRAIN_S = 4.0, 3.0


class BotFailed(KovraError):
    """The bot cannot go on; the message says what to do."""


class GuardBot(discord.AutoShardedBot):
    """Pycord's bot with the settings Guard needs. It keeps no members and no messages: the mirror does."""

    def __init__(
        self, http: GuardHTTP, *, identify_gap_s: float, ready_timeout_s: float, turns: Turns | None, **of_shards: Any
    ) -> None:
        intents = discord.Intents.none()
        intents.value = INTENTS
        super().__init__(
            loop=asyncio.get_running_loop(),
            intents=intents,
            auto_sync_commands=False,
            cache_default_sounds=False,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            guild_ready_timeout=ready_timeout_s,
            allowed_mentions=discord.AllowedMentions.none(),
            **of_shards,
        )
        self.http = self._connection.http = http
        self._identify_gap_s, self._turns = identify_gap_s, turns
        self._slots: int | None = None
        self._identified_at: dict[int, float] = {}

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Keep Discord's distance between two IDENTIFY of a slot, here and in every other process."""
        if not self._identify_gap_s:
            return
        slot = (shard_id or 0) % await self._count_slots()
        if self._turns is not None:
            await asyncio.sleep(await asyncio.to_thread(self._turns.take, slot, self._identify_gap_s))
        if slot in self._identified_at:
            await asyncio.sleep(self._identified_at[slot] + self._identify_gap_s - time.monotonic())
        self._identified_at[slot] = time.monotonic()

    async def _count_slots(self) -> int:
        """How many shards may identify at once: ``max_concurrency``, which Discord tells; one while it does not."""
        if self._slots is None:
            try:
                told = await self.http.request(discord.http.Route("GET", "/gateway/bot"))
            except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("Discord did not say how many shards may identify at once: %r", error)
                return 1
            self._slots = max(1, int(told["session_start_limit"]["max_concurrency"]))
        return self._slots

    async def on_error(self, event: str, *args: Any, **kwargs: Any) -> None:
        """A listener failed; the rest goes on."""
        log.exception("the listener of %s failed", event)

    async def on_application_command_error(self, context: Any, error: Exception) -> None:
        """A command failed before the door had it."""
        log.error("a slash command failed", exc_info=error)


class BotProcess:
    """Guard's ears and the door ``/mod``. Building one opens nothing.

    Args:
        token: the bot's token.
        base_url: the Discord it is meant for.
        mirror: where Discord's state is written down.
        submit: the one way in.
        outcomes: waits for the end of a request.
        book: the cases, for commands that read; ``dashboard_url`` is where their links lead.
        evidence: keeps messages that are acted on.
        native: where it is written down what was done in Discord itself; None leaves that out.
        bygone: where it is written down who comes and goes, and how much members write; None leaves that out.
        heard: where it is written down what is to be posted in log channels beside cases; None leaves that out.
        health: where the bot says what it knows of itself, for the health check; None leaves that out.
        hints: tells open pages about members who come, go and change.
        pacer: the pace shared with the workers.
        turns: the turns to identify, shared with other bots.
        shard_count: how many gateway shards the bot has in all; None asks Discord.
        shard_ids: which of them this process runs; None is all.
        identify_gap_s: between two IDENTIFY.
        ready_timeout_s: how long after the last guild the start counts as over.
        pulse_s: how often the gateway's liveness is looked at.
    """

    def __init__(
        self,
        *,
        token: str,
        base_url: str,
        mirror: StoredMirror,
        submit: SubmitPort,
        outcomes: Outcomes,
        book: Book | None = None,
        evidence: EvidenceRoom | None = None,
        dashboard_url: str = "",
        native: NativeInbox | None = None,
        bygone: BygoneKeeper | None = None,
        heard: LogEventKeeper | None = None,
        health: HealthKeeper | None = None,
        hints: Hints | None = None,
        pacer: Pacer | None = None,
        turns: Turns | None = None,
        shard_count: int | None = None,
        shard_ids: list[int] | None = None,
        identify_gap_s: float = IDENTIFY_GAP_S,
        ready_timeout_s: float = 2.0,
        pulse_s: float = PULSE_S,
    ) -> None:
        self._token, self._base_url, self._pacer = token, base_url, pacer
        self._stored, self._native, self._bygone, self._hints = mirror, native, bygone, hints
        self._health, self._heard = health, heard
        self._door = Door(submit=submit, outcomes=outcomes, book=book, evidence=evidence, dashboard_url=dashboard_url)
        self._rejoins = RejoinDoor(mutes=mirror, submit=submit)
        self._shards = {"shard_count": shard_count, "shard_ids": shard_ids}
        self._gaps = {"identify_gap_s": identify_gap_s, "ready_timeout_s": ready_timeout_s, "turns": turns}
        self._pulse_s = pulse_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._failure: str | None = None
        self._bot: GuardBot | None = None
        self._listening: set[int] = set()
        self._identified: set[int] = set()
        #: Set when the pulse should be looked at now.
        self._look: asyncio.Event | None = None

    def run(self, ready: Callable[[], None]) -> None:
        """Listen until ``stop``, SIGTERM or SIGINT; then end within 10 s.

        Args:
            ready: called once, when Guard is connected and Discord's state has been written down.

        Raises:
            BotFailed: it cannot go on (wrong token, missing intents, a database away for too long).
        """
        if not points_at(self._base_url):
            raise RuntimeError(f"Pycord does not point at {self._base_url}; point it there first")
        asyncio.run(self._run(ready))
        if self._failure:
            raise BotFailed(self._failure)

    def stop(self, failure: str | None = None) -> None:
        """Ask for the end. From any thread, any number of times."""
        self._failure = self._failure or failure
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _run(self, ready: Callable[[], None]) -> None:
        self._loop, self._stopping, self._look = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self.stop)
        writer = Writer(overflowed=lambda: self.stop("The database has been away too long to keep up with Discord."))
        writer.start()
        http = GuardHTTP(loop=self._loop, longest_wait_s=_LONGEST_WAIT_S, pacer=self._pacer, behind=True)
        self._bot = bot = GuardBot(http, **self._gaps, **self._shards)
        mirror = Mirror(self._stored, writer, Inquiries(bot), self._hints, self._rejoins)
        ears = [mirror, *self._ears(bot, writer)]
        if self._heard is not None:
            # It compares with what the mirror knew before.
            ears.insert(0, LogEar(self._heard, writer, Inquiries(bot)))
        self._prepare(bot, http, ears)
        works = [
            asyncio.create_task(self._connect(bot)),
            asyncio.create_task(self._tell_ready(bot, mirror, writer, ready)),
            asyncio.create_task(self._feel_pulse(bot, mirror, writer, ears)),
        ]
        await self._stopping.wait()
        await self._door.close(_DOOR_DRAIN_S)
        for ear in ears:
            ear.close()
        for work in works[1:]:
            work.cancel()
        await bot.close()
        works[0].cancel()
        await asyncio.gather(*works, return_exceptions=True)
        await asyncio.to_thread(writer.stop, _WRITER_DRAIN_S)

    def _ears(self, bot: GuardBot, writer: Writer) -> list[Ear]:
        """Who hears the gateway beside the mirror."""
        ears: list[Ear] = []
        if self._native is not None:
            ears.append(NativeEar(self._native, writer, Inquiries(bot)))
        if self._bygone is not None:
            ears.append(Comings(self._bygone, writer, Inquiries(bot)))
        if self._health is not None:
            ears.append(Introduction(self._health, writer))
        return ears

    def _prepare(self, bot: GuardBot, http: GuardHTTP, ears: Sequence[Ear]) -> None:
        """Patch Pycord, listen to every event, open the door."""

        def tap(name: str, data: dict[str, Any]) -> None:
            self._follow_session(name, data)
            for ear in ears:
                ear.tap(name, data)

        hardening.keep_query_on_reconnect(http)
        hardening.obey_rate_limited(bot._connection)
        hardening.guard_parsers(bot._connection.parsers, tap)
        hardening.bound_backoff()
        bot.add_listener(self._on_ready, "on_ready")
        bot.add_listener(self._on_shard_disconnect, "on_shard_disconnect")
        self._door.open_on(bot)

    async def _connect(self, bot: GuardBot) -> None:
        """Log in, again and again while Discord is away, then stay connected."""
        pause_s = 1.0
        while True:
            try:
                await bot.login(self._token)
                await bot.connect()
            except (discord.LoginFailure, discord.PrivilegedIntentsRequired) as error:
                self.stop(_what_to_do(error))
                return
            except (
                discord.HTTPException,
                discord.GatewayNotFound,
                aiohttp.ClientError,
                OSError,
                TimeoutError,
            ) as error:
                log.warning("Discord cannot be reached, trying again in %.0f s: %r", pause_s, error)
            except discord.ConnectionClosed as error:
                self.stop(f"Discord closed the gateway for good (code {error.code}).")
                return
            except Exception:
                log.exception("the gateway ended")
                self.stop("The connection to Discord ended with an error; the log has it.")
                return
            if bot.is_closed():
                self.stop()
                return
            await asyncio.sleep(pause_s)  # before the next try
            pause_s = min(2 * pause_s, 30.0)

    async def _tell_ready(self, bot: GuardBot, mirror: Mirror, writer: Writer, ready: Callable[[], None]) -> None:
        """Say once that Guard listens and everything it was told first has been written."""
        await bot.wait_until_ready()
        with contextlib.suppress(TimeoutError):  # ready without it: what is late is read from Discord meanwhile
            await asyncio.wait_for(mirror.settled(), _READY_WAIT_S)
        # Until a shard is noted as heard, workers ask Discord who is who, call by call.
        self._look.set()
        await asyncio.wrap_future(writer.settled())
        ready()

    # Liveness

    def _follow_session(self, name: str, data: dict[str, Any]) -> None:
        if name == "READY":
            # Its guilds are still to come; until then the mirror is as old as the last session.
            self._listening.discard(data["__shard_id__"])
            self._identified.add(data["__shard_id__"])
        elif name == "RESUMED":
            self._listening.add(data["__shard_id__"])

    async def _on_ready(self) -> None:
        self._listening |= self._identified

    async def _on_shard_disconnect(self, shard_id: int) -> None:
        self._listening.discard(shard_id)
        self._identified.discard(shard_id)

    async def _feel_pulse(self, bot: GuardBot, mirror: Mirror, writer: Writer, ears: Sequence[Ear]) -> None:
        """Write down which shards are alive: connected, answering, and with nothing of theirs still unwritten.

        Discord's own heartbeat is only every 41 s, too slow to notice a silent gateway within a minute.
        """
        while True:
            for shard_id, shard in shards.of(bot).items():
                await shards.beat(shard.ws)
                known = shard_id in self._listening and not mirror.settling_on(shard_id, bot.shard_count)
                if known and shards.silent_s(shard.ws) < 2 * self._pulse_s:
                    writer.put(lambda shard_id=shard_id: self._stored.heard(shard_id, bot.shard_count))
            for ear in ears:
                ear.ask_again()
            with contextlib.suppress(TimeoutError):  # nobody asked for a look before its time
                await asyncio.wait_for(self._look.wait(), self._pulse_s)
            self._look.clear()


class Ear(Protocol):
    """Hears every event of the gateway."""

    def tap(self, name: str, data: dict[str, Any]) -> None: ...

    def ask_again(self) -> None:
        """Called with every pulse, for what is to be tried again or written down now and then."""

    def close(self) -> None: ...


def _what_to_do(error: Exception) -> str:
    if isinstance(error, discord.LoginFailure):
        return "Discord does not know this bot token. Set DISCORD_TOKEN to the token of your application’s bot."
    return (
        "Discord does not let Guard read members and messages. Switch on “Server Members Intent” and “Message Content "
        "Intent” for the bot in Discord’s developer portal."
    )
