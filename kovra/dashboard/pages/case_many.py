"""One act on all the cases that are ticked: each is a request of its own, and each has an outcome of its own."""

from __future__ import annotations

import json
from http import HTTPStatus
from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.exceptions import BadRequest

from kovra.actions.capabilities import Capability
from kovra.dashboard import many
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.case_draft import ACTS, WRITTEN
from kovra.dashboard.many import MANY, One
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.schemas import CaseNumbers, ManyForm, first_sentences
from kovra.dashboard.services import services
from kovra.errors import Malformed, Unavailable
from kovra.ids import new_request_id
from kovra.store.guilds import GuildScope

case_many = Blueprint("case_many", __name__)


@case_many.get("/g/<int:guild_id>/cases/many/<act>")
@policy(in_guild(Capability.VIEW))
def form(guild_id: int, act: str) -> Response:
    """The dialog: what it would be done to, and why not to the others."""
    return _form(scope(), _known(act), new_request_id())


@case_many.post("/g/<int:guild_id>/cases/many/<act>")
@policy(in_guild(Capability.VIEW))
def submit(guild_id: int, act: str) -> Response:
    """Ask for all of them in one trip. Sent again with the same id it asks for none twice."""
    known, viewer, act = services(), scope(), _known(act)
    try:
        given = ManyForm().load(request.form)
    except ValidationError as error:
        return _form(viewer, act, new_request_id(), problem=next(iter(first_sentences(error).values())))
    many_id, reason = given["many_id"], given["reason"].replace("\r\n", "\n").strip()
    planned = many.plan(known, viewer, act, given["cases"], many_id)
    if act in WRITTEN and not reason:
        return _form(viewer, act, many_id, problem="Say why: it is what each case will say.")
    issued_at = known.clock.now()
    try:
        wanted = [many.request_of(viewer, act, one, reason, issued_at) for one in planned if one.why_not is None]
        known.submit_many(wanted)
    except Malformed as error:
        return _form(viewer, act, many_id, problem=str(error))
    except Unavailable:
        sentence = "Kovra’s database did not answer, so nothing was asked for. Send it again in a moment."
        return _form(viewer, act, many_id, problem=sentence)
    made = make_response(_toast(viewer, act, many_id, given["cases"]), HTTPStatus.ACCEPTED)
    made.headers["HX-Trigger"] = json.dumps({"act:kept": {"target": "#act"}})
    return made


@case_many.get("/g/<int:guild_id>/cases/many/<act>/<uuid:many_id>")
@policy(in_guild(Capability.VIEW))
def status(guild_id: int, act: str, many_id: UUID) -> str:
    """How far it is, as a toast; with ``whole`` each of them."""
    viewer, numbers = scope(), _numbers()
    if "whole" not in request.args:
        return _toast(viewer, _known(act), many_id, numbers)
    told = _followed(viewer, _known(act), many_id, numbers)
    return render_template("case_many_told.html", scope=viewer, words=ACTS[act], told=told)


def _form(viewer: GuildScope, act: str, many_id: UUID, problem: str | None = None) -> Response:
    numbers, reason = [], request.form.get("reason", "")
    try:
        numbers = CaseNumbers().deserialize(request.values.get("cases", ""))
    except ValidationError as error:
        problem = problem or str(error.messages[0])
    planned = many.plan(services(), viewer, act, numbers, many_id)
    facts = {"act": act, "words": ACTS[act], "many_id": many_id, "planned": planned, "reason": reason}
    facts |= {"written": act in WRITTEN, "able": sum(one.why_not is None for one in planned), "problem": problem}
    again = request.method == "POST"
    status_code = HTTPStatus.UNPROCESSABLE_ENTITY if again else HTTPStatus.OK
    made = make_response(render_template("case_many.html", scope=viewer, **facts), status_code)
    if again:
        made.headers["HX-Retarget"], made.headers["HX-Reswap"] = "#act-body", "innerHTML"
    return made


def _followed(viewer: GuildScope, act: str, many_id: UUID, numbers: list[int]) -> list[One]:
    planned = many.plan(services(), viewer, act, numbers, many_id)
    return many.followed(planned, services().cases.outcomes(viewer, [one.request_id for one in planned]))


def _toast(viewer: GuildScope, act: str, many_id: UUID, numbers: list[int]) -> str:
    told = _followed(viewer, act, many_id, numbers)
    counts = {
        "asked": len(told),
        "done": sum(one.done for one in told),
        "open": sum(one.open for one in told),
        "not_done": sum(not one.done and not one.open for one in told),
    }
    cases = ",".join(map(str, numbers))
    follow = url_for("case_many.status", guild_id=viewer.guild_id, act=act, many_id=many_id, cases=cases)
    return render_template(
        "case_many_toast.html", scope=viewer, words=ACTS[act], many_id=many_id, follow=follow, **counts
    )


def _numbers() -> list[int]:
    try:
        return CaseNumbers().deserialize(request.args.get("cases", ""))
    except ValidationError as error:
        raise BadRequest from error


def _known(act: str) -> str:
    if act not in MANY:
        raise NoSuchPage
    return act
