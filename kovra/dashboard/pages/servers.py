"""The server picker: where somebody may moderate, by what Discord says of them now."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from kovra.dashboard.access import SIGNED_IN, policy, session
from kovra.dashboard.services import services
from kovra.dashboard.shell import home

servers = Blueprint("servers", __name__)


@servers.get("/")
@policy(SIGNED_IN)
def front() -> Response:
    """The only server somebody has is opened at once."""
    cards = services().guilds.guilds_of(session().user_id)
    if len(cards) == 1:
        return redirect(home(cards[0].guild_id), HTTPStatus.SEE_OTHER)
    return redirect(url_for("servers.index"), HTTPStatus.SEE_OTHER)


@servers.get("/servers")
@policy(SIGNED_IN)
def index() -> str:
    return render_template("servers.html", guilds=services().guilds.guilds_of(session().user_id), person=session())
