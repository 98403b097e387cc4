"""Who is banned: searched, with why, by whom and since when, and lifted from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request, url_for

from kovra.actions.capabilities import Capability
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.head_first import head_first
from kovra.dashboard.listing import View
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.ids import UserId
from kovra.store.ban_list import BanFilter, BanLine, BanPlace
from kovra.store.case_search import MAX_TEXT
from kovra.store.guilds import GuildScope

PER_PAGE = 50

KEYS: tuple[Keys, ...] = (
    (
        "Bans",
        (
            ("Next", ("J",)),
            ("Previous", ("K",)),
            ("Open the profile", ("Enter",)),
            ("Tick", ("X",)),
            ("Search", ("/",)),
            ("Show new bans", (".",)),
        ),
    ),
)

bans = Blueprint("bans", __name__)


@bans.get("/g/<int:guild_id>/bans")
@policy(in_guild(Capability.VIEW))
@head_first
def index(guild_id: int) -> str:
    """The whole page."""
    viewer = scope()
    since = seen_until(viewer)
    facts = _listing(viewer)
    given = facts["given"]
    views = [
        View(name="All", url=_url(viewer, {}), current=not given),
        View(name="Temporary", url=_url(viewer, {"ends": "1"}), current=given == {"ends": "1"}),
    ]
    return render_template("bans.html", **shell(viewer, since, "bans", KEYS), **facts, views=views)


@bans.get("/g/<int:guild_id>/bans/list")
@policy(in_guild(Capability.VIEW))
def rows(guild_id: int) -> str:
    """Table and pager alone."""
    return render_template("bans_list.html", scope=scope(), fragment=True, **_listing(scope()))


@bans.get("/g/<int:guild_id>/bans/<int:user_id>/row")
@policy(in_guild(Capability.VIEW))
def row(guild_id: int, user_id: int) -> str:
    """One line alone; it stays when the ban was lifted, and says so."""
    viewer, known = scope(), services()
    if user_id >= 1 << 63:
        raise NoSuchPage
    found, lifted = known.ban_list.line(viewer, UserId(user_id)), False
    if found is None:
        found, lifted = _lifted(viewer, UserId(user_id)), True
    return render_template("bans_row_alone.html", scope=viewer, line=found, lifted=lifted)


def _lifted(viewer: GuildScope, user_id: UserId) -> BanLine:
    """Who was banned a moment ago, as far as the guild still knows them."""
    card = services().members.card(viewer, user_id)
    if card is None:
        raise NoSuchPage
    return BanLine(
        user_id=user_id,
        name=card.name,
        username=card.username or card.name,
        avatar=card.avatar,
        reason="",
        case_no=None,
        moderator_id=None,
        moderator_name=None,
        banned_at=None,
        ends_at=None,
    )


def _listing(viewer: GuildScope) -> Mapping[str, Any]:
    text = " ".join(request.args.get("q", "").split())[:MAX_TEXT].replace("\x00", "")
    temporary = request.args.get("ends") == "1"
    given = ({"q": text} if text else {}) | ({"ends": "1"} if temporary else {})
    place = _place(request.args.get("before", ""))
    found = services().ban_list.page(viewer, BanFilter(text=text, temporary=temporary), place, PER_PAGE)
    here = {"before": request.args["before"]} if place != BanPlace() else {}
    older = None
    if found.below:
        last = found.lines[-1]
        older = _url(viewer, {**given, "before": f"c{last.case_no}" if last.case_no else f"u{last.user_id}"})
    return {
        "given": given,
        "lines": found.lines,
        "total": found.total,
        "first": not here,
        "older": older,
        "rows_url": _url(viewer, {**given, **here}, "bans.rows"),
        "home_url": _url(viewer, given),
        "clear_url": _url(viewer, {}),
    }


def _place(text: str) -> BanPlace:
    kind, number = text[:1], text[1:]
    if not (number.isascii() and number.isdigit() and int(number) < 1 << 62):
        return BanPlace()
    return BanPlace(case_no=int(number)) if kind == "c" else BanPlace(user_id=UserId(int(number)))


def _url(viewer: GuildScope, words: Mapping[str, Any], endpoint: str = "bans.index") -> str:
    return url_for(endpoint, guild_id=viewer.guild_id, **words)
