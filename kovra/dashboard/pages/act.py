"""The action dialog, what comes of a submit, and the toast that follows a request to its end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request
from marshmallow import ValidationError

from kovra.actions import budget, rights
from kovra.actions.request import (
    MAX_MUTE,
    PARAMS,
    REASON_REQUIRED,
    Action,
    ActionRequest,
    Receipt,
    Source,
    State,
)
from kovra.actions.rights import GUARD_NEEDS, MEMBERS_ONLY, NEEDS, Capability
from kovra.dashboard import wording
from kovra.dashboard.access import in_guild, policy, scope, session
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.schemas import TOKEN_FIELD, ActionForm, first_sentences
from kovra.dashboard.services import services
from kovra.errors import Conflict, Malformed, Unavailable
from kovra.guard.case import NoticeStatus
from kovra.guard.notices import TOLD_AFTER, TOLD_BEFORE
from kovra.ids import UserId, new_request_id, parse_snowflake
from kovra.store.guilds import GuildScope
from kovra.store.members import MemberCard
from kovra.store.requests import RequestStatus

FOUND_AT_MOST = 12
_DAY_S, _HOUR_S = 86_400, 3_600

_PRESETS: Mapping[Action, Sequence[str]] = {
    Action.WARN: ("Spam or ads", "Harassment", "Off topic after being asked", "Invite links"),
    Action.MUTE: ("Spam or ads", "Harassment", "Cooling down"),
    Action.KICK: ("Spam or ads", "Harassment", "Account looks compromised"),
    Action.BAN: ("Spam or ads", "Harassment", "Raid", "Ban evasion", "Phishing"),
}
_DURATIONS = (
    (5 * 60, "5 minutes"),
    (10 * 60, "10 minutes"),
    (30 * 60, "30 minutes"),
    (_HOUR_S, "1 hour"),
    (6 * _HOUR_S, "6 hours"),
    (12 * _HOUR_S, "12 hours"),
    (_DAY_S, "1 day"),
    (3 * _DAY_S, "3 days"),
    (7 * _DAY_S, "7 days"),
    (14 * _DAY_S, "14 days"),
    (int(MAX_MUTE.total_seconds()), "28 days"),
)
_WINDOWS = (
    (0, "Keep all"),
    (_HOUR_S, "Last hour"),
    (6 * _HOUR_S, "Last 6 hours"),
    (_DAY_S, "Last 24 hours"),
    (3 * _DAY_S, "Last 3 days"),
    (7 * _DAY_S, "Last 7 days"),
)
_ORDER = (Action.WARN, Action.MUTE, Action.UNMUTE, Action.KICK, Action.BAN, Action.UNBAN, Action.NOTE)

act = Blueprint("act", __name__)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of what was looked at before the form is sent."""

    passed: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The dialog as far as it has been filled in."""

    action: Action | None = None
    target: MemberCard | None = None
    query: str = ""
    request_id: UUID = field(default_factory=new_request_id)
    reason: str = ""
    duration_s: int = _HOUR_S
    delete_window_s: int = 0
    choices: Sequence[Action] = ()
    checks: Sequence[Check] = ()
    durations: Sequence[tuple[int, str]] = _DURATIONS
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    windows = _WINDOWS

    @property
    def refused(self) -> bool:
        return any(not check.passed for check in self.checks)

    @property
    def presets(self) -> Sequence[str]:
        return _PRESETS.get(self.action, ()) if self.action else ()

    @property
    def reason_required(self) -> bool:
        return self.action in REASON_REQUIRED

    @property
    def told(self) -> str:
        """Whether and when the target hears of it."""
        if self.action in TOLD_BEFORE:
            return "They are told by DM before it happens"
        if self.action in TOLD_AFTER:
            return "They are told by DM, with the case number"
        return "No DM is sent" if self.action else ""


@dataclass(frozen=True, kw_only=True)
class Toast:
    """One request as a toast. ``kind`` is ``done``, ``held`` or ``fail``; an ``open`` one is looked at again."""

    request_id: UUID
    title: str
    text: str
    kind: str = ""
    icon: str = "check"
    case_no: int | None = None
    open: bool = False


@act.get("/g/<int:guild_id>/act")
@policy(in_guild(Capability.VIEW))
def form(guild_id: int) -> str:
    """The dialog for what was chosen so far: a picker without a target, the form with one."""
    viewer, action = scope(), _action(request.args.get("action"))
    target = _target(viewer, request.args.get("target") or request.args.get("target_id"))
    if target is None:
        found = services().members.find(viewer, "", FOUND_AT_MOST)
        return render_template("act.html", scope=viewer, draft=Draft(action=action), found=found, searched=False)
    given = Draft(
        action=action,
        target=target,
        request_id=_kept_id(request.args.get("request_id")),
        duration_s=request.args.get("duration_s", _HOUR_S, type=int),
        delete_window_s=request.args.get("delete_window_s", 0, type=int),
    )
    return render_template("act.html", scope=viewer, draft=_completed(viewer, given))


@act.get("/g/<int:guild_id>/act/members")
@policy(in_guild(Capability.VIEW))
def members(guild_id: int) -> str:
    """People who go by what was typed; an id nobody knows can still be banned, unbanned or noted."""
    viewer, text = scope(), request.args.get("q", "").strip()[:100]
    found = list(services().members.find(viewer, text, FOUND_AT_MOST))
    if not found and (stranger := _target(viewer, text)) is not None:
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
    made = make_response(render_template("toast.html", scope=viewer, toast=_toast_of_receipt(viewer, receipt)))
    made.status_code = HTTPStatus.ACCEPTED if receipt.accepted else HTTPStatus.OK
    made.headers["HX-Trigger"] = json.dumps({"act:kept": {"target": "#act"}})
    return made


@act.get("/g/<int:guild_id>/requests/<uuid:request_id>")
@policy(in_guild(Capability.VIEW))
def status(guild_id: int, request_id: UUID) -> str:
    """The toast of a request as it stands now."""
    viewer = scope()
    found = services().requests.status(viewer, request_id)
    if found is None or (found.action is Action.NOTE and not viewer.may(Capability.VIEW_NOTES)):
        raise NoSuchPage
    return render_template("toast.html", scope=viewer, toast=_toast(found))


class _Unreadable(Exception):
    """The form cannot become a request. ``sentence`` is for the record, the rest for the dialog."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        fields = ("reason", "duration_s", "delete_window_s")
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
    params = {name: given[name] for name in PARAMS.get(action, {}) if name in given}
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
        raise _Unreadable({_field_of(str(error)): str(error)}) from error


def _field_of(sentence: str) -> str:
    """The field a rule of the request is about."""
    if "reason" in sentence:
        return "reason"
    return "duration_s" if "duration" in sentence else "delete_window_s" if "delete_window" in sentence else "form"


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
    given = Draft(
        action=_action(request.form.get("action")),
        target=_target(viewer, request.form.get("target_id")),
        query=request.form.get("target_id", "")[:100],
        request_id=new_request_id() if fresh_id else _kept_id(request.form.get("request_id")),
        reason=request.form.get("reason", ""),
        duration_s=request.form.get("duration_s", _HOUR_S, type=int),
        delete_window_s=request.form.get("delete_window_s", 0, type=int),
        errors=errors or {},
        problem=problem,
    )
    draft = given if status_code is HTTPStatus.SERVICE_UNAVAILABLE else _completed(viewer, given)
    made = make_response(render_template("act.html", scope=viewer, draft=draft, found=[], searched=True), status_code)
    made.headers["HX-Retarget"], made.headers["HX-Reswap"] = "#act-body", "innerHTML"
    return made


def _action(text: str | None) -> Action | None:
    return Action(text) if text in set(Action) else None


def _kept_id(text: str | None) -> UUID:
    """The id the form was drawn with, so that a second draw is still the same wish."""
    try:
        kept = UUID(text or "")
    except ValueError:
        return new_request_id()
    return kept if kept.version == 7 else new_request_id()


def _target(viewer: GuildScope, text: str | None) -> MemberCard | None:
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


def _completed(viewer: GuildScope, draft: Draft) -> Draft:
    """Add what may be chosen and what would stand in the way."""
    if draft.target is None:
        return draft
    choices = _choices(viewer, draft.target)
    action = draft.action if draft.action in choices else (draft.action or next(iter(choices), None))
    shown = [choice for choice in _ORDER if choice in choices or choice is action] if choices else []
    longest = viewer.capabilities[Capability.MUTE].longest_s if viewer.may(Capability.MUTE) else None
    durations = [choice for choice in _DURATIONS if longest is None or choice[0] <= longest]
    return Draft(
        action=action,
        target=draft.target,
        request_id=draft.request_id,
        reason=draft.reason,
        duration_s=draft.duration_s,
        delete_window_s=draft.delete_window_s,
        choices=shown,
        checks=_checks(viewer, draft.target, action) if action else (),
        durations=durations,
        errors=draft.errors,
        problem=draft.problem,
    )


def _choices(viewer: GuildScope, target: MemberCard) -> list[Action]:
    """What this viewer may do and what makes sense for this person."""
    offered = set(_ORDER)
    if not target.member:
        offered -= MEMBERS_ONLY
    if not wording.muted(target):
        offered.discard(Action.UNMUTE)
    if target.member or not target.banned:
        offered.discard(Action.UNBAN)
    if target.banned:
        offered.discard(Action.BAN)
    if not target.member and not target.banned:
        offered.add(Action.UNBAN)  # somebody nobody here knows may be banned all the same
    return [action for action in _ORDER if action in offered and viewer.may(NEEDS[action])]


def _checks(viewer: GuildScope, target: MemberCard, action: Action) -> list[Check]:
    """Ask the rights as ``submit`` will, so that a refusal is known before it happens."""
    known = services()
    standing = known.roster.standing(viewer.guild_id, session().user_id, target.user_id)
    question = ActionRequest(
        request_id=new_request_id(),
        guild_id=viewer.guild_id,
        action=action,
        target_id=target.user_id,
        moderator_id=session().user_id,
        source=Source.DASHBOARD,
        reason="-",
        issued_at=known.clock.now(),
        params={"duration_s": 1} if action is Action.MUTE else {},
    )
    refusal = rights.check(question, standing)
    if refusal:
        return [Check(passed=False, text=refusal.sentence)]
    checks = []
    if action in GUARD_NEEDS:
        checks.append(Check(passed=True, text=f"Guard can {action} them"))
    if target.member:
        owns = standing.owner_id == session().user_id
        checks.append(Check(passed=True, text="You own this server" if owns else "Below your role"))
    if (given := known.requests.budget(viewer, action)) is not None:
        if given.granted == 0:
            return [Check(passed=False, text=budget.refusal(action, given).sentence)]
        checks.append(Check(passed=True, text=f"Your budget: {given.used} of {given.limit} this hour"))
    return checks


def _toast_of_receipt(viewer: GuildScope, receipt: Receipt) -> Toast:
    """A fresh receipt needs no second look at the database; an answer to a repeated form does."""
    if receipt.replay or not receipt.accepted:
        found = services().requests.status(viewer, receipt.request_id)
        if found is not None:
            return _toast(found)
    card = services().members.card(viewer, receipt.target_id)
    return Toast(
        request_id=receipt.request_id,
        title="Queued",
        text=f"{wording.action_label(receipt.action)} · {wording.plain(card.name if card else str(receipt.target_id))}",
        open=True,
    )


def _toast(found: RequestStatus) -> Toast:
    label, name = wording.action_label(found.action), wording.plain(found.target_name)
    what = f"{label} · {name}"
    if found.state in (State.ACCEPTED, State.EXECUTING):
        title = "Queued" if found.state is State.ACCEPTED else "Running"
        if found.state is State.ACCEPTED and found.due_at is not None:
            title, what = "Queued, waiting", f"{what} · tried again soon"
        return Toast(request_id=found.request_id, title=title, text=what, open=True)
    if found.state is State.APPLIED:
        title = f"Case #{found.case_no} created"
        return Toast(
            request_id=found.request_id,
            title=title,
            text=f"{what} · messages on their way",
            case_no=found.case_no,
            open=True,
        )
    if found.state is State.DONE:
        return _toast_done(found, what)
    titles = {
        State.REJECTED: "Not done",
        State.FAILED: f"{label} failed",
        State.DEAD: f"{label} failed",
        State.CANCELLED: f"{label} cancelled",
        State.EXPIRED: f"{label} expired",
    }
    fallback = "It waited too long and is no longer wanted. Nothing was done." if found.state is State.EXPIRED else what
    return Toast(
        request_id=found.request_id,
        title=f"{titles[found.state]} · {name}",
        text=found.sentence or fallback,
        kind="fail",
        icon="x",
        case_no=found.case_no,
    )


def _toast_done(found: RequestStatus, what: str) -> Toast:
    lost = found.notice in (NoticeStatus.REFUSED, NoticeStatus.SKIPPED, NoticeStatus.UNKNOWN)
    took = ""
    if found.accepted_at and found.done_at:
        milliseconds = (found.done_at - found.accepted_at).total_seconds() * 1000
        took = f" · {milliseconds:,.0f} ms" if milliseconds < 10_000 else f" · {milliseconds / 1000:,.1f} s"
    if not lost:
        title = f"Done · case #{found.case_no} created"
        return Toast(request_id=found.request_id, title=title, text=what + took, kind="done", case_no=found.case_no)
    sentence = wording.notice_sentence(found.action, found.notice, found.notice_code)
    return Toast(
        request_id=found.request_id,
        title=f"Done · case #{found.case_no} created, DM {wording.notice_label(found.notice).lower()}",
        text=sentence,
        kind="held",
        icon="mailx",
        case_no=found.case_no,
    )
