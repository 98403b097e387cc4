"""What the address of the case browser says: filters, order, place. Read from it, and written back into links.

Whatever an address holds, it reads as something: what cannot be meant is left out, and the page shows what was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from kovra.actions.request import Action, Source, State
from kovra.dashboard import wording
from kovra.guard.case import NoticeStatus
from kovra.ids import UserId
from kovra.store.case_rows import CaseRow
from kovra.store.case_search import MAX_TEXT, CaseFilter, CaseSort, Place

#: Which case is open and where in the list one is are no part of what is asked for.
_WORDS = ("q", "action", "source", "dm", "state", "mod", "who", "from", "to", "holds", "batch", "sort")
#: States that a case can have; the others are those of requests.
CASE_STATES = (State.APPLIED, State.DONE)
VOID = "void"
_HOLDS = {"active": True, "over": False}
#: Nobody has this id: what a name nobody bears is looked up as.
_NOBODY = UserId(0)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)

_Word = TypeVar("_Word", bound=StrEnum)
FindPerson = Callable[[str], UserId | None]


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One filter as the toolbar shows it; ``without`` are the words of the address that leave it out."""

    name: str
    label: str
    value: str
    without: Mapping[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class CaseQuery:
    """An address that was read. ``words`` is what of it was understood, as it is written into links."""

    words: Mapping[str, list[str]]
    wanted: CaseFilter
    sort: CaseSort
    place: Place | None

    @property
    def filtered(self) -> bool:
        """Whether anything is left out of the list."""
        return self.wanted != CaseFilter() or self.sort.by_end

    def at(self, row: CaseRow, up: bool) -> dict[str, Any]:
        """The words of the address of the rows past this one."""
        key = str(row.case_no)
        if self.sort.by_end and row.ends_at is not None:
            key = f"{key}-{round(row.ends_at.timestamp() * 1_000_000)}"
        return {**self.words, "after" if up else "before": key}

    def sorted_by(self, sort: CaseSort) -> dict[str, Any]:
        """The words of the same filters in another order, from its top."""
        kept = {name: values for name, values in self.words.items() if name != "sort"}
        return kept if sort is CaseSort.NEWEST else {**kept, "sort": [sort.value]}


def read(args: Any, find_person: FindPerson) -> CaseQuery:
    """Read an address; ``find_person`` knows whom a name means."""
    typed = {name: " ".join(args.get(name, "").split())[:MAX_TEXT] for name in _WORDS}
    chosen = {
        "action": _chosen(args, "action", Action),
        "source": _chosen(args, "source", Source),
        "dm": _chosen(args, "dm", NoticeStatus),
        "state": [state for state in _chosen(args, "state", State) if state in CASE_STATES],
    }
    since, until = _day(typed["from"]), _day(typed["to"])
    sort = CaseSort(typed["sort"]) if typed["sort"] in list(CaseSort) else CaseSort.NEWEST
    batch = _batch(typed["batch"])
    wanted = CaseFilter(
        actions=frozenset(chosen["action"]),
        sources=frozenset(chosen["source"]),
        notices=frozenset(chosen["dm"]),
        states=frozenset(chosen["state"]),
        moderator_id=_person(typed["mod"], find_person),
        target_id=_person(typed["who"], find_person),
        batch_id=batch,
        since=since,
        until=until + timedelta(days=1) if until else None,
        voided=VOID in args.getlist("state"),
        holds=_HOLDS.get(typed["holds"]),
        text=typed["q"].replace("\x00", ""),
    )
    words: dict[str, list[str]] = {name: [value.value for value in values] for name, values in chosen.items() if values}
    if wanted.voided:
        words["state"] = [*words.get("state", []), VOID]
    understood = {
        "q": wanted.text,
        "mod": typed["mod"],
        "who": typed["who"],
        "from": typed["from"] if since else "",
        "to": typed["to"] if until else "",
        "holds": typed["holds"] if wanted.holds is not None else "",
        "batch": typed["batch"] if batch else "",
        "sort": "" if sort is CaseSort.NEWEST else sort.value,
    }
    words |= {name: [value] for name, value in understood.items() if value}
    return CaseQuery(words=words, wanted=wanted, sort=sort, place=_place(args, sort))


def without_place(query: CaseQuery) -> CaseQuery:
    """The same from the top."""
    return replace(query, place=None)


def chips(query: CaseQuery, name_of: Callable[[UserId], str | None]) -> list[Chip]:
    """The filters in the order of the dialog; text stands in its own field."""
    wanted, words = query.wanted, query.words
    shown = {
        "action": ("Action", _listed(wording.action_label(each) for each in words.get("action", []))),
        "source": ("Source", _listed(wording.source_label(each) for each in words.get("source", []))),
        "dm": ("DM", _listed(wording.notice_label(NoticeStatus(each)) for each in words.get("dm", []))),
        "state": ("State", _listed(wording.state_label(each) for each in words.get("state", []))),
        "mod": ("Moderator", _named(words.get("mod"), wanted.moderator_id, name_of)),
        "who": ("Member", _named(words.get("who"), wanted.target_id, name_of)),
        "holds": ("Punishments", {True: "Active", False: "Over", None: ""}[wanted.holds]),
        "from": ("From", words.get("from", [""])[0]),
        "to": ("To", words.get("to", [""])[0]),
        "batch": ("Mass action", words.get("batch", [""])[0][-8:]),
        "sort": ("Order", "" if query.sort is CaseSort.NEWEST else SORTS[query.sort]),
    }
    return [
        Chip(name=name, label=label, value=value, without={n: v for n, v in words.items() if n != name})
        for name, (label, value) in shown.items()
        if name in words
    ]


SORTS: Mapping[CaseSort, str] = {
    CaseSort.NEWEST: "Newest first",
    CaseSort.OLDEST: "Oldest first",
    CaseSort.ENDS_FIRST: "Ends soonest first",
    CaseSort.ENDS_LAST: "Ends latest first",
}


def presets(viewer_id: UserId, today: datetime) -> Sequence[tuple[str, Mapping[str, list[str]]]]:
    """The views that every server has, as words of an address."""
    return (
        ("All", {}),
        ("Today", {"from": [f"{today.astimezone(UTC):%Y-%m-%d}"]}),
        ("Mine", {"mod": [str(viewer_id)]}),
        ("DM failed", {"dm": ["refused", "skipped", "not_tried", "unknown"]}),
        ("Active mutes", {"action": ["mute"], "holds": ["active"], "sort": ["ends"]}),
        ("By AutoMod", {"source": ["automod"]}),
    )


def _listed(labels: Iterable[str]) -> str:
    first, *rest = [*labels] or [""]
    return ", ".join([first, *rest[:1]]) + (f" +{len(rest) - 1}" if len(rest) > 1 else "")


def _named(typed: list[str] | None, user_id: UserId | None, name_of: Callable[[UserId], str | None]) -> str:
    if not typed:
        return ""
    name = name_of(user_id) if user_id else None
    return name or (typed[0] if user_id else f"{typed[0]} (nobody)")


def _chosen(args: Any, name: str, words: type[_Word]) -> list[_Word]:
    """What was ticked, each once, in the order of the words."""
    ticked = set(args.getlist(name))
    return [word for word in words if word.value in ticked]


def _day(text: str) -> datetime | None:
    try:
        day = datetime.combine(date.fromisoformat(text), time.min, UTC)
    except ValueError:
        return None
    # A day before Kovra and one that PostgreSQL's clock cannot reach are slips.
    return day if datetime(2015, 1, 1, tzinfo=UTC) <= day < _LATEST else None


def _batch(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _person(text: str, find_person: FindPerson) -> UserId | None:
    if not text:
        return None
    bare = text.removeprefix("<@").removesuffix(">").removeprefix("!")
    if bare.isascii() and bare.isdigit() and int(bare) < 1 << 63:
        return UserId(int(bare))
    return find_person(text) or _NOBODY


def _place(args: Any, sort: CaseSort) -> Place | None:
    for name, up in (("before", False), ("after", True)):
        number, _, moment = args.get(name, "").partition("-")
        if not (number.isascii() and number.isdigit() and int(number) < 1 << 62):
            continue
        if not sort.by_end:
            return Place(case_no=int(number), up=up)
        if moment.isascii() and moment.isdigit() and int(moment) < _LATEST.timestamp() * 1_000_000:
            ends_at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(moment))
            return Place(case_no=int(number), up=up, ends_at=ends_at)
    return None
