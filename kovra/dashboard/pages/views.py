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
from kovra.store.guilds import GuildScope
from kovra.store.saved_views import NotDone

views = Blueprint("views", __name__)


_NAMELESS = "Open the menu of the view again and write a name there."


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
        return _not_done("saved", _unread(error), here)
    why = services().views.save(viewer, given["name"], query.words, bool(given["shared"]))
    return redirect(here, HTTPStatus.SEE_OTHER) if why is None else _not_done("saved", why, here)


@views.post("/g/<int:guild_id>/views/<uuid:view_id>/change")
@policy(in_guild(Capability.VIEW))
def change(guild_id: int, view_id: UUID) -> Response:
    """Give a view another name, or to everybody, or take it back to oneself; then show it."""
    viewer = scope()
    try:
        given = ViewForm().load(request.form)
    except ValidationError as error:
        return _not_done("changed", _unread(error), _address(viewer, view_id))
    changed = services().views.change(viewer, view_id, given["name"], bool(given["shared"]))
    if isinstance(changed, NotDone):
        return _not_done("changed", changed, _address(viewer, view_id))
    return redirect(url_for("cases.index", guild_id=guild_id, **changed.words), HTTPStatus.SEE_OTHER)


@views.post("/g/<int:guild_id>/views/<uuid:view_id>/forget")
@policy(in_guild(Capability.VIEW))
def forget(guild_id: int, view_id: UUID) -> Response:
    """Take a view away."""
    why = services().views.forget(scope(), view_id)
    if why is not None:
        return _not_done("forgotten", why, _address(scope(), view_id))
    return redirect(url_for("cases.index", guild_id=guild_id), HTTPStatus.SEE_OTHER)


def _address(viewer: GuildScope, view_id: UUID) -> str:
    """Where this view is shown, with its menu; the whole list when it is gone."""
    found = next((one for one in services().views.of(viewer) if one.view_id == view_id), None)
    return url_for("cases.index", guild_id=viewer.guild_id, **(found.words if found else {}))


def _unread(error: ValidationError) -> NotDone:
    return NotDone(why=next(iter(first_sentences(error).values())), remedy=_NAMELESS)


def _not_done(deed: str, why: NotDone, back: str) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    ways = (("Back to the cases", back),)
    told = Problem(status=status, title=f"The view was not {deed}", text=why.why, remedy=why.remedy, ways=ways)
    return make_response(render_template("problem.html", problem=told), status)
