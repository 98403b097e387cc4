"""The door of commands: turns each into a request, calls submit, and words the answer. No rule lives here.

The answer is only for the moderator who asked. It is promised within Discord's 3 s, and then edited: refused, queued,
and at last what became of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import discord
from discord.utils import escape_markdown

from kovra.actions.request import CASE_ACTS, INVERSE, ActionRequest, Receipt, Source, State
from kovra.bot import reading
from kovra.bot.asking import READING, request_of, undo_request
from kovra.bot.commands import all_commands
from kovra.bot.ports import Book, Outcomes, SubmitPort
from kovra.errors import Conflict, Malformed, Unavailable
from kovra.ids import GuildId, UserId
from kovra.store.guilds import GuildScope
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

#: The name under which a pressed *Undo* is taken, and how its button is known again: this and the case's number.
UNDO = "button undo"
_UNDO_ID, _DIGITS = "kovra:undo:", 15

#: A message holds this many characters.
_LONGEST = 2000

_MAY_NOT_READ = "You may not look at the cases of this server. Ask an admin for a capability such as “view”."
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
    """The commands ``/mod``, ``/case`` and ``/history``, the menu *History*, and the button *Undo*.

    Args:
        submit: the one way in.
        outcomes: waits for the end of a request.
        book: the cases, for those who may read them.
        dashboard_url: the dashboard's public address, for links.
    """

    def __init__(
        self, *, submit: SubmitPort, outcomes: Outcomes, book: Book | None = None, dashboard_url: str = ""
    ) -> None:
        self._submit, self._outcomes = submit, outcomes
        self._book, self._dashboard_url = book, dashboard_url
        self._submitting = ThreadPoolExecutor(_SUBMIT_THREADS, "slash-submit")
        self._waiting = ThreadPoolExecutor(_WAIT_THREADS, "slash-wait")
        self._closing = False
        self._asking: set[asyncio.Task[Any]] = set()

    def open_on(self, bot: discord.Bot) -> None:
        """Let the bot know the commands. Discord is told at release; here they are only found by name."""
        for command in all_commands(self.run):
            bot.add_application_command(command)
        bot.add_listener(self.pressed, "on_interaction")

    async def close(self, drain_s: float) -> None:
        """Take no more commands, and let those that are being submitted get their answer."""
        self._closing = True
        if self._asking:
            await asyncio.wait(self._asking, timeout=drain_s)
        self._submitting.shutdown(wait=False, cancel_futures=True)
        self._waiting.shutdown(wait=False, cancel_futures=True)

    async def run(self, name: str, context: discord.ApplicationContext, options: Mapping[str, Any]) -> None:
        """Take one command, from its arrival to the last edit of its answer."""
        await self._take(context.interaction, name, options)

    async def pressed(self, interaction: discord.Interaction) -> None:
        """Take one press of the button *Undo*; any other interaction is not ours."""
        case_no = undone_case(interaction)
        if case_no is not None:
            await self._take(interaction, UNDO, {"number": case_no})

    async def _take(self, interaction: discord.Interaction, name: str, options: Mapping[str, Any]) -> None:
        if not await _promise(interaction):
            return
        task = asyncio.current_task()
        self._asking.add(task)
        try:
            receipt = await self._ask(name, interaction, options)
        finally:
            self._asking.discard(task)
        if receipt is not None and receipt.accepted:
            await self._follow(interaction, receipt)

    async def _ask(self, name: str, interaction: discord.Interaction, options: Mapping[str, Any]) -> Receipt | None:
        """Submit, and answer at once: refused, or queued. What only reads is answered and done with."""
        if self._closing or interaction.guild_id is None:
            await _answer(interaction, _STOPPING if self._closing else _NO_SERVER)
            return None
        request = None
        try:
            if name in READING:
                await self._read(name, interaction, options)
                return None
            request = await self._in_thread(self._request, name, interaction, options)
            receipt = await self._in_thread(self._submit, request)
        except Malformed as error:
            await self._in_thread(self._record_malformed, name, interaction, options, str(error))
            await _answer(interaction, f"Not queued: {error}")
            return None
        except Unavailable:
            await _answer(interaction, _NOT_HEARD)
            return None
        except Conflict as error:
            await _answer(interaction, f"Not queued: {error}")
            return None
        except Exception:
            log.exception("the command %s failed at %s", name, request and request.request_id)
            await _answer(interaction, _BROKEN)
            return None
        await _answer(interaction, words_of_receipt(receipt, _name_of(options.get("user"), receipt)))
        return receipt

    def _request(self, name: str, interaction: discord.Interaction, options: Mapping[str, Any]) -> ActionRequest:
        case = None
        if "number" in options:
            scope = self._scope(interaction)
            case = self._book.case(scope, options["number"]) if scope is not None else None
        if name == UNDO:
            if case is None:
                raise Malformed(f"this server has no case #{options['number']}.")
            return undo_request(interaction, case)
        return request_of(name, interaction, options, case)

    async def _read(self, name: str, interaction: discord.Interaction, options: Mapping[str, Any]) -> None:
        text, link = await self._in_thread(self._words_read, name, interaction, options)
        await _answer(interaction, text, links=[("Open in Kovra", link)] if link else [])

    def _words_read(
        self, name: str, interaction: discord.Interaction, options: Mapping[str, Any]
    ) -> tuple[str, str | None]:
        """What a command that reads says, and where there is more. Notes are for those who may read them."""
        scope = self._scope(interaction)
        if scope is None:
            return _MAY_NOT_READ, None
        base = f"{self._dashboard_url}/g/{scope.guild_id}/cases"
        if name == "case view":
            found = self._book.detail(scope, options["number"])
            if found is None:
                return f"This server has no case #{options['number']}.", None
            return reading.words_of_case(found), f"{base}?case={options['number']}"
        user = options.get("user")
        rows = self._book.latest(scope, UserId(user.id) if user is not None else None)
        return reading.words_of_list(rows, _name_of(user)), base

    def _scope(self, interaction: discord.Interaction) -> GuildScope | None:
        if self._book is None:
            raise Unavailable("there is no book of cases")
        return self._book.scope(UserId(interaction.user.id), GuildId(interaction.guild_id))

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
                await _answer(interaction, words_of_outcome(status), **self._next(receipt, status))
                return
        if not self._closing:
            await _answer(interaction, _STILL_RUNNING.format(minutes=round(ANSWERABLE_S / 60)))

    def _next(self, receipt: Receipt, status: RequestStatus) -> dict[str, Any]:
        """The buttons under an outcome: the case in Kovra, and taking it back where that can be."""
        if status.case_no is None or status.state not in (State.APPLIED, State.DONE):
            return {}
        url = f"{self._dashboard_url}/g/{receipt.guild_id}/cases?case={status.case_no}"
        undo = status.case_no if status.action in INVERSE else None
        return {"links": [("Open case", url)] if self._dashboard_url else [], "undo": undo}

    def _look(self, receipt: Receipt, look_s: float) -> RequestStatus | None:
        return self._outcomes.wait(receipt.guild_id, receipt.request_id, look_s, _ended)

    def _record_malformed(
        self, name: str, interaction: discord.Interaction, options: Mapping[str, Any], sentence: str
    ) -> None:
        attempt = {"command": name} | {
            option: str(getattr(value, "id", value)) for option, value in options.items() if value is not None
        }
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


def undone_case(interaction: discord.Interaction) -> int | None:
    """The case of a pressed button *Undo*; None of everything else."""
    custom_id = (interaction.data or {}).get("custom_id", "")
    number = custom_id.removeprefix(_UNDO_ID)
    pressed = interaction.type is discord.InteractionType.component and custom_id.startswith(_UNDO_ID)
    return int(number) if pressed and number.isascii() and number.isdigit() and len(number) <= _DIGITS else None


def _name_of(target: Any, receipt: Receipt | None = None) -> str:
    if target is None:
        return escape_markdown((receipt and receipt.target_name) or "this server")
    return escape_markdown(target if isinstance(target, str) else getattr(target, "display_name", str(target.id)))


async def _promise(interaction: discord.Interaction) -> bool:
    """Promise an answer. False when it may not have reached Discord in time: the moderator sees, or will see, it fail.

    Acting all the same would do it twice, because whoever sees a command fail asks again.
    """
    try:
        await asyncio.wait_for(interaction.response.defer(ephemeral=True, invisible=False), _PROMISE_S)
    except _ANSWER_ERRORS as error:
        code = getattr(error, "code", None)
        if code == _ALREADY_ACKNOWLEDGED:
            return True
        log.warning("an interaction could not be answered in time, so nothing was asked: %r", error)
        if code != _UNKNOWN_INTERACTION:
            await _answer(interaction, _NOT_PROMISED)
        return False
    return True


async def _answer(
    interaction: discord.Interaction,
    text: str,
    *,
    links: Sequence[tuple[str, str]] = (),
    undo: int | None = None,
) -> None:
    more = {}
    if links or undo is not None:
        view = discord.ui.View(timeout=None)
        if undo is not None:
            style = discord.ButtonStyle.secondary
            view.add_item(discord.ui.Button(label="Undo", style=style, custom_id=f"{_UNDO_ID}{undo}"))
        for label, url in links:
            view.add_item(discord.ui.Button(label=label, url=url))
        more["view"] = view
    try:
        edit = interaction.edit_original_response(
            content=text[:_LONGEST], allowed_mentions=discord.AllowedMentions.none(), **more
        )
        await asyncio.wait_for(edit, _EDIT_S)
    except _ANSWER_ERRORS as error:
        # The request goes its way without it; Kovra's pages and the log channel show what becomes of it.
        log.warning("the answer to a slash command could not be edited: %r", error)
