"""Find the numbers of a page of cases within a bounded time, however rare what is asked for is among a million.

PostgreSQL cannot know that no note was ever written by AutoMod, and would walk a million cases to find none. So kinds
of cases (action, source, result of the DM) are ranges of one index that are merged here, and words are looked for among
the newest first, then everywhere in no order, and only when they are very many again in order, part by part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, Text, cast, false, func, select, true, tuple_
from sqlalchemy.orm import Session

from kovra.actions.request import CASE_ACTS, Action, Source
from kovra.guard.case import NoticeStatus
from kovra.store.case_search import (
    PAST_ALL,
    READ,
    CaseFilter,
    CaseSort,
    Place,
    between,
    fitting,
    found,
    of_kinds,
    ordered,
    reads,
    running,
    waiting,
)
from kovra.store.database import Database
from kovra.store.guilds import GuildScope

#: The actions that make cases.
NUMBERED = frozenset(Action) - CASE_ACTS
#: A count above this is shown as "1,000+"; nobody waits for the rest to be counted.
COUNTED = 1_001
#: The newest cases, among which a common word is found at once; as many are walked where they promise a whole page.
_NEWEST, _WALKED = 1_000, 10_000
#: So many matches are put in order. They were few among the newest: evenly spread they would be thousands in a million,
#: and what is more lies close together, as a raid does, in few pages of the table.
_SORTED = 30_000
#: How many numbers the first part has that is looked through for a word; the next has twice as many, and so on.
_PART = 50_000

#: For a transaction that searches: it shares the machine with the actions, and compiling takes longer than finding.
SEARCHING = "SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off;"


@dataclass(frozen=True, kw_only=True)
class Found:
    """The numbers of a page in the order they were looked for, and whether there are more behind them.

    ``total`` is at most 1,001, which means more than 1,000; None when it was not counted. ``behind``: there are some on
    the other side of the place; None when that was not looked at.
    """

    numbers: Sequence[int]
    beyond: bool
    total: int | None
    behind: bool | None = None


NOTHING = Found(numbers=(), beyond=False, total=0)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a reader asked for, in one transaction."""

    database: Database
    session: Session
    scope: GuildScope
    wanted: CaseFilter
    sort: CaseSort

    def page(self, place: Place | None, limit: int) -> Found:
        """The page of ``limit`` that lies at this place."""
        bounds = between(self.session, self.scope, self.wanted)
        if self.wanted.text and not self.sort.by_end:
            return self._by_words(place, limit, *bounds)
        if self.wanted.holds is None:
            return self._at_once(place, limit, *bounds)
        # Every case costs a look at the person's later ones, so no more of them are looked at than are shown.
        numbers = self._in_order(place, limit + 1, *bounds)
        total = None if place is not None or len(numbers) > limit else len(numbers)
        return Found(numbers=numbers[:limit], beyond=len(numbers) > limit, total=total)

    def numbers(self, place: Place | None, limit: int) -> Sequence[int]:
        """The numbers of a page alone, with nothing counted."""
        bounds = between(self.session, self.scope, self.wanted)
        if self.wanted.text and not self.sort.by_end:
            return self._by_words(place, limit, *bounds).numbers
        return self._in_order(place, limit, *bounds)

    def falls(self, place: Place | None) -> bool:
        """Whether numbers fall in the direction one looks."""
        return self.sort.falling is not (place is not None and place.up)

    def _fitting(self) -> Select[Any]:
        return fitting(self.scope, self.wanted, self.sort, self.database.steady_now())

    def _in_order(self, place: Place | None, reach: int, low: int, high: int) -> list[int]:
        if self.wanted.holds and self.sort.by_end:
            return self._by_end(place, reach, low, high)
        if self._has_kinds() and self.wanted.holds and Action.MUTE in (self.wanted.begun or ()):
            return self._with_mutes(place, reach, low, high)
        return list(self.session.scalars(self._listed(place, reach, low, high)))

    def _at_once(self, place: Place | None, limit: int, low: int, high: int) -> Found:
        """In one trip the page, how many there are at all, and whether there is one behind the place."""
        page, counted = (self._listed(one, reach, low, high) for one, reach in ((place, limit + 1), (None, COUNTED)))
        if self._has_kinds():
            counted = counted.order_by(None)  # one range after the other, until there are enough
        behind: ColumnElement[bool] = false()
        if place is not None:
            # Who stands at the place itself is behind it, and nobody else is between the two.
            beside = place.case_no + (-1 if self.falls(place) else 1)
            behind = self._listed(replace(place, up=not place.up, case_no=beside), 1, low, high).exists()
        numbers = func.array(page.with_only_columns(page.selected_columns.case_no).scalar_subquery())
        count = select(func.count()).select_from(counted.subquery()).scalar_subquery()
        found, total, more = self.session.execute(select(numbers, count, behind)).one()
        return Found(numbers=found[:limit], beyond=len(found) > limit, total=total, behind=more)

    def _listed(self, place: Place | None, reach: int, low: int, high: int) -> Select[Any]:
        """The first ``reach`` past a place, in order."""
        if self._has_kinds():
            return self._merged(self.wanted, place, reach, low, high)
        listed = of_kinds(self._fitting(), self.wanted).where(*_within(low, high))
        if self.wanted.text:
            listed = listed.where(reads(self.wanted.text, parts=False))
        return ordered(listed, self.sort, place).limit(reach)

    def _by_end(self, place: Place | None, reach: int, low: int, high: int) -> list[int]:
        """What holds, by its end. All that ever ended comes before it, so it is not walked to: what is late and what
        ends later are looked up each by itself, and all of the one ends before any of the other.
        """
        asked = (self.scope, self.wanted, self.sort, self.database.steady_now())
        late, later = (
            of_kinds(some, self.wanted).where(*_within(low, high)) for some in (waiting(*asked), running(*asked))
        )
        parts = [
            lambda: self._sorted(ordered(late, self.sort, place), place, reach),
            lambda: list(self.session.scalars(ordered(later, self.sort, place).limit(reach))),
        ]
        numbers: list[int] = []
        for part in reversed(parts) if self.falls(place) else parts:
            numbers += part() if len(numbers) < reach else []
        return numbers[:reach]

    def _with_mutes(self, place: Place | None, reach: int, low: int, high: int) -> list[int]:
        """What holds, by number. A mute has an end and never waits, so of all mutes only those that run are looked at;
        among a hundred thousand that are over they would be walked to.
        """
        asked, falls = self.wanted, self.falls(place)
        muted = replace(asked, actions=frozenset((Action.MUTE,)))
        mutes = of_kinds(running(self.scope, muted, self.sort, self.database.steady_now()), muted)
        mutes = mutes.where(*_within(low, high))
        numbers = self._sorted(ordered(mutes, self.sort, place), place, reach)
        if others := (asked.begun or frozenset()) - {Action.MUTE}:
            merged = self._merged(replace(asked, actions=others), place, reach, low, high)
            numbers = sorted([*numbers, *self.session.scalars(merged)], reverse=falls)
        return numbers[:reach]

    def _sorted(self, listed: Select[Any], place: Place | None, reach: int) -> list[int]:
        """All of few, put in order: PostgreSQL would rather walk in order and hope to meet them soon."""
        few = listed.order_by(None).cte("few").prefix_with("MATERIALIZED", dialect="postgresql").c
        keys = (few.ends_at, few.case_no) if self.sort.by_end else (few.case_no,)
        falls = self.falls(place)
        in_order = select(few.case_no).order_by(*(key.desc() if falls else key.asc() for key in keys))
        return list(self.session.scalars(in_order.limit(reach)))

    def _has_kinds(self) -> bool:
        """Whether the ranges of kinds are the narrowest way: a person's or a job's own range is narrower."""
        asked = self.wanted
        kinds = asked.actions or asked.sources or asked.notices or asked.holds is not None
        narrower = asked.target_id or asked.batch_id or asked.text or asked.states or asked.voided or self.sort.by_end
        return bool(kinds) and not narrower

    def _merged(self, asked: CaseFilter, place: Place | None, reach: int, low: int, high: int) -> Select[Any]:
        """The first of each kind that is asked for, merged."""
        actions = NUMBERED if asked.begun is None else asked.begun
        kinds = [
            _each("wanted_action", [action.value for action in actions]),
            _each("wanted_source", [source.value for source in asked.sources or Source]),
            _each(
                "wanted_told", [told.value for told in asked.notices] or ["", *(told.value for told in NoticeStatus)]
            ),
        ]
        falls = self.falls(place)
        if place is not None:
            low, high = (low, min(high, place.case_no - 1)) if falls else (max(low, place.case_no + 1), high)
        row = (found.c.action, found.c.source, found.c.told, found.c.case_no)
        kind = [each.column for each in kinds]
        # Ranges and an order that only the index of kinds has: by equal columns PostgreSQL would take the order of
        # numbers for free, hope that a rare kind comes soon, and walk.
        firsts = (
            fitting(self.scope, asked, self.sort, self.database.steady_now())
            .where(tuple_(*row) >= tuple_(*kind, low), tuple_(*row) <= tuple_(*kind, high))
            .correlate(*kinds)
            .order_by(*(column.desc() if falls else column.asc() for column in row))
            .limit(reach)
            .lateral("firsts")
        )
        rows = kinds[0].join(kinds[1], true()).join(kinds[2], true()).join(firsts, true())
        number = firsts.c.case_no
        return select(number).select_from(rows).order_by(number.desc() if falls else number.asc()).limit(reach)

    def _by_words(self, place: Place | None, limit: int, low: int, high: int) -> Found:
        """What no case says in words is looked for inside of words."""
        number = found.c.case_no
        ends = select(func.min(number), func.max(number)).where(found.c.guild_id == self.scope.guild_id)
        first, last = self.session.execute(ends).one()
        if first is None:
            return NOTHING
        bounded = of_kinds(self._fitting(), self.wanted).where(*_within(low, high))
        low, high = max(low, first), min(high, last)
        in_words = self._said(bounded, False, place, limit, low, high)
        return in_words if in_words.total != 0 else self._said(bounded, True, place, limit, low, high)

    def _said(self, listed: Select[Any], parts: bool, place: Place | None, limit: int, low: int, high: int) -> Found:
        falls = self.falls(place)
        start = high if falls else low
        if place is not None:
            start = min(high, place.case_no - 1) if falls else max(low, place.case_no + 1)

        def part(start: int, size: int) -> Select[Any]:
            here = (max(low, start - size + 1), start) if falls else (start, min(high, start + size - 1))
            return listed.where(*_within(*here))

        near = self._walked(part(start, _NEWEST), parts, limit + 1, falls)
        if near and _NEWEST * (limit + 1) <= _WALKED * len(near):
            further = part(start - _NEWEST if falls else start + _NEWEST, _WALKED - _NEWEST)
            near += self._walked(further, parts, limit + 1 - len(near), falls) if len(near) <= limit else []
        if len(near) > limit:
            return Found(numbers=near[:limit], beyond=True, total=None)
        saying = listed.where(reads(self.wanted.text, parts))
        total, there = self._in_all(saying, start, limit + 1, falls)
        if total <= _SORTED:
            return Found(numbers=there[:limit], beyond=len(there) > limit, total=min(total, COUNTED))
        there, size = [], _PART
        while len(there) <= limit and low <= start <= high:
            there += sorted(self._unordered(part(start, size).where(reads(self.wanted.text, parts))), reverse=falls)
            start, size = start - size if falls else start + size, size * 2
        return Found(numbers=there[:limit], beyond=len(there) > limit, total=COUNTED)

    def _walked(self, listed: Select[Any], parts: bool, most: int, falls: bool) -> list[int]:
        """Read one after the other. For words that are met together more often than each by itself promises PostgreSQL
        would ask the text index here, which costs the same however few cases are wanted; it sees through no offset.
        """
        number = found.c.case_no
        walk = listed.with_only_columns(*READ).order_by(number.desc() if falls else number).offset(0).subquery("walk").c
        met = select(walk.case_no).where(reads(self.wanted.text, parts, walk)).limit(most)
        return list(self.session.scalars(met))

    def _in_all(self, saying: Select[Any], start: int, most: int, falls: bool) -> tuple[int, list[int]]:
        """How many there are at all, up to one more than can be put in order, and the first from ``start`` on."""
        matches = saying.cte("matches").prefix_with("MATERIALIZED", dialect="postgresql")
        few = select(matches.c.case_no).limit(_SORTED + 1).cte("few").prefix_with("MATERIALIZED", dialect="postgresql")
        number = few.c.case_no
        firsts = select(number).where(number <= start if falls else number >= start)
        in_order = firsts.order_by(number.desc() if falls else number).limit(most)
        counted = select(func.count()).select_from(few).scalar_subquery()
        total, numbers = self.session.execute(select(counted, func.array(in_order.scalar_subquery()))).one()
        return total, numbers

    def _unordered(self, listed: Select[Any]) -> Iterable[int]:
        """Without an order or a limit in sight PostgreSQL asks the text indexes; otherwise it hopes and walks."""
        matches = listed.cte("matches").prefix_with("MATERIALIZED", dialect="postgresql")
        return self.session.scalars(select(matches.c.case_no))


def _within(low: int, high: int) -> list[Any]:
    """Nothing where there is no bound: a bound that bounds nothing misleads the planner."""
    return [*([found.c.case_no >= low] if low > 0 else []), *([found.c.case_no <= high] if high < PAST_ALL else [])]


def _each(name: str, values: Sequence[str]) -> Any:
    return func.unnest(cast(sorted(values), ARRAY(Text))).table_valued(name).render_derived(name=name)
