"""The server picker: where somebody may moderate, by what Discord says of them now."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from kovra.actions.rights import Capability
from kovra.dashboard.access import SIGNED_IN, in_guild, policy, session
from kovra.dashboard.services import services

servers = Blueprint("servers", __name__)


@servers.get("/")
@policy(SIGNED_IN)
def front() -> Response:
    """The only server somebody has is opened at once."""
    cards = services().guilds.guilds_of(session().user_id)
    if len(cards) == 1:
        return redirect(url_for("cases.index", guild_id=cards[0].guild_id), HTTPStatus.SEE_OTHER)
    return redirect(url_for("servers.index"), HTTPStatus.SEE_OTHER)


@servers.get("/servers")
@policy(SIGNED_IN)
def index() -> str:
    return render_template("servers.html", guilds=services().guilds.guilds_of(session().user_id), person=session())


@servers.get("/g/<int:guild_id>/")
@policy(in_guild(Capability.VIEW))
def guild(guild_id: int) -> Response:
    """A server's front page is its cases."""
    return redirect(url_for("cases.index", guild_id=guild_id), HTTPStatus.SEE_OTHER)
