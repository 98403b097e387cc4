"""The action dialog, what comes of a submit, and the toast that follows a request to its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request
from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from kovra.actions.capabilities import NEEDS, Capability
from kovra.actions.request import (
    INVERSE,
    PARAMS,
    Action,
    ActionRequest,
    Receipt,
    Source,
    State,
)
from kovra.actions.rights import LASTING
from kovra.dashboard import toast
from kovra.dashboard.access import in_guild, policy, scope, session
from kovra.dashboard.act_choices import ASKABLE, ORDER, On, on_of
from kovra.dashboard.draft import Draft, completed
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.schemas import TOKEN_FIELD, ActionForm, first_sentences
from kovra.dashboard.services import services
from kovra.dashboard.toast import Toast
from kovra.errors import Conflict, Malformed, Unavailable
from kovra.guard.notice_texts import TOLD_AFTER, TOLD_BEFORE
from kovra.ids import UserId, new_request_id, parse_snowflake
from kovra.store.guilds import GuildScope
from kovra.store.members import MemberCard
from kovra.store.places import PlaceCard
from kovra.store.requests import RequestStatus

FOUND_AT_MOST = 12
#: What is done to no person, as the picker offers it.
ELSEWHERE = (Action.LOCK, Action.SLOWMODE, Action.PURGE, Action.LOCKDOWN)
#: These mean something only together with what else the form says.
_OTHERWISE = frozenset({"notice", "role_id", "channel_id"})
act = Blueprint("act", __name__)


@act.get("/g/<int:guild_id>/act")
@policy(in_guild(Capability.VIEW))
def form(guild_id: int) -> str:
    """The dialog for what was chosen so far: a picker without a target, the form with one."""
    viewer = scope()
    given = _drawn(viewer, request.args)
    if given.target_id is None:
        return _picker(viewer, given)
    return render_template("act.html", scope=viewer, draft=completed(services(), viewer, given))


def _picker(viewer: GuildScope, given: Draft) -> str:
    """Whom or where; the channels are all there, the members are looked for."""
    known = services()
    if given.on is On.CHANNEL:
        return render_template("act.html", scope=viewer, draft=given, places=known.guilds.channels(viewer))
    found = known.members.find(viewer, "", FOUND_AT_MOST)
    elsewhere = [action for action in ELSEWHERE if viewer.may(NEEDS[action])] if given.action is None else []
    return render_template(
        "act.html", scope=viewer, draft=given, found=found, searched=False, elsewhere=elsewhere, places=None
    )


def _drawn(viewer: GuildScope, words: MultiDict[str, str], **more: Any) -> Draft:
    """What an address or a form says of the dialog; what it does not say stands as in a fresh one."""
    action, fresh = _action(words.get("action")), Draft()
    on = On(words["on"]) if words.get("on") in list(On) else on_of(action)
    text = words.get("target") or words.get("target_id")
    given = replace(
        fresh,
        on=on,
        action=action if action in ORDER[on] else None,
        target=person_of(viewer, text) if on is On.MEMBER else None,
        place=None if on is On.MEMBER else _place_of(viewer, on, text),
        request_id=kept_id(words.get("request_id")),
        duration_s=words.get("duration_s", fresh.duration_s, type=int),
        ban_duration_s=words.get("ban_duration_s", fresh.ban_duration_s, type=int),
        delete_window_s=words.get("delete_window_s", fresh.delete_window_s, type=int),
        role_id=words.get("role_id", type=int),
        count=words.get("count", fresh.count, type=int),
        slow_s=words.get("slow_s", fresh.slow_s, type=int),
        channel_id=words.get("channel_id", type=int),
        notice="asks_notice" not in words or "notice" in words,
    )
    return replace(given, **more)


def _place_of(viewer: GuildScope, on: On, text: str | None) -> PlaceCard | None:
    if on is On.SERVER:
        return services().guilds.server(viewer)
    return next((one for one in services().guilds.channels(viewer) if str(one.place_id) == text), None)


@act.get("/g/<int:guild_id>/act/members")
@policy(in_guild(Capability.VIEW))
def members(guild_id: int) -> str:
    """People who go by what was typed; an id nobody knows can still be banned, unbanned or noted."""
    viewer, text = scope(), request.args.get("q", "").strip()[:100]
    found = list(services().members.find(viewer, text, FOUND_AT_MOST))
    if not found and (stranger := person_of(viewer, text)) is not None:
        found = [stranger]
    draft = Draft(action=_action(request.args.get("action")))
    return render_template("act_members.html", scope=viewer, draft=draft, found=found, searched=bool(text))


@act.post("/g/<int:guild_id>/actions")
@policy(in_guild(Capability.VIEW))
def submit(guild_id: int) -> Response:
    """Ask for one action. The moderator is the session's, the guild the address's, the source this page."""
    known, viewer = services(), scope()
    try:
        wanted = _read(viewer)
    except _Unreadable as unreadable:
        known.submit.malformed(
            guild_id=viewer.guild_id,
            moderator_id=session().user_id,
            source=Source.DASHBOARD,
            attempt=_attempt(),
            sentence=unreadable.sentence,
        )
        return _again(viewer, HTTPStatus.UNPROCESSABLE_ENTITY, errors=unreadable.errors, problem=unreadable.problem)
    try:
        receipt = known.submit(wanted)
    except Conflict:
        sentence = "This form was sent before with something else in it. It has a new id now: look it over and send it."
        return _again(viewer, HTTPStatus.CONFLICT, problem=sentence, fresh_id=True)
    except Unavailable:
        sentence = "Not queued: Kovra’s database does not answer. Nothing was done. Send it again in a moment."
        return _again(viewer, HTTPStatus.SERVICE_UNAVAILABLE, problem=sentence)
    made = make_response(render_template("toast.html", scope=viewer, toast=follow(viewer, receipt)))
    made.status_code = HTTPStatus.ACCEPTED if receipt.accepted else HTTPStatus.OK
    made.headers["HX-Trigger"] = json.dumps({"act:kept": {"target": "#act"}})
    return made


@act.get("/g/<int:guild_id>/requests/<uuid:request_id>")
@policy(in_guild(Capability.VIEW))
def status(guild_id: int, request_id: UUID) -> str:
    """The toast of a request as it stands now."""
    viewer = scope()
    return render_template("toast.html", scope=viewer, toast=_toast(viewer, _seen(viewer, request_id)))


@act.post("/g/<int:guild_id>/requests/<uuid:request_id>/cancel")
@policy(in_guild(Capability.VIEW))
def cancel(guild_id: int, request_id: UUID) -> Response:
    """Take back a request that still waits. Who may is decided for each request, not for the page."""
    known, viewer = services(), scope()
    _seen(viewer, request_id)
    ended = known.cancelling.cancel(viewer, request_id)
    if ended is None:
        raise NoSuchPage
    if ended.sentence is not None:
        said = toast.not_cancelled(request_id, ended.sentence, still_open=not ended.state.terminal)
        return make_response(render_template("toast.html", scope=viewer, toast=said), HTTPStatus.CONFLICT)
    known.submit.bulletin.ring(viewer.guild_id)
    found = _toast(viewer, _seen(viewer, request_id))
    return make_response(render_template("toast.html", scope=viewer, toast=found))


def _seen(viewer: GuildScope, request_id: UUID) -> RequestStatus:
    """A request the viewer may know of."""
    found = services().requests.status(viewer, request_id)
    if found is None or (found.action is Action.NOTE and not viewer.may(Capability.VIEW_NOTES)):
        raise NoSuchPage
    return found


def _toast(viewer: GuildScope, found: RequestStatus) -> Toast:
    waits = found.state is State.ACCEPTED
    # What takes something back is not offered to be taken back itself: ask anew for what it lifted.
    inverse = INVERSE.get(found.action)
    undo = inverse is not None and found.source is Source.DASHBOARD and viewer.may(NEEDS[inverse])
    may_cancel = waits and services().cancelling.may(viewer, found.request_id)
    return toast.of_status(found, cancellable=may_cancel, undo=undo)


def follow(viewer: GuildScope, receipt: Receipt) -> Toast:
    """A fresh receipt needs no second look at the request; a refusal and the answer to a repeated form do."""
    known = services()
    if receipt.replay or not receipt.accepted:
        found = known.requests.status(viewer, receipt.request_id)
        if found is not None:
            return _toast(viewer, found)
    return toast.of_receipt(receipt, receipt.target_name or str(receipt.target_id))


class _Unreadable(Exception):
    """The form cannot become a request. ``sentence`` is for the record, the rest for the dialog."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        fields = ("reason", "duration_s", "ban_duration_s", "delete_window_s", "role_id", "count", "slow_s")
        self.errors = {name: text for name, text in errors.items() if name in fields}
        others = [text for name, text in errors.items() if name not in fields]
        self.problem = others[0] if others else None
        self.sentence = "; ".join(f"{name}: {text}" for name, text in errors.items())
        super().__init__(self.sentence)


def _read(viewer: GuildScope) -> ActionRequest:
    try:
        given = ActionForm().load(request.form)
    except ValidationError as error:
        raise _Unreadable(first_sentences(error)) from error
    action: Action = given["action"]
    params = {name: given[name] for name in PARAMS.get(action, {}) if name in given and name not in _OTHERWISE}
    if action in LASTING and action is not Action.MUTE and given.get("ban_duration_s"):
        params["duration_s"] = given["ban_duration_s"]
    if action in (Action.ROLE_ADD, Action.ROLE_REMOVE) and "role_id" in given:
        params["role_id"] = given["role_id"]
    if action is Action.PURGE and given["on"] is On.MEMBER:
        params |= {"of_member": 1} | ({"channel_id": given["channel_id"]} if "channel_id" in given else {})
    if given["asks_notice"] and not given["notice"] and action in TOLD_BEFORE | TOLD_AFTER:
        params["notice"] = 0
    try:
        return ActionRequest(
            request_id=given["request_id"],
            guild_id=viewer.guild_id,
            action=action,
            target_id=UserId(given["target_id"]),
            moderator_id=session().user_id,
            source=Source.DASHBOARD,
            reason=given["reason"].replace("\r\n", "\n"),
            issued_at=services().clock.now(),
            params=params,
        )
    except Malformed as error:
        raise _Unreadable({_field_of(action, error): str(error)}) from error


def _field_of(action: Action, error: Malformed) -> str:
    """The field of the form that a rule of the request is about: a mute and what Guard ends have each their own."""
    if error.about == "duration_s" and action is not Action.MUTE:
        return "ban_duration_s"
    return error.about or "form"


def _attempt() -> dict[str, str]:
    return {name: value for name, value in request.form.items() if name != TOKEN_FIELD}


def _again(
    viewer: GuildScope,
    status_code: HTTPStatus,
    *,
    errors: Mapping[str, str] | None = None,
    problem: str | None = None,
    fresh_id: bool = False,
) -> Response:
    """The same dialog with everything in it, and what to change."""
    again = {"request_id": new_request_id()} if fresh_id else {}
    told = {"reason": request.form.get("reason", ""), "errors": errors or {}, "problem": problem}
    given = _drawn(viewer, request.form, query=request.form.get("target_id", "")[:100], **told, **again)
    draft = given if status_code is HTTPStatus.SERVICE_UNAVAILABLE else completed(services(), viewer, given)
    made = make_response(render_template("act.html", scope=viewer, draft=draft, found=[], searched=True), status_code)
    made.headers["HX-Retarget"], made.headers["HX-Reswap"] = "#act-body", "innerHTML"
    return made


def _action(text: str | None) -> Action | None:
    return Action(text) if text in ASKABLE else None


def kept_id(text: str | None) -> UUID:
    """The id the form was drawn with, so that a second draw is still the same wish."""
    try:
        kept = UUID(text or "")
    except ValueError:
        return new_request_id()
    return kept if kept.version == 7 else new_request_id()


def person_of(viewer: GuildScope, text: str | None) -> MemberCard | None:
    """The person of a pasted id or mention; one nobody here knows can still be banned, unbanned or noted."""
    try:
        user_id = UserId(parse_snowflake(text or ""))
    except Malformed:
        return None
    return services().members.card(viewer, user_id) or _stranger(user_id)


def _stranger(user_id: UserId) -> MemberCard:
    return MemberCard(
        user_id=user_id,
        name=str(user_id),
        username=None,
        nick=None,
        avatar=None,
        bot=False,
        member=False,
        rank=0,
        joined_at=None,
        timed_out_until=None,
        banned=False,
        case_count=0,
    )
