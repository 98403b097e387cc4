"""The door of commands: turns each into a request, calls submit, and words the answer. No rule lives here.

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

import discord

from kovra.actions.capabilities import NEEDS, Capability
from kovra.actions.request import INVERSE, Action, ActionRequest, Receipt, Source, State
from kovra.bot import forms, reading
from kovra.bot.answers import (
    ANSWER_ERRORS,
    PROMISE_S,
    answer,
    name_of,
    promise,
    undone_case,
    words_of_outcome,
    words_of_receipt,
)
from kovra.bot.asking import ACT, MODERATE, READING, request_of, undo_request
from kovra.bot.commands import all_commands
from kovra.bot.evidence import EvidenceRoom
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

#: The name under which a pressed *Undo* is taken.
UNDO = "button undo"

#: How long the rights of who opens a form are looked up, in seconds; Discord waits three for the form.
_RIGHTS_S = 1.5

#: How long the files of a message are waited for before its author is acted on, in seconds.
_FILES_S = 20.0

_MAY_NOT_READ = "You may not look at the cases of this server. Ask an admin for a capability such as “view”."
_MAY_NOT_ACT = (
    "You may not moderate in this server. Nothing was asked. Ask an admin for a capability such as “warn” or “mute”."
)
_BY_WEBHOOK = "A webhook wrote this message, so there is nobody to act on. Delete it, or the webhook, in Discord."
_STOPPING = "Guard is just restarting. Nothing was asked; try again in a few seconds."
_NO_SERVER = "Moderating takes a server. Use this command in the one you mean."
_NOT_HEARD = "Not queued: Kovra’s database does not answer. Nothing was done; try again in a moment."
_BROKEN = (
    "Something went wrong inside Kovra, and it is not known whether this was queued. "
    "Look at the Action Queue in Kovra before asking again."
)
_STILL_RUNNING = "Still queued after {minutes} minutes. Kovra’s Cases will show what becomes of it."


class Door:
    """The commands ``/mod``, ``/case`` and ``/history``, the menus, their forms, and the button *Undo*.

    Args:
        submit: the one way in.
        outcomes: waits for the end of a request.
        book: the cases, for those who may read them.
        evidence: keeps messages that are acted on.
        dashboard_url: the dashboard's public address, for links.
    """

    def __init__(
        self,
        *,
        submit: SubmitPort,
        outcomes: Outcomes,
        book: Book | None = None,
        evidence: EvidenceRoom | None = None,
        dashboard_url: str = "",
    ) -> None:
        self._submit, self._outcomes = submit, outcomes
        self._book, self._evidence, self._dashboard_url = book, evidence, dashboard_url
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
        if self._evidence is not None:
            await self._evidence.close()
        self._submitting.shutdown(wait=False, cancel_futures=True)
        self._waiting.shutdown(wait=False, cancel_futures=True)

    async def run(self, name: str, context: discord.ApplicationContext, options: Mapping[str, Any]) -> None:
        """Take one command, from its arrival to the last edit of its answer."""
        if name == MODERATE:
            user = options["user"]
            form = forms.Form(opened_by=context.interaction.id, target_id=user.id)
            await self._open_form(context.interaction, name, form, getattr(user, "display_name", str(user.id)))
        elif name == ACT:
            await self._open_on_message(context.interaction, options["message"])
        else:
            await self._take(context.interaction, name, options)

    async def pressed(self, interaction: discord.Interaction) -> None:
        """Take one press of the button *Undo*, or one form that was sent; any other interaction is not ours."""
        case_no = undone_case(interaction)
        if case_no is not None:
            await self._take(interaction, UNDO, {"number": case_no})
        elif forms.form_of(interaction) is not None:
            await self._take(interaction, forms.named(interaction), forms.filled_in(interaction))

    async def _open_on_message(self, interaction: discord.Interaction, message: Mapping[str, Any]) -> None:
        """Show the form on the author of a message, and keep what it says before anything happens to it."""
        author = message["author"]
        if message.get("webhook_id") and author.get("bot"):
            if await promise(interaction):
                await answer(interaction, _BY_WEBHOOK)
            return
        form = forms.Form(
            opened_by=interaction.id,
            target_id=int(author["id"]),
            channel_id=int(message["channel_id"]),
            message_id=int(message["id"]),
        )
        if await self._open_form(interaction, ACT, form, author.get("global_name") or author["username"]):
            user_id = UserId(interaction.user.id)
            self._evidence.begin(GuildId(interaction.guild_id), form.request_id(user_id), user_id, message)

    async def _open_form(self, interaction: discord.Interaction, name: str, form: forms.Form, whom: str) -> bool:
        """Show what can be done to somebody, to those who may do any of it. True when it is shown."""
        refused, scope = await self._reader(interaction)
        offered = [action for action in forms.OFFERED if scope is not None and scope.may(NEEDS[action])]
        if form.message_id is not None:
            offered = [action for action in offered if action is not Action.UNMUTE]
        if refused or not offered:
            if await promise(interaction):
                await answer(interaction, refused or _MAY_NOT_ACT)
            if not refused:
                about = {"user": form.target_id}
                await self._in_thread(self._record_malformed, name, interaction, about, _MAY_NOT_ACT)
            return False
        deleting = form.message_id is not None and scope is not None and scope.may(Capability.CHANNELS)
        shown = forms.dialog(form, whom, offered, interaction.locale, deleting=deleting)
        try:
            await asyncio.wait_for(interaction.response.send_modal(shown), PROMISE_S - _RIGHTS_S)
        except ANSWER_ERRORS as error:
            # Discord tells the moderator that it failed, and nothing was asked yet.
            log.warning("a form could not be shown in time: %r", error)
            return False
        return True

    async def _reader(self, interaction: discord.Interaction) -> tuple[str | None, GuildScope | None]:
        """Why nobody can be asked now, or what this person holds."""
        if self._closing or interaction.guild_id is None:
            return (_STOPPING if self._closing else _NO_SERVER), None
        try:
            return None, await asyncio.wait_for(self._in_thread(self._scope, interaction), _RIGHTS_S)
        except (Unavailable, TimeoutError):
            return _NOT_HEARD, None

    async def _take(self, interaction: discord.Interaction, name: str, options: Mapping[str, Any]) -> None:
        if not await promise(interaction):
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
            await answer(interaction, _STOPPING if self._closing else _NO_SERVER)
            return None
        request = None
        try:
            if name in READING:
                await self._read(name, interaction, options)
                return None
            await self._keep_first(interaction)
            request = await self._in_thread(self._request, name, interaction, options)
            receipt = await self._in_thread(self._submit, request)
        except Malformed as error:
            await self._in_thread(self._record_malformed, name, interaction, options, str(error))
            await answer(interaction, f"Not queued: {error}")
            return None
        except Unavailable:
            await answer(interaction, _NOT_HEARD)
            return None
        except Conflict as error:
            await answer(interaction, f"Not queued: {error}")
            return None
        except Exception:
            log.exception("the command %s failed at %s", name, request and request.request_id)
            await answer(interaction, _BROKEN)
            return None
        await answer(interaction, words_of_receipt(receipt, name_of(options.get("user"), receipt.target_name)))
        return receipt

    async def _keep_first(self, interaction: discord.Interaction) -> None:
        """What a case is to stand on is kept before anybody acts, and its files before they may be gone.

        Raises:
            Malformed: the message is not kept.
            Unavailable: the database does not answer.
        """
        form = forms.form_of(interaction)
        if form is None or form.message_id is None:
            return
        wish, guild_id = form.request_id(interaction.user.id), GuildId(interaction.guild_id)
        if self._evidence is None or not await self._evidence.settled(guild_id, wish, _FILES_S):
            raise Malformed("the message could not be kept as evidence. Use the menu on it again.")

    def _request(self, name: str, interaction: discord.Interaction, options: Mapping[str, Any]) -> ActionRequest:
        if form := forms.form_of(interaction):
            name, options = forms.as_command(form, options)
            return request_of(name, interaction, options, wish=form.request_id(interaction.user.id))
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
        await answer(interaction, text, links=[("Open in Kovra", link)] if link else [])

    def _words_read(
        self, name: str, interaction: discord.Interaction, options: Mapping[str, Any]
    ) -> tuple[str, str | None]:
        """What a command that reads says, and where there is more. Notes are for those who may read them."""
        scope = self._scope(interaction)
        if scope is None:
            return _MAY_NOT_READ, None
        base = f"{self._dashboard_url}/g/{scope.guild_id}/cases"
        if name == "mod doctor":
            return reading.words_of_findings(self._book.findings(scope)), None
        if name == "case view":
            found = self._book.detail(scope, options["number"])
            if found is None:
                return f"This server has no case #{options['number']}.", None
            return reading.words_of_case(found), f"{base}?case={options['number']}"
        user = options.get("user")
        rows = self._book.latest(scope, UserId(user.id) if user is not None else None)
        return reading.words_of_list(rows, name_of(user)), base

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
                await asyncio.sleep(look_s)  # nothing can be read just now; the answer may still come in time
                continue
            if status is not None and _ended(status):
                await answer(interaction, words_of_outcome(status), **self._next(receipt, status))
                return
        if not self._closing:
            await answer(interaction, _STILL_RUNNING.format(minutes=round(ANSWERABLE_S / 60)))

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


def _ended(status: RequestStatus) -> bool:
    """Done, as far as the moderator is concerned: the case exists, or nothing more will come."""
    return status.state is State.APPLIED or status.state.terminal
