"""Answers to interactions: the callback, follow-ups, and the edit of what was said.

The routes that an interaction shares with a webhook are in ``webhooks``, which calls here.
"""

from __future__ import annotations

from typing import Any

from kovra.sandbox import errors, payloads
from kovra.sandbox.interactions import CALLBACKS, REPLY, Interaction
from kovra.sandbox.rest.call import Call
from kovra.sandbox.rest.messages import check_body
from kovra.sandbox.rest.routing import Access, Table
from kovra.sandbox.world import Message

table = Table()

_TOKEN = "/webhooks/{webhook_id}/{webhook_token}"


@table.on("POST", "/interactions/{interaction_id}/{interaction_token}/callback", access=Access.PATH)
def callback(call: Call) -> dict[str, Any] | None:
    """Acknowledge. Pycord asks for the answer (``with_response``); others are content with 204."""
    if call.body.get("type") == REPLY:
        check_body(call.body.get("data") or {}, files=bool(call.files))
    if call.body.get("type") not in CALLBACKS:
        raise errors.required("type")
    answer = call.desk.answer(call.id("interaction_id"), call.params["interaction_token"], call.body)
    return answer if call.flag("with_response") else None


def follow_up(call: Call) -> dict[str, Any]:
    """A further message; for an application ``wait`` is always true."""
    check_body(call.body, files=bool(call.files))
    return payloads.message(call.desk.follow_up(_interaction(call), call.body), call.world)


@table.on("GET", _TOKEN + "/messages/@original", access=Access.PATH)
def original(call: Call) -> dict[str, Any]:
    return payloads.message(call.desk.original(_interaction(call)), call.world)


@table.on("PATCH", _TOKEN + "/messages/@original", access=Access.PATH)
def edit_original(call: Call) -> dict[str, Any]:
    interaction = _interaction(call)
    return _edit(call, interaction, call.desk.original(interaction))


@table.on("DELETE", _TOKEN + "/messages/@original", access=Access.PATH)
def delete_original(call: Call) -> None:
    interaction = _interaction(call)
    call.desk.delete(interaction, call.desk.original(interaction))


def message(call: Call) -> dict[str, Any]:
    return payloads.message(call.desk.message(_interaction(call), call.id("message_id")), call.world)


def edit(call: Call) -> dict[str, Any]:
    interaction = _interaction(call)
    return _edit(call, interaction, call.desk.message(interaction, call.id("message_id")))


def delete(call: Call) -> None:
    interaction = _interaction(call)
    call.desk.delete(interaction, call.desk.message(interaction, call.id("message_id")))


def _interaction(call: Call) -> Interaction:
    if call.id("webhook_id") != call.bot_id:
        raise errors.unknown_webhook()
    return call.desk.open(call.params["webhook_token"])


def _edit(call: Call, interaction: Interaction, edited: Message) -> dict[str, Any]:
    check_body({"content": edited.content, "embeds": edited.embeds, **call.body}, files=bool(call.files))
    call.desk.edit(interaction, edited, call.body)
    return payloads.message(edited, call.world)
