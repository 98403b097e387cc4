"""The frame around a server's pages: where one can go, who one is, and the keys that work.

A page is in the navigation when it is built and the viewer may open it. Whoever builds a page gives it the endpoint
that stands here; nothing else has to be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app, url_for

from kovra.actions.capabilities import NEEDS, Capability
from kovra.dashboard.access import session
from kovra.dashboard.services import services
from kovra.ids import GuildId
from kovra.store.guilds import GuildScope

#: Rows of a list in the first frame of a page: as many as fit on a large screen, or nearly so. The others are in the
#: page too, and are laid out after that frame.
ROWS_AT_ONCE = 24

#: A group of keys in the list behind ``?``: its heading, and what each line does by which keys.
Keys = tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]


@dataclass(frozen=True, kw_only=True)
class Place:
    """One page of a server in the navigation. ``key`` follows G; ``tab``: also among the tabs of a phone."""

    section: str
    label: str
    icon: str
    endpoint: str
    needs: Capability
    key: str
    group: str = ""
    tab: bool = False


PLACES: Sequence[Place] = tuple(
    Place(section=section, label=label, icon=icon, endpoint=endpoint, needs=needs, key=key, group=group, tab=tab)
    for section, label, icon, endpoint, needs, key, group, tab in (
        ("overview", "Overview", "overview", "overview.index", Capability.VIEW, "o", "", True),
        ("cases", "Cases", "cases", "cases.index", Capability.VIEW, "c", "Moderate", True),
        ("members", "Members", "members", "members.index", Capability.VIEW, "m", "Moderate", True),
        ("bans", "Bans", "ban", "bans.index", Capability.VIEW, "b", "Moderate", False),
        ("mass", "Mass action", "mass", "mass.form", Capability.MASS, "x", "Moderate", False),
        ("audit", "Audit log", "audit", "audit.index", Capability.VIEW_AUDIT, "u", "Record", False),
        ("queue", "Action queue", "queue", "queue.index", Capability.VIEW, "q", "Record", True),
        ("settings", "Settings", "settings", "settings.index", Capability.SETTINGS, "s", "Server", False),
    )
)

#: The keys that work on every page of a server.
ANYWHERE = (
    ("Find a member, case, page or action", ("⌘K",)),
    ("Search this page", ("/",)),
    ("This list", ("?",)),
    ("Close the sheet or dialog", ("Esc",)),
    ("Undo the last action", ("Z",)),
)
DIALOG: Keys = ("Dialog", (("Submit", ("⌘↵",)), ("Cancel", ("Esc",))))


def places(viewer: GuildScope) -> list[Place]:
    """Where this viewer can go."""
    built = current_app.view_functions
    return [place for place in PLACES if place.endpoint in built and viewer.may(place.needs)]


def home(guild_id: GuildId) -> str:
    """The first page of a server."""
    return url_for("overview.index", guild_id=guild_id)


def seen_until(viewer: GuildScope) -> int:
    """The number of the newest event. Read before what a page shows: what happens in between is told by the stream,
    and shown twice is better than never."""
    return services().events.newest([viewer.guild_id]).get(viewer.guild_id, 0)


def can_act(viewer: GuildScope) -> bool:
    """Whether there is any action this viewer may ask for."""
    return any(viewer.may(needed) for needed in NEEDS.values())


def shell(viewer: GuildScope, since: int, section: str = "cases", keys: Sequence[Keys] = ()) -> Mapping[str, Any]:
    """What the frame shows; ``section`` is the place one is in, ``keys`` are those of this page alone."""
    open_to_them = places(viewer)
    go_to: Keys = ("Go to", tuple((place.label, ("G", place.key.upper())) for place in open_to_them))
    return {
        "scope": viewer,
        "guild": {"name": viewer.guild_name, "member_count": viewer.member_count},
        "person": session(),
        "since": since,
        "can_act": can_act(viewer),
        "places": open_to_them,
        "section": section,
        "at_once": ROWS_AT_ONCE,
        "key_map": (("Anywhere", ANYWHERE), *keys, go_to, DIALOG),
    }
