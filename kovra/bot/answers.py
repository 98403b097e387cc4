"""Answering an interaction: promised within Discord's 3 s, edited as often as it takes, for its reader alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import aiohttp
import discord
from discord.utils import escape_markdown

from kovra.actions.request import CASE_ACTS, Receipt, State
from kovra.guard.case import UNTOLD
from kovra.guard.notice_words import notice_sentence
from kovra.store.requests import RequestStatus

log = logging.getLogger(__name__)

#: What went wrong on the way to Discord when an answer could not be given.
ANSWER_ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)

#: The same interaction came twice (Discord replays events after a broken connection); its request has the same id.
_ALREADY_ACKNOWLEDGED = 40060

#: Discord waited three seconds and has told the moderator that the command failed.
_UNKNOWN_INTERACTION = 10062

#: Pycord would go on for minutes with an answer that does not get through: limits for the promise and for an edit, in
#: seconds.
PROMISE_S, _EDIT_S = 2.8, 30.0

#: How the button *Undo* is known again: this and the case's number.
_UNDO_ID, _DIGITS = "kovra:undo:", 15

#: A message holds this many characters.
_LONGEST = 2000

_NOT_PROMISED = "Discord did not take Guard’s answer in time. Nothing was asked; try again."


async def promise(interaction: discord.Interaction) -> bool:
    """Promise an answer. False when it may not have reached Discord in time: the moderator sees, or will see, it fail.

    Acting all the same would do it twice, because whoever sees a command fail asks again.
    """
    try:
        await asyncio.wait_for(interaction.response.defer(ephemeral=True, invisible=False), PROMISE_S)
    except ANSWER_ERRORS as error:
        code = getattr(error, "code", None)
        if code == _ALREADY_ACKNOWLEDGED:
            return True
        log.warning("an interaction could not be answered in time, so nothing was asked: %r", error)
        if code != _UNKNOWN_INTERACTION:
            await answer(interaction, _NOT_PROMISED)
        return False
    return True


async def answer(
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
    except ANSWER_ERRORS as error:
        # The request goes its way without it; Kovra's pages and the log channel show what becomes of it.
        log.warning("an answer could not be edited: %r", error)


def undone_case(interaction: discord.Interaction) -> int | None:
    """The case of a pressed button *Undo*; None of everything else."""
    custom_id = (interaction.data or {}).get("custom_id", "")
    number = custom_id.removeprefix(_UNDO_ID)
    pressed = interaction.type is discord.InteractionType.component and custom_id.startswith(_UNDO_ID)
    return int(number) if pressed and number.isascii() and number.isdigit() and len(number) <= _DIGITS else None


def words_of_receipt(receipt: Receipt, target_name: str) -> str:
    """The first answer: refused with its reason, or queued. Names in a sentence are text, as they are everywhere."""
    if receipt.refusal is not None:
        return escape_markdown(receipt.refusal.sentence)
    return f"Queued: {receipt.action.noun} of {target_name}…"


def words_of_outcome(status: RequestStatus) -> str:
    """The last answer."""
    what = f"{status.action.noun} of {escape_markdown(status.target_name)}"
    if status.case_no is not None and status.state in (State.APPLIED, State.DONE):
        did = "updated" if status.action in CASE_ACTS else "created"
        untold = f"\nDM {status.notice.value.replace('_', ' ')}. " if status.notice in UNTOLD else ""
        why = notice_sentence(status.action, status.notice, status.notice_code) if untold else ""
        return f"Done · case #{status.case_no} {did}: {what}.{untold}{why}"
    sentence = escape_markdown(status.sentence) if status.sentence else f"the {what} did not happen."
    if status.state is State.REJECTED:
        return sentence
    head = {State.CANCELLED: "Cancelled", State.EXPIRED: "Expired"}.get(status.state, "Failed")
    return f"{head}: {sentence}"


def name_of(target: Any, known_as: str | None = None) -> str:
    """What somebody is called in an answer; ``known_as`` is what Kovra calls the target."""
    if target is None:
        return escape_markdown(known_as or "this server")
    return escape_markdown(target if isinstance(target, str) else getattr(target, "display_name", str(target.id)))
