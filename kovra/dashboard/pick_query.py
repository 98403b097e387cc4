"""Whom a mass action is to pick: read from an address, and nobody when a word of it cannot be meant.

The list of members leaves out what it cannot read. Here that would pick more people than were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kovra.ids import RoleId
from kovra.store.member_finding import MemberFilter

#: The longest name or pattern: Discord's names have at most 32 letters.
MAX_PATTERN = 64
#: A pick reaches so far back by minutes; further back it names days.
MAX_MINUTES = 60 * 24 * 30
#: The account was made within so many hours.
AGES: Mapping[str, str] = {
    "1": "Under an hour",
    "24": "Under a day",
    "72": "Under 3 days",
    "168": "Under 7 days",
    "720": "Under 30 days",
    "2160": "Under 90 days",
}
#: Instead of a role: without any.
NO_ROLE = "none"


@dataclass(frozen=True, kw_only=True)
class PickQuery:
    """What was asked for. ``wanted`` is None when nothing was, or when a field is wrong: ``errors`` say why."""

    words: Mapping[str, str]
    wanted: MemberFilter | None
    errors: Mapping[str, str] = field(default_factory=dict)


def read(args: Any, now: datetime) -> PickQuery:
    """Read an address; minutes count back from now."""
    words = {name: args.get(name, "").strip() for name in ("name", "role", "minutes", "from", "to", "age")}
    words = {name: text for name, text in words.items() if text}
    errors: dict[str, str] = {}
    since, until = _moment(words, "from", errors), _moment(words, "to", errors)
    if since and until and since >= until:
        errors["to"] = "This is not after the beginning."
    minutes = words.get("minutes")
    if minutes is not None and not (minutes.isascii() and minutes.isdigit() and 0 < int(minutes[:9]) <= MAX_MINUTES):
        errors["minutes"] = f"Give whole minutes, from 1 to {MAX_MINUTES:,}."
    if words.get("age", "1") not in AGES:
        errors["age"] = "Choose an age from the list."
    role = words.get("role")
    if role not in (None, NO_ROLE) and not (role.isascii() and role.isdigit() and int(role[:20]) < 1 << 63):
        errors["role"] = "Choose a role from the list."
    name = words.get("name", "")
    if len(name) > MAX_PATTERN or "\x00" in name:
        errors["name"] = f"Give at most {MAX_PATTERN} letters."
    elif name and not name.strip("*?"):
        errors["name"] = "This fits everybody. Give at least one letter of the name."
    if errors or not words:
        return PickQuery(words=words, wanted=None, errors=errors)
    lately = now - timedelta(minutes=int(minutes)) if minutes else None
    wanted = MemberFilter(
        pattern=name,
        role_id=RoleId(int(role)) if role not in (None, NO_ROLE) else None,
        roleless=role == NO_ROLE,
        joined_since=max((moment for moment in (since, lately) if moment), default=None),
        joined_until=until,
        made_since=now - timedelta(hours=int(words["age"])) if "age" in words else None,
    )
    return PickQuery(words=words, wanted=wanted)


def _moment(words: Mapping[str, str], name: str, errors: dict[str, str]) -> datetime | None:
    """A minute of a day, in UTC."""
    if name not in words:
        return None
    try:
        moment = datetime.fromisoformat(words[name]).replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or not 2015 <= moment.year < 9999:
        errors[name] = "Give a day and a time."
        return None
    return moment
