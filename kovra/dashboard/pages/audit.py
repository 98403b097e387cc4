"""The audit log: who did what, when and from where; and the proof that nobody has changed it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from kovra.actions.capabilities import Capability
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.audit_words import GROUPS, line
from kovra.dashboard.head_first import head_first
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.errors import Malformed
from kovra.ids import UserId, parse_snowflake
from kovra.store.audit_pages import AuditFilter
from kovra.store.guilds import GuildScope

PER_PAGE = 50
#: What stands in the address besides the place in the list.
FIELDS = ("kind", "q", "from", "to")

KEYS: tuple[Keys, ...] = (("Audit log", (("Next entry", ("J",)), ("Previous entry", ("K",)), ("Show new", (".",)))),)

audit = Blueprint("audit", __name__)


@audit.get("/g/<int:guild_id>/audit")
@policy(in_guild(Capability.VIEW_AUDIT))
@head_first
def index(guild_id: int) -> str:
    """The whole page."""
    viewer = scope()
    since = seen_until(viewer)
    return render_template("audit.html", **shell(viewer, since, "audit", KEYS), **_listing(viewer))


@audit.get("/g/<int:guild_id>/audit/list")
@policy(in_guild(Capability.VIEW_AUDIT))
def rows(guild_id: int) -> str:
    """Table and pager alone."""
    return render_template("audit_list.html", scope=scope(), **_listing(scope()))


@audit.post("/g/<int:guild_id>/audit/verify")
@policy(in_guild(Capability.VIEW_AUDIT))
def verify(guild_id: int) -> str:
    """Walk the whole chain, of entries and of cases, and name the first that is not as it was written."""
    known, viewer = services(), scope()
    began = time.monotonic()
    entry, case_no = known.audit_log.verify(viewer.guild_id), known.casebook.verify(viewer.guild_id)
    found = {"entry": entry, "case_no": case_no, "took_s": time.monotonic() - began, "checked_at": known.clock.now()}
    if request.headers.get("HX-Request") == "true":
        return render_template("audit_verified.html", scope=viewer, verified=found)
    since = seen_until(viewer)
    facts = {**shell(viewer, since, "audit", KEYS), **_listing(viewer)}
    return render_template("audit.html", **facts, verified=found)


def _listing(viewer: GuildScope) -> Mapping[str, Any]:
    given = {name: text for name in FIELDS if (text := request.args.get(name, "").strip()[:100])}
    wanted, who, unknown = _filter(viewer, given)
    place = _place()
    found = services().audit_pages.page(
        viewer, wanted, before=place.get("before"), after=place.get("after"), limit=PER_PAGE
    )
    lines = [] if unknown else [line(entry, found.names) for entry in found.entries]
    address = {"guild_id": viewer.guild_id, **given}
    newer = url_for("audit.index", **address, after=lines[0].entry.number) if lines and found.newer else None
    older = url_for("audit.index", **address, before=lines[-1].entry.number) if lines and found.older else None
    return {
        "lines": lines,
        "days": _days(lines),
        "first": not place or not found.newer,
        "newer": newer,
        "older": older,
        "given": given,
        "who": who,
        "unknown": unknown,
        "groups": {key: label for key, (label, _) in GROUPS.items()},
        "rows_url": url_for("audit.rows", **address, **place),
        "home_url": url_for("audit.index", **address),
        "verified": None,
    }


def _filter(viewer: GuildScope, given: Mapping[str, str]) -> tuple[AuditFilter, str | None, bool]:
    """What the address asks for, whom it means by name, and whether nobody goes by that."""
    kinds = GROUPS[given["kind"]][1] if given.get("kind") in GROUPS else None
    start, end = _day(given.get("from")), _day(given.get("to"))
    text, actor_id, request_id, who = given.get("q", ""), None, None, None
    if text:
        request_id = _uuid(text)
        if request_id is None:
            actor_id, who = _person(viewer, text)
    unknown = bool(text) and request_id is None and actor_id is None
    wanted = AuditFilter(
        kinds=kinds,
        actor_id=actor_id,
        start=start,
        end=end + timedelta(days=1) if end else None,
        request_id=request_id,
    )
    return wanted, who, unknown


def _person(viewer: GuildScope, text: str) -> tuple[UserId | None, str | None]:
    found = services().members.find(viewer, text, 1)
    if found:
        return found[0].user_id, found[0].name
    try:
        return UserId(parse_snowflake(text)), None
    except Malformed:
        return None, None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _day(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if text else None
    except ValueError:
        return None


def _place() -> dict[str, int]:
    for name in ("before", "after"):
        number = request.args.get(name, type=int)
        if number is not None and 0 <= number < 1 << 62:
            return {name: number}
    return {}


def _days(lines: list[Any]) -> dict[int, str]:
    """The entries before which a new day begins, and how it is called."""
    today, days, last = services().clock.now().astimezone(UTC).date(), {}, None
    for one in lines:
        day = one.entry.written_at.astimezone(UTC).date()
        if day != last:
            name = {0: "Today, ", 1: "Yesterday, "}.get((today - day).days, "")
            days[one.entry.number] = f"{name}{day.day} {day:%B %Y}"
            last = day
    return days
