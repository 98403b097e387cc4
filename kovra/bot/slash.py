"""The door ``/mod``: turns a slash command into a request, calls submit, and words the answer. No rule lives here.

The answer is only for the moderator who asked. It is promised within Discord's 3 s, and then edited: refused, queued,
and at last what became of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import discord
from discord.utils import escape_markdown

from kovra.actions.request import CASE_ACTS, Action, ActionRequest, Receipt, Source, State
from kovra.bot import durations
from kovra.bot.commands import mod_group
from kovra.bot.ports import Outcomes, SubmitPort
from kovra.errors import Conflict, Malformed, Unavailable
from kovra.ids import GuildId, UserId, derived_request_id, parse_snowflake, snowflake_ms
from kovra.store.requests import RequestStatus

log = logging.getLogger(__name__)

#: An interaction can be answered for 15 minutes (API reference, Interactions); the rest is for the last edit.
ANSWERABLE_S = 14 * 60.0

#: How long one look for an outcome blocks its thread, so that the process can stop soon.
_LOOK_S = 2.0

#: Threads for submitting and for waiting are apart: a Discord outage leaves many waiting, and nobody must queue behind
#: them to be heard.
_SUBMIT_THREADS, _WAIT_THREADS = 4, 16

#: What went wrong on the way to Discord when an answer could not be given.
_ANSWER_ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)

#: The same interaction came twice (Discord replays events after a broken connection); its request has the same id.
_ALREADY_ACKNOWLEDGED = 40060

#: Discord waited three seconds and has told the moderator that the command failed.
_UNKNOWN_INTERACTION = 10062

#: Pycord would go on for minutes with an answer that does not get through: limits for the promise and for an edit, in
#: seconds.
_PROMISE_S, _EDIT_S = 2.8, 30.0

_STOPPING = "Guard is just restarting. Nothing was asked; try again in a few seconds."
_NOT_PROMISED = "Discord did not take Guard’s answer in time. Nothing was asked; try again."
_NO_SERVER = "Moderating takes a server. Use this command in the one you mean."
_NOT_HEARD = "Not queued: Kovra’s database does not answer. Nothing was done; try again in a moment."
_BROKEN = (
    "Something went wrong inside Kovra, and it is not known whether this was queued. "
    "Look at the Action Queue in Kovra before asking again."
)
_STILL_RUNNING = "Still queued after {minutes} minutes. Kovra’s Cases will show what becomes of it."


class Door:
    """The commands of ``/mod``.

    Args:
        submit: the one way in.
        outcomes: waits for the end of a request.
    """

    def __init__(self, *, submit: SubmitPort, outcomes: Outcomes) -> None:
        self._submit, self._outcomes = submit, outcomes
        self._submitting = ThreadPoolExecutor(_SUBMIT_THREADS, "slash-submit")
        self._waiting = ThreadPoolExecutor(_WAIT_THREADS, "slash-wait")
        self._closing = False
        self._asking: set[asyncio.Task[Any]] = set()

    def open_on(self, bot: discord.Bot) -> None:
        """Let the bot know the commands. Discord is told at release; here they are only found by name."""
        bot.add_application_command(mod_group(self.run))

    async def close(self, drain_s: float) -> None:
        """Take no more commands, and let those that are being submitted get their answer."""
        self._closing = True
        if self._asking:
            await asyncio.wait(self._asking, timeout=drain_s)
        self._submitting.shutdown(wait=False, cancel_futures=True)
        self._waiting.shutdown(wait=False, cancel_futures=True)

    async def run(self, action: Action, context: discord.ApplicationContext, options: Mapping[str, Any]) -> None:
        """Take one command, from its arrival to the last edit of its answer."""
        interaction = context.interaction
        if not await _promise(interaction):
            return
        task = asyncio.current_task()
        self._asking.add(task)
        try:
            receipt = await self._ask(action, interaction, options)
        finally:
            self._asking.discard(task)
        if receipt is not None and receipt.accepted:
            await self._follow(interaction, receipt)

    async def _ask(
        self, action: Action, interaction: discord.Interaction, options: Mapping[str, Any]
    ) -> Receipt | None:
        """Submit, and answer at once: refused, or queued."""
        if self._closing or interaction.guild_id is None:
            await _answer(interaction, _STOPPING if self._closing else _NO_SERVER)
            return None
        try:
            request = request_of(action, interaction, options)
        except Malformed as error:
            await self._in_thread(self._record_malformed, action, interaction, options, str(error))
            await _answer(interaction, f"Not queued: {error}")
            return None
        try:
            receipt = await self._in_thread(self._submit, request)
        except Unavailable:
            await _answer(interaction, _NOT_HEARD)
            return None
        except Conflict as error:
            await _answer(interaction, f"Not queued: {error}")
            return None
        except Exception:
            log.exception("submitting %s failed", request.request_id)
            await _answer(interaction, _BROKEN)
            return None
        await _answer(interaction, words_of_receipt(receipt, _name_of(options["user"])))
        return receipt

    async def _follow(self, interaction: discord.Interaction, receipt: Receipt) -> None:
        """Edit the answer once the request has come to its end."""
        give_up_at = time.monotonic() + ANSWERABLE_S
        status: RequestStatus | None = None
        while not self._closing and time.monotonic() < give_up_at:
            look_s = min(_LOOK_S, max(0.0, give_up_at - time.monotonic()))
            try:
                status = await asyncio.get_running_loop().run_in_executor(self._waiting, self._look, receipt, look_s)
            except Unavailable:
                await asyncio.sleep(look_s)
                continue
            if status is not None and _ended(status):
                await _answer(interaction, words_of_outcome(status))
                return
        if not self._closing:
            await _answer(interaction, _STILL_RUNNING.format(minutes=round(ANSWERABLE_S / 60)))

    def _look(self, receipt: Receipt, look_s: float) -> RequestStatus | None:
        return self._outcomes.wait(receipt.guild_id, receipt.request_id, look_s, _ended)

    def _record_malformed(
        self, action: Action, interaction: discord.Interaction, options: Mapping[str, Any], sentence: str
    ) -> None:
        attempt = {"action": action.value} | {name: str(getattr(value, "id", value)) for name, value in options.items()}
        try:
            self._submit.malformed(
                guild_id=GuildId(interaction.guild_id),
                moderator_id=UserId(interaction.user.id),
                source=Source.DISCORD,
                attempt=attempt,
                sentence=sentence,
            )
        except Unavailable:
            log.warning("a malformed command of %s could not be recorded", interaction.user.id)

    async def _in_thread(self, work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._submitting, work, *args)


def request_of(action: Action, interaction: discord.Interaction, options: Mapping[str, Any]) -> ActionRequest:
    """Turn a command into the canonical request. The same interaction always makes the same request.

    Raises:
        Malformed: an option cannot be read.
    """
    target = options["user"]
    params: dict[str, int] = {}
    if action is Action.BAN:
        params["delete_window_s"] = int(options["delete_messages"])
    if options.get("duration") or action is Action.MUTE:
        params["duration_s"] = durations.parse_punishment(options["duration"])
    return ActionRequest(
        request_id=derived_request_id(snowflake_ms(interaction.id), "slash", interaction.id),
        guild_id=GuildId(interaction.guild_id),
        action=action,
        target_id=UserId(parse_snowflake(target) if isinstance(target, str) else target.id),
        moderator_id=UserId(interaction.user.id),
        source=Source.DISCORD,
        reason=options["reason"],
        issued_at=interaction.created_at,
        params=params,
    )


def words_of_receipt(receipt: Receipt, target_name: str) -> str:
    """The first answer: refused with its reason, or queued."""
    if receipt.refusal is not None:
        return receipt.refusal.sentence
    return f"Queued: {receipt.action.noun} of {target_name}…"


def words_of_outcome(status: RequestStatus) -> str:
    """The last answer."""
    what = f"{status.action.noun} of {escape_markdown(status.target_name)}"
    if status.case_no is not None and status.state in (State.APPLIED, State.DONE):
        did = "updated" if status.action in CASE_ACTS else "created"
        return f"Done · case #{status.case_no} {did}: {what}."
    sentence = status.sentence or f"the {what} did not happen."
    if status.state is State.REJECTED:
        return sentence
    head = {State.CANCELLED: "Cancelled", State.EXPIRED: "Expired"}.get(status.state, "Failed")
    return f"{head}: {sentence}"


def _ended(status: RequestStatus) -> bool:
    """Done, as far as the moderator is concerned: the case exists, or nothing more will come."""
    return status.state is State.APPLIED or status.state.terminal


def _name_of(target: Any) -> str:
    return escape_markdown(target if isinstance(target, str) else getattr(target, "display_name", str(target.id)))


async def _promise(interaction: discord.Interaction) -> bool:
    """Promise an answer. False when it may not have reached Discord in time: the moderator sees, or will see, it fail.

    Acting all the same would do it twice, because whoever sees a command fail asks again.
    """
    try:
        await asyncio.wait_for(interaction.response.defer(ephemeral=True), _PROMISE_S)
    except _ANSWER_ERRORS as error:
        code = getattr(error, "code", None)
        if code == _ALREADY_ACKNOWLEDGED:
            return True
        log.warning("an interaction could not be answered in time, so nothing was asked: %r", error)
        if code != _UNKNOWN_INTERACTION:
            await _answer(interaction, _NOT_PROMISED)
        return False
    return True


async def _answer(interaction: discord.Interaction, text: str) -> None:
    try:
        edit = interaction.edit_original_response(content=text, allowed_mentions=discord.AllowedMentions.none())
        await asyncio.wait_for(edit, _EDIT_S)
    except _ANSWER_ERRORS as error:
        # The request goes its way without it; Kovra's pages and the log channel show what becomes of it.
        log.warning("the answer to a slash command could not be edited: %r", error)
