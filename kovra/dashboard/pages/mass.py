"""The mass action page: paste or read a file, review, confirm by typing the number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from kovra.actions.capabilities import Capability
from kovra.actions.job import MAX_TARGETS
from kovra.actions.request import Action
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.draft import HOUR_S
from kovra.dashboard.head_first import head_first
from kovra.dashboard.id_file import MAX_FILE_BYTES, read_id_file
from kovra.dashboard.mass import MassDraft, Outcome, Review, job_of, offered, review
from kovra.dashboard.schemas import MassForm, first_sentences
from kovra.dashboard.services import services
from kovra.dashboard.shell import seen_until, shell
from kovra.errors import Conflict, Malformed, Unavailable
from kovra.ids import new_request_id
from kovra.store.guilds import GuildScope

#: A form with a file in it; a file that is too large for us, but not for this, is told about at its field.
LARGEST = MAX_FILE_BYTES + 1024 * 1024

mass = Blueprint("mass", __name__)


@mass.get("/g/<int:guild_id>/mass")
@policy(in_guild(Capability.MASS))
@head_first
def form(guild_id: int) -> Response:
    """The form, with those who were ticked in a list, and the newest mass actions."""
    choices = offered(scope())
    asked = next((choice for choice in choices if choice == request.args.get("action")), None)
    ids = "\n".join(request.args.getlist("ids")[:MAX_TARGETS])
    return _page(scope(), MassDraft(ids=ids, action=asked or (choices[0] if choices else Action.BAN)))


def reviewed_page(viewer: GuildScope, draft: MassDraft) -> Response:
    """The review of those who were picked elsewhere; its id is minted here."""
    known = services()
    try:
        return _page(viewer, replace(draft, review=review(known, viewer, draft, known.clock.now())))
    except Malformed as error:
        return _page(viewer, replace(draft, errors=_at_its_field(error)), HTTPStatus.UNPROCESSABLE_ENTITY)


@mass.post("/g/<int:guild_id>/mass/review")
@policy(in_guild(Capability.MASS, largest=LARGEST))
def look(guild_id: int) -> Response:
    """Sort what was given. Nothing happens yet; the id of the job is minted here."""
    viewer = scope()
    draft, sorted_out = _reviewed(viewer)
    if sorted_out is None:
        return _page(viewer, draft, HTTPStatus.UNPROCESSABLE_ENTITY)
    return _page(viewer, replace(draft, batch_id=new_request_id(), review=sorted_out))


@mass.post("/g/<int:guild_id>/mass")
@policy(in_guild(Capability.MASS, largest=LARGEST))
def submit(guild_id: int) -> Response:
    """Ask for it, when it is what was reviewed and the number typed is the number that will run now."""
    known, viewer = services(), scope()
    asked_before = _asked_before(viewer)
    if asked_before is not None:
        return asked_before
    draft, sorted_out = _reviewed(viewer)
    if sorted_out is None:
        return _page(viewer, draft, HTTPStatus.UNPROCESSABLE_ENTITY)
    sentence = _not_confirmed(draft, sorted_out)
    if sentence is not None:
        again = replace(draft, problem=sentence, review=sorted_out)
        return _page(viewer, again, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        known.submit_job(job_of(viewer, draft, sorted_out.targets, known.clock.now()))
    except Conflict:
        sentence = "This form was sent before with something else in it. It has a new id now: look it over and send it."
        again = replace(draft, problem=sentence, review=sorted_out, batch_id=new_request_id())
        return _page(viewer, again, HTTPStatus.CONFLICT)
    except Unavailable:
        sentence = "Not started: Kovra’s database does not answer. Nothing was done. Send it again in a moment."
        return _page(viewer, replace(draft, problem=sentence, review=sorted_out), HTTPStatus.SERVICE_UNAVAILABLE)
    return _to_job(viewer, draft)


def _not_confirmed(draft: MassDraft, sorted_out: Review) -> str | None:
    """Why this does not start: what was looked over is something else than what would run now."""
    wanted = sorted_out.outcomes[Outcome.RUN]
    typed = request.form.get("confirm", "").strip()
    if not wanted:
        return "Not started: nobody is left to act on."
    if request.form.get("mark") != draft.mark:
        return f"Not started: whom or what was changed after the review. Look the list over and type {wanted}."
    if typed != str(wanted):
        return f"Not started: {wanted} will run, and you typed “{typed[:10]}”. Look the list over and type {wanted}."
    return None


def _asked_before(viewer: GuildScope) -> Response | None:
    """A form that is sent twice leads to the job it has started; by now the review would say something else."""
    try:
        given = MassForm().load(request.form)
    except ValidationError:
        return None
    if given["batch_id"] is None or services().jobs.card(viewer, given["batch_id"]) is None:
        return None
    return redirect(url_for("jobs.page", guild_id=viewer.guild_id, batch_id=given["batch_id"]), HTTPStatus.SEE_OTHER)


def _to_job(viewer: GuildScope, draft: MassDraft) -> Response:
    return redirect(url_for("jobs.page", guild_id=viewer.guild_id, batch_id=draft.batch_id), HTTPStatus.SEE_OTHER)


def _reviewed(viewer: GuildScope) -> tuple[MassDraft, Review | None]:
    """What was sent, and the review of it; without one the draft says what to change."""
    known = services()
    typed, told, errors = _with_file(_as_typed())
    try:
        given = MassForm().load(request.form)
    except ValidationError as error:
        errors = first_sentences(error) | errors
        others = [text for name, text in errors.items() if name not in ("ids", "csv", "reason", "duration_s")]
        return replace(typed, told=told, errors=errors, problem=others[0] if others else None), None
    draft = MassDraft(
        ids=typed.ids,
        action=given["action"],
        reason=given["reason"],
        duration_s=given.get("duration_s", HOUR_S),
        delete_window_s=given.get("delete_window_s", 0),
        notice=bool(given["notice"]),
        batch_id=given["batch_id"] or new_request_id(),
        told=told,
        errors=errors,
    )
    if errors:
        return draft, None
    try:
        return draft, review(known, viewer, draft, known.clock.now())
    except Malformed as error:
        return replace(draft, errors=_at_its_field(error)), None


def _at_its_field(error: Malformed) -> dict[str, str]:
    """What is wrong, at its field; what is wrong with no field of its own is wrong with whom it is about."""
    return {error.about if error.about in ("reason", "duration_s") else "ids": str(error)}


def _with_file(typed: MassDraft) -> tuple[MassDraft, str | None, dict[str, str]]:
    """The draft with the lines of a file in its box, how the file was read, and what is wrong with it."""
    sent = request.files.get("csv")
    if sent is None or not sent.filename:
        return typed, None, {}
    try:
        read = read_id_file(sent.filename, sent.stream.read(MAX_FILE_BYTES + 1), MAX_TARGETS)
    except Malformed as error:
        return typed, None, {"csv": str(error)}
    above = typed.ids.strip("\r\n")
    return replace(typed, ids=f"{above}\n{read.box}" if above.strip() else read.box), read.told, {}


def _as_typed() -> MassDraft:
    text = request.form.get("action", "")
    return MassDraft(
        ids=request.form.get("ids", ""),
        action=Action(text) if text in set(Action) else Action.BAN,
        reason=request.form.get("reason", ""),
        notice=request.form.get("notice") == "1",
    )


def _page(viewer: GuildScope, draft: MassDraft, status: HTTPStatus = HTTPStatus.OK) -> Response:
    known = services()
    since = seen_until(viewer)
    facts: Mapping[str, Any] = {
        "draft": draft,
        "choices": offered(viewer),
        "recent": known.jobs.recent(viewer),
        "largest_file": MAX_FILE_BYTES,
    }
    return make_response(render_template("mass.html", **shell(viewer, since, "mass"), **facts), status)
