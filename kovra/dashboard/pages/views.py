"""Views of the case list that people keep: saved under a name, forgotten again. The address itself is the view."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from kovra.actions.capabilities import Capability
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.listing import asked
from kovra.dashboard.problems import Problem
from kovra.dashboard.schemas import ViewForm, first_sentences
from kovra.dashboard.services import services

views = Blueprint("views", __name__)


@views.post("/g/<int:guild_id>/views")
@policy(in_guild(Capability.VIEW))
def save(guild_id: int) -> Response:
    """Keep what the address asks for under a name, and show it."""
    viewer = scope()
    query = asked(viewer)
    here = url_for("cases.index", guild_id=guild_id, **query.words)
    try:
        given = ViewForm().load(request.form)
    except ValidationError as error:
        return _not_done(next(iter(first_sentences(error).values())), here)
    why = services().views.save(viewer, given["name"], query.words, bool(given["shared"]))
    return redirect(here, HTTPStatus.SEE_OTHER) if why is None else _not_done(why, here)


@views.post("/g/<int:guild_id>/views/<uuid:view_id>/change")
@policy(in_guild(Capability.VIEW))
def change(guild_id: int, view_id: UUID) -> Response:
    """Give a view another name, or to everybody, or take it back to oneself; then show it."""
    viewer = scope()
    home = url_for("cases.index", guild_id=guild_id)
    try:
        given = ViewForm().load(request.form)
    except ValidationError as error:
        return _not_done(next(iter(first_sentences(error).values())), home)
    changed = services().views.change(viewer, view_id, given["name"], bool(given["shared"]))
    if isinstance(changed, str):
        return _not_done(changed, home)
    return redirect(url_for("cases.index", guild_id=guild_id, **changed.words), HTTPStatus.SEE_OTHER)


@views.post("/g/<int:guild_id>/views/<uuid:view_id>/forget")
@policy(in_guild(Capability.VIEW))
def forget(guild_id: int, view_id: UUID) -> Response:
    """Take a view away."""
    home = url_for("cases.index", guild_id=guild_id)
    why = services().views.forget(scope(), view_id)
    return redirect(home, HTTPStatus.SEE_OTHER) if why is None else _not_done(why, home)


def _not_done(why: str, back: str) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    told = Problem(status=status, title="The view was not changed", text=why, ways=(("Back to the cases", back),))
    return make_response(render_template("problem.html", problem=told), status)
