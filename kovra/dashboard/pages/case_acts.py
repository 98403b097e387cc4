"""What is done with a case that exists: amend, comment, resend the DM, take back, void. Each is a request like any."""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, make_response, render_template, request
from marshmallow import ValidationError

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.dashboard import case_draft, case_sheet
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.case_draft import ACTS, CaseDraft
from kovra.dashboard.pages.act import follow, kept_id
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.schemas import CaseActForm, first_sentences
from kovra.dashboard.services import services
from kovra.errors import Conflict, Malformed, Unavailable
from kovra.ids import new_request_id
from kovra.store.case_detail import CaseDetail
from kovra.store.guilds import GuildScope

#: After these a case reads otherwise than it did.
CHANGING = (Action.AMEND, Action.VOID)

case_acts = Blueprint("case_acts", __name__)


@case_acts.get("/g/<int:guild_id>/cases/<int:case_no>/acts")
@policy(in_guild(Capability.VIEW))
def choices(guild_id: int, case_no: int) -> str:
    """All that can be done with a case, and of the rest why not."""
    viewer, detail = scope(), _detail(case_no)
    why_not = {act: case_draft.refusal_of(services(), viewer, detail, act) for act in ACTS}
    return render_template("case_acts.html", scope=viewer, detail=detail, acts=ACTS, why_not=why_not)


@case_acts.get("/g/<int:guild_id>/cases/<int:case_no>/acts/<act>")
@policy(in_guild(Capability.VIEW))
def form(guild_id: int, case_no: int, act: str) -> str:
    """The dialog of one of them."""
    viewer, detail = scope(), _detail(case_no)
    draft = case_draft.completed(services(), viewer, case_draft.begun(detail, _known(act)))
    return render_template("case_act.html", scope=viewer, draft=draft)


@case_acts.get("/g/<int:guild_id>/cases/<int:case_no>/acts/<act>/news")
@policy(in_guild(Capability.VIEW))
def news(guild_id: int, case_no: int, act: str) -> str:
    """What has become of the case since the dialog was drawn, beside what is being typed; nothing when nothing has."""
    viewer, detail = scope(), _detail(case_no)
    since = request.args.get("entry", 0, type=int)
    newer = [case_sheet.said(entry) for entry in detail.thread if entry.number > since and entry.kind in CHANGING]
    return render_template("case_news.html", scope=viewer, detail=detail, act=_known(act), newer=newer)


@case_acts.post("/g/<int:guild_id>/cases/<int:case_no>/acts/<act>")
@policy(in_guild(Capability.VIEW))
def submit(guild_id: int, case_no: int, act: str) -> Response:
    """Ask for it. What stands in the way is said in the dialog, with everything typed still in it."""
    viewer, detail = scope(), _detail(case_no)
    draft = _sent(detail, _known(act))
    try:
        given = CaseActForm().load(request.form)
    except ValidationError as error:
        return _again(viewer, draft, HTTPStatus.UNPROCESSABLE_ENTITY, errors=first_sentences(error))
    if act == "amend" and given["entry"] < case_sheet.last_entry(detail.thread):
        return _overtaken(viewer, draft)
    try:
        receipt = services().submit(case_draft.asked(services(), viewer, draft))
    except Malformed as error:
        return _again(viewer, draft, HTTPStatus.UNPROCESSABLE_ENTITY, errors={"reason": str(error)})
    except Conflict:
        sentence = "This form was sent before with something else in it. It has a new id now: look it over and send it."
        fresh = replace(draft, request_id=new_request_id())
        return _again(viewer, fresh, HTTPStatus.CONFLICT, problem=sentence)
    except Unavailable:
        sentence = "Not queued: Kovra’s database does not answer. Nothing was done. Send it again in a moment."
        return _again(viewer, draft, HTTPStatus.SERVICE_UNAVAILABLE, problem=sentence)
    fresh = {"comment_id": new_request_id(), "row": detail.row} if act == "comment" else None
    page = render_template("case_asked.html", scope=viewer, toast=follow(viewer, receipt), fresh=fresh)
    made = make_response(page, HTTPStatus.ACCEPTED if receipt.accepted else HTTPStatus.OK)
    kept = {"draft:kept": {"target": f"#comment-{case_no}"}} if act == "comment" else {"act:kept": {"target": "#act"}}
    made.headers["HX-Trigger"] = json.dumps(kept)
    return made


def _detail(case_no: int) -> CaseDetail:
    found = services().cases.detail(scope(), case_no) if case_no < 1 << 62 else None
    if found is None:
        raise NoSuchPage
    return found


def _known(act: str) -> str:
    if act not in ACTS:
        raise NoSuchPage
    return act


def _sent(detail: CaseDetail, act: str) -> CaseDraft:
    """The dialog as it was sent, whatever is in it."""
    form = request.form
    duration = form.get("duration_s", "")
    return CaseDraft(
        act=act,
        detail=detail,
        request_id=kept_id(form.get("request_id")),
        entry=case_sheet.last_entry(detail.thread),
        reason=form.get("reason", "").replace("\r\n", "\n"),
        duration=duration if duration.isascii() and duration.isdigit() and len(duration) < 12 else "",
    )


def _overtaken(viewer: GuildScope, draft: CaseDraft) -> Response:
    """Somebody was faster: what they wrote is shown, and sending it again puts this in its place."""
    latest = case_sheet.said(next(entry for entry in draft.detail.thread if entry.number == draft.entry))
    told = " ".join(f"{label} is now: {after}." for label, _, after in latest.changes)
    sentence = f"{latest.author} {latest.did} meanwhile. {told} Send it again to put yours in its place."
    return _again(viewer, draft, HTTPStatus.CONFLICT, problem=sentence)


def _again(
    viewer: GuildScope,
    draft: CaseDraft,
    status: HTTPStatus,
    *,
    errors: dict[str, str] | None = None,
    problem: str | None = None,
) -> Response:
    """The same form with everything in it, and what to change."""
    draft = replace(draft, errors=errors or {}, problem=problem)
    if draft.act == "comment":
        made = make_response(_comment(viewer, draft), status)
        made.headers["HX-Retarget"], made.headers["HX-Reswap"] = f"#comment-{draft.detail.row.case_no}", "outerHTML"
        return made
    if status is not HTTPStatus.SERVICE_UNAVAILABLE:
        draft = case_draft.completed(services(), viewer, draft)
    made = make_response(render_template("case_act.html", scope=viewer, draft=draft), status)
    made.headers["HX-Retarget"], made.headers["HX-Reswap"] = "#act-body", "innerHTML"
    return made


def _comment(viewer: GuildScope, draft: CaseDraft) -> str:
    told = draft.problem or next(iter(draft.errors.values()), None)
    row, request_id = draft.detail.row, draft.request_id
    facts = {"row": row, "comment_id": request_id, "comment": draft.reason, "comment_error": told}
    return render_template("case_comment.html", scope=viewer, **facts)
