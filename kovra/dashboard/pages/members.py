"""The members of a server: a list to search and to act from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request, url_for

from kovra.actions.capabilities import NEEDS, Capability
from kovra.actions.request import Action
from kovra.dashboard import member_query
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.head_first import head_first
from kovra.dashboard.listing import View
from kovra.dashboard.member_query import MemberQuery
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.dashboard.wording import muted
from kovra.ids import UserId
from kovra.store.guilds import GuildScope
from kovra.store.member_list import MemberLine

PER_PAGE = 50

KEYS: tuple[Keys, ...] = (
    (
        "Members",
        (
            ("Next member", ("J",)),
            ("Previous member", ("K",)),
            ("Open the profile", ("Enter",)),
            ("Tick", ("X",)),
            ("Tick up to here", ("⇧X",)),
            ("Search", ("/",)),
            ("Filter", ("F",)),
            ("Show who came", (".",)),
        ),
    ),
    ("Member", (("Warn", ("W",)), ("Mute", ("M",)), ("Ban", ("B",)), ("Note", ("N",)))),
)

members = Blueprint("members", __name__)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line, and what the viewer may do to whom it is about."""

    member: MemberLine
    offers: tuple[Action, ...]


@members.get("/g/<int:guild_id>/members")
@policy(in_guild(Capability.VIEW))
@head_first
def index(guild_id: int) -> str:
    """The whole page."""
    viewer = scope()
    since = seen_until(viewer)
    query = _asked()
    return render_template(
        "members.html",
        **shell(viewer, since, "members", KEYS),
        **_listing(viewer, query),
        chips=member_query.chips(query, services().member_list.roles(viewer)),
        views=[
            View(name=name, url=_url(viewer, words), current=words == query.words) for name, words in member_query.VIEWS
        ],
    )


@members.get("/g/<int:guild_id>/members/list")
@policy(in_guild(Capability.VIEW))
def rows(guild_id: int) -> str:
    """Table and pager alone."""
    viewer = scope()
    return render_template("members_list.html", scope=viewer, fragment=True, **_listing(viewer, _asked()))


@members.get("/g/<int:guild_id>/members/filters")
@policy(in_guild(Capability.VIEW))
def filters(guild_id: int) -> str:
    """What can be filtered by, with what the address says chosen."""
    viewer = scope()
    return render_template(
        "members_filters.html",
        scope=viewer,
        words=_asked().words,
        roles=services().member_list.roles(viewer),
        came=member_query.CAME,
        ages=member_query.AGES,
        states=member_query.STATES,
    )


@members.get("/g/<int:guild_id>/members/<int:user_id>/row")
@policy(in_guild(Capability.VIEW))
def row(guild_id: int, user_id: int) -> str:
    """One line alone, after something about its member has changed; it stays when they have left."""
    viewer = scope()
    found = services().member_list.line(viewer, UserId(user_id)) if user_id < 1 << 63 else None
    if found is None:
        raise NoSuchPage
    line = _line(viewer, found)
    return render_template("members_row_alone.html", scope=viewer, line=line, now=services().clock.now())


def _asked() -> MemberQuery:
    return member_query.read(request.args, services().clock.now())


def _listing(viewer: GuildScope, query: MemberQuery) -> Mapping[str, Any]:
    """The page of the list at this address."""
    place = query.place
    found = services().member_list.page(viewer, query.wanted, place, limit=PER_PAGE)
    lines = found.lines
    here = {name: request.args[name] for name in ("before", "after") if name in request.args}
    first = place is None or (not found.above and bool(lines))
    return {
        "query": query,
        "lines": [_line(viewer, line) for line in lines],
        "total": found.total,
        "first": first,
        "newer": _url(viewer, query.at(lines[0], up=True)) if lines and found.above else None,
        "older": _url(viewer, query.at(lines[-1], up=False)) if lines and found.below else None,
        "rows_url": _url(viewer, query.words if first else {**query.words, **here}, "members.rows"),
        "home_url": _url(viewer, query.words),
        "clear_url": _url(viewer, {}),
        "now": services().clock.now(),
    }


def _line(viewer: GuildScope, member: MemberLine) -> Line:
    if not member.member:
        wanted = (Action.NOTE, Action.UNBAN if member.banned else Action.BAN)
    else:
        wanted = (Action.WARN, Action.UNMUTE if muted(member) else Action.MUTE, Action.NOTE, Action.KICK, Action.BAN)
    return Line(member=member, offers=tuple(action for action in wanted if viewer.may(NEEDS[action])))


def _url(viewer: GuildScope, words: Mapping[str, Any], endpoint: str = "members.index") -> str:
    return url_for(endpoint, guild_id=viewer.guild_id, **words)
