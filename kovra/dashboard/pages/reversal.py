"""Taking back what a mass action did, or what somebody did in the last minutes: the dialog, and what became of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from math import ceil
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.exceptions import BadRequest

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action, Source
from kovra.actions.reverse import MOST, Found, Plan, Wish, not_reversible, request_id_of
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.case_draft import ACTS, REVERSE
from kovra.dashboard.many import One, followed
from kovra.dashboard.pages.act import person_of
from kovra.dashboard.pages.jobs import known_job
from kovra.dashboard.schemas import ReversalForm, ReversalOf
from kovra.dashboard.services import services
from kovra.errors import Malformed, Unavailable
from kovra.ids import UserId, new_request_id
from kovra.store.guilds import GuildScope

#: How far back one can go at once, in minutes.
SPANS = ((10, "10 minutes"), (30, "30 minutes"), (60, "1 hour"), (360, "6 hours"), (1440, "24 hours"))

reversal = Blueprint("reversal", __name__)


@dataclass(frozen=True, kw_only=True)
class Which:
    """What is to be taken back: a mass action, or the last ``minutes`` of somebody. ``whose`` is their name."""

    batch_id: UUID | None
    moderator_id: UserId | None
    minutes: int | None
    whose: str

    @property
    def words(self) -> Mapping[str, Any]:
        """The same as the words of an address."""
        return {"batch": self.batch_id, "moderator": self.moderator_id, "minutes": self.minutes}


@reversal.get("/g/<int:guild_id>/reverse")
@policy(in_guild(Capability.REVERSE))
def form(guild_id: int) -> Response:
    """The dialog: what would be taken back, what still waits and is cancelled, and what cannot be taken back."""
    try:
        given = ReversalOf().load(request.args)
        return _form(_which(scope(), given), new_request_id(), given["reason"])
    except (ValidationError, Malformed) as error:
        raise BadRequest from error


@reversal.post("/g/<int:guild_id>/reverse")
@policy(in_guild(Capability.REVERSE))
def submit(guild_id: int) -> Response:
    """Take it all back, when the number typed is the one that stands there now. Sent again it asks for none twice."""
    known, viewer = services(), scope()
    try:
        given = ReversalForm().load(request.form)
        which = _which(viewer, given)
        wish = _wish(viewer, which, given["reversal_id"], given["reason"])
    except (ValidationError, Malformed) as error:
        raise BadRequest(str(error)) from error
    found = _found(which, wish.reversal_id).cases
    if known.cases.outcomes(viewer, [request_id_of(wish.reversal_id, one.case_no) for one in found]):
        return _accepted(viewer, which, wish.reversal_id)  # it was sent before: by now its review would say less
    try:
        plan = known.reverse.plan(wish)
        if (problem := _not_confirmed(plan, given["confirm"])) is not None:
            return _form(which, wish.reversal_id, wish.reason, problem)
        done = known.reverse(wish)
    except Malformed as error:
        return _form(which, wish.reversal_id, wish.reason, str(error))
    except Unavailable:
        sentence = "Kovra’s database did not answer. What was cancelled stays so; send it again in a moment."
        return _form(which, wish.reversal_id, wish.reason, sentence)
    return _accepted(viewer, which, wish.reversal_id, len(done.cancelled))


@reversal.get("/g/<int:guild_id>/reverse/<uuid:reversal_id>")
@policy(in_guild(Capability.REVERSE))
def status(guild_id: int, reversal_id: UUID) -> str:
    """How far it is, as a toast; with ``whole`` each of them."""
    viewer, asked = scope(), request.args.to_dict()
    whole = asked.pop("whole", None)
    cancelled = asked.pop("cancelled", "0")
    try:
        which = _which(viewer, ReversalOf().load(asked))
    except (ValidationError, Malformed) as error:
        raise BadRequest from error
    if whole is None:
        return _toast(viewer, which, reversal_id, int(cancelled) if cancelled.isdecimal() else 0)
    told = _followed(viewer, which, reversal_id)
    return render_template("case_many_told.html", scope=viewer, words=ACTS[REVERSE], told=told)


def _form(which: Which, reversal_id: UUID, reason: str, problem: str | None = None) -> Response:
    known, viewer = services(), scope()
    plan = known.reverse.plan(_wish(viewer, which, reversal_id, reason))
    if not viewer.may(Capability.VIEW_NOTES):
        plan = replace(plan, cannot=[(undo, why) for undo, why in plan.cannot if undo.action is not Action.NOTE])
    facts = {"which": which, "plan": plan, "reversal_id": reversal_id, "reason": reason, "problem": problem}
    facts |= {"spans": SPANS, "number": _number(plan), "most": MOST, "words": ACTS[REVERSE]}
    status_code = HTTPStatus.OK if problem is None else HTTPStatus.UNPROCESSABLE_ENTITY
    made = make_response(render_template("reversal.html", scope=viewer, **facts), status_code)
    if problem is not None:
        made.headers["HX-Retarget"], made.headers["HX-Reswap"] = "#act-body", "innerHTML"
    return made


def _accepted(viewer: GuildScope, which: Which, reversal_id: UUID, cancelled: int = 0) -> Response:
    made = make_response(_toast(viewer, which, reversal_id, cancelled), HTTPStatus.ACCEPTED)
    made.headers["HX-Trigger"] = json.dumps({"act:kept": {"target": "#act"}})
    return made


def _which(viewer: GuildScope, given: Mapping[str, Any]) -> Which:
    """Raises Malformed when it names neither, or both."""
    batch_id, moderator_id, minutes = given["batch"], given["moderator"], given["minutes"]
    if (batch_id is None) is (moderator_id is None) or (moderator_id is None) is not (minutes is None):
        raise Malformed("Say whose acts, or which mass action, is to be taken back.")
    if batch_id is not None:
        whose = known_job(viewer, batch_id).moderator_name
        return Which(batch_id=batch_id, moderator_id=None, minutes=None, whose=whose)
    person = person_of(viewer, str(moderator_id))
    whose = person.name if person is not None else str(moderator_id)
    return Which(batch_id=None, moderator_id=UserId(moderator_id), minutes=minutes, whose=whose)


def _wish(viewer: GuildScope, which: Which, reversal_id: UUID, reason: str) -> Wish:
    return Wish(
        reversal_id=reversal_id,
        guild_id=viewer.guild_id,
        asked_by=viewer.viewer.user_id,
        source=Source.DASHBOARD,
        reason=reason.replace("\r\n", "\n").strip(),
        issued_at=services().clock.now(),
        batch_id=which.batch_id,
        of_moderator=which.moderator_id,
        minutes=which.minutes,
    )


def _number(plan: Plan) -> int:
    """What somebody types to confirm it."""
    return len(plan.takes_back) + len(plan.cancels)


def _not_confirmed(plan: Plan, typed: str) -> str | None:
    """Why it does not start."""
    if plan.refusal is not None:
        return plan.refusal.sentence
    number = _number(plan)
    if not number:
        return "Nothing was done: there is nothing left to take back."
    if typed.strip() != str(number):
        return f"Nothing was done: it is {number} by now, and you typed “{typed.strip()[:10]}”. Look it over again."
    return None


def _found(which: Which, reversal_id: UUID) -> Found:
    """All that there was to take back when the dialog was drawn, with what is taken back by now."""
    known, viewer = services(), scope()
    if which.batch_id is not None:
        return known.undoing.batch(viewer.guild_id, which.batch_id, MOST)
    assert which.moderator_id is not None
    assert which.minutes is not None
    drawn_s = (reversal_id.int >> 80) / 1000
    minutes = which.minutes + max(0, ceil((known.clock.now().timestamp() - drawn_s) / 60))
    return known.undoing.by_moderator(viewer.guild_id, which.moderator_id, minutes, MOST)


def _followed(viewer: GuildScope, which: Which, reversal_id: UUID) -> Sequence[One]:
    """What was asked for, and what could not be: each with what became of it."""
    known = services()
    undos = {undo.case_no: undo for undo in _found(which, reversal_id).cases}
    planned = [
        One(
            row=row,
            why_not=not_reversible(undos[row.case_no]),
            request_id=request_id_of(reversal_id, row.case_no),
            undo=undos[row.case_no],
        )
        for row in known.cases.some(viewer, list(undos))
    ]
    return followed(planned, known.cases.outcomes(viewer, [one.request_id for one in planned]))


def _toast(viewer: GuildScope, which: Which, reversal_id: UUID, cancelled: int) -> str:
    told = _followed(viewer, which, reversal_id)
    follow = url_for(
        "reversal.status", guild_id=viewer.guild_id, reversal_id=reversal_id, cancelled=cancelled or None, **which.words
    )
    counts = {
        "asked": len(told),
        "done": sum(one.done for one in told),
        "open": sum(one.open for one in told),
        "not_done": sum(not one.done and not one.open for one in told),
        "cancelled": cancelled,
    }
    return render_template(
        "case_many_toast.html", scope=viewer, words=ACTS[REVERSE], many_id=reversal_id, follow=follow, **counts
    )
