"""What the address of the member list says: filters and place. Read from it, and written back into links.

Whatever an address holds, it reads as something: what cannot be meant is left out, and the page shows what was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kovra.dashboard.case_query import Chip
from kovra.ids import RoleId, UserId
from kovra.store.case_search import MAX_TEXT
from kovra.store.member_finding import MemberFilter, MemberPlace
from kovra.store.member_list import MemberLine, RoleCard

#: Joined within so many hours.
CAME: Mapping[str, str] = {"1": "The last hour", "24": "The last 24 hours", "168": "The last 7 days", "720": "30 days"}
#: The account was made within so many days; a minus: longer ago.
AGES: Mapping[str, str] = {
    "1": "Under a day",
    "7": "Under 7 days",
    "30": "Under 30 days",
    "90": "Under 90 days",
    "-365": "Over a year",
}
#: What may be so with a member.
STATES: Mapping[str, str] = {"punished": "Under a punishment", "muted": "Muted now", "pending": "Rules not accepted"}

_EPOCH = datetime.fromtimestamp(0, UTC)
_EARLIEST, _LATEST = datetime(2015, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class MemberQuery:
    """An address that was read. ``words`` is what of it was understood, as it is written into links."""

    words: Mapping[str, list[str]]
    wanted: MemberFilter
    place: MemberPlace | None

    @property
    def filtered(self) -> bool:
        """Whether anybody is left out of the list."""
        return bool(self.words)

    def at(self, line: MemberLine, up: bool) -> dict[str, Any]:
        """The words of the address of the members past this one."""
        moment = "" if line.joined_at is None else round((line.joined_at - _EPOCH) / timedelta(microseconds=1))
        return {**self.words, "after" if up else "before": f"{moment}-{line.user_id}"}


def read(args: Any, now: datetime) -> MemberQuery:
    """Read an address; what is asked for within some hours counts from now."""
    fields = ("q", "role", "came", "from", "to", "age")
    typed = {name: " ".join(args.get(name, "").split())[:MAX_TEXT] for name in fields}
    states = [state for state in STATES if state in set(args.getlist("is"))]
    came = typed["came"] if typed["came"] in CAME else ""
    age = typed["age"] if typed["age"] in AGES else ""
    since, until = _moment(typed["from"]), _moment(typed["to"])
    role = typed["role"] if typed["role"].isascii() and typed["role"].isdigit() and int(typed["role"]) < 1 << 63 else ""
    text = typed["q"].replace("\x00", "")
    bound = now - timedelta(days=abs(int(age))) if age else None
    hours_ago = now - timedelta(hours=int(came)) if came else None
    wanted = MemberFilter(
        text=text,
        role_id=RoleId(int(role)) if role else None,
        joined_since=max((moment for moment in (since, hours_ago) if moment), default=None),
        joined_until=until,
        made_since=bound if age and int(age) > 0 else None,
        made_until=bound if age and int(age) < 0 else None,
        punished="punished" in states,
        timed_out="muted" in states,
        pending="pending" in states,
    )
    understood = {
        "q": text,
        "role": role,
        "came": came,
        "from": f"{since:%Y-%m-%dT%H:%M}" if since else "",
        "to": f"{until:%Y-%m-%dT%H:%M}" if until else "",
        "age": age,
    }
    words = {name: [value] for name, value in understood.items() if value}
    return MemberQuery(words=words | ({"is": states} if states else {}), wanted=wanted, place=_place(args))


def chips(query: MemberQuery, roles: Sequence[RoleCard]) -> list[Chip]:
    """The filters in the order of the dialog; the name stands in its own field."""
    words = query.words
    names = {str(role.role_id): role.name for role in roles}

    def first(name: str) -> str:
        return words.get(name, [""])[0]

    shown = {
        "role": ("Role", names.get(first("role"), first("role"))),
        "came": ("Joined", CAME.get(first("came"), "")),
        "from": ("Joined from", first("from").replace("T", " ")),
        "to": ("Joined before", first("to").replace("T", " ")),
        "age": ("Account", AGES.get(first("age"), "")),
        "is": ("State", ", ".join(STATES[state] for state in words.get("is", []))),
    }
    return [
        Chip(name=name, label=label, value=value, without={n: v for n, v in words.items() if n != name})
        for name, (label, value) in shown.items()
        if name in words
    ]


#: The views that stand above the list, as words of an address.
VIEWS: Sequence[tuple[str, Mapping[str, list[str]]]] = (
    ("All", {}),
    ("Joined today", {"came": ["24"]}),
    ("New accounts", {"age": ["7"]}),
    ("Muted now", {"is": ["muted"]}),
    ("Punished", {"is": ["punished"]}),
    ("Rules not accepted", {"is": ["pending"]}),
)


def _moment(text: str) -> datetime | None:
    """A day, or a minute of it, in UTC."""
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
    # A day before Discord and one that PostgreSQL's clock cannot reach are slips.
    return moment if _EARLIEST <= moment < _LATEST else None


def _place(args: Any) -> MemberPlace | None:
    for name, up in (("before", False), ("after", True)):
        moment, _, user_id = args.get(name, "").partition("-")
        if not (user_id.isascii() and user_id.isdigit() and int(user_id) < 1 << 63):
            continue
        if not moment:
            return MemberPlace(joined_at=None, user_id=UserId(int(user_id)), up=up)
        if moment.isascii() and moment.isdigit() and int(moment) < _LATEST.timestamp() * 1_000_000:
            joined_at = _EPOCH + timedelta(microseconds=int(moment))
            return MemberPlace(joined_at=joined_at, user_id=UserId(int(user_id)), up=up)
    return None
