"""Picking the targets of a mass action: filters, the list of who fits with a tick each, and on to the review."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from kovra.actions.capabilities import Capability
from kovra.actions.job import MAX_TARGETS
from kovra.actions.request import Action
from kovra.dashboard import pick_query
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.mass import MassDraft, offered
from kovra.dashboard.pages.mass import reviewed_page
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.store.guilds import GuildScope

KEYS: tuple[Keys, ...] = (
    (
        "Picked members",
        (
            ("Next member", ("J",)),
            ("Previous member", ("K",)),
            ("Tick or untick", ("X",)),
            ("All up to here", ("⇧X",)),
            ("Open the profile in a tab", ("Enter",)),
            ("Name", ("/",)),
            ("Let in what has changed", (".",)),
        ),
    ),
)

mass_pick = Blueprint("mass_pick", __name__)


@mass_pick.get("/g/<int:guild_id>/mass/pick")
@policy(in_guild(Capability.MASS))
def page(guild_id: int) -> Response:
    """The filters, and who fits them."""
    return _page(scope())


@mass_pick.get("/g/<int:guild_id>/mass/pick/list")
@policy(in_guild(Capability.MASS))
def rows(guild_id: int) -> str:
    """Who fits, alone."""
    return render_template("mass_pick_list.html", scope=scope(), **_picked(scope()))


@mass_pick.post("/g/<int:guild_id>/mass/picked")
@policy(in_guild(Capability.MASS))
def picked(guild_id: int) -> Response:
    """Review those that are ticked. They are named one by one: whoever came meanwhile was not looked over."""
    ids = [text for text in request.form.getlist("ids") if text]
    if not ids:
        return _page(scope(), "Nobody is ticked. Tick at least one, or choose other filters.")
    return reviewed_page(scope(), MassDraft(ids="\n".join(ids), action=next(iter(offered(scope())), Action.BAN)))


def _page(viewer: GuildScope, problem: str | None = None) -> Response:
    since = seen_until(viewer)
    facts = {**shell(viewer, since, "mass", KEYS), **_picked(viewer), "problem": problem}
    facts |= {"roles": services().member_list.roles(viewer), "ages": pick_query.AGES, "no_role": pick_query.NO_ROLE}
    status = HTTPStatus.OK if problem is None else HTTPStatus.UNPROCESSABLE_ENTITY
    return make_response(render_template("mass_pick.html", **facts, most_minutes=pick_query.MAX_MINUTES), status)


def _picked(viewer: GuildScope) -> Mapping[str, Any]:
    """The first 500 of those who fit what the address asks for, the latest to come first, and how many there are."""
    known = services()
    now = known.clock.now()
    query = pick_query.read(request.args, now)
    facts = {"query": query, "now": now, "most": MAX_TARGETS}
    if query.wanted is None:
        return {**facts, "lines": [], "total": 0}
    found = known.member_list.page(viewer, query.wanted, None, limit=MAX_TARGETS)
    return {**facts, "lines": found.lines, "total": found.total}
