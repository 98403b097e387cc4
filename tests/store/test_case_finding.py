"""The pages of what holds now: the list is put together from several looks, and read here page by page."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from kovra.actions.request import Action, Source
from kovra.ids import UserId
from kovra.store.case_search import CaseFilter, CaseSort, Place
from kovra.store.cases import Cases

PEOPLE = 910_000_000_000_000_000
BANS_AND_MUTES = frozenset({Action.BAN, Action.MUTE})


@pytest.fixture
def history(accept, guard, clock, web, odalys):
    """Late bans, running and over mutes, what was lifted or replaced, what ends never, and what lasts not at all.

    Gives the rows by number, as each of them alone reads now.
    """

    def act(person, action, days=None):
        end = clock.now() + timedelta(days=days) if days else None
        params = {"params": {"duration_s": days * 86_400}} if days else {}
        kept, _ = accept(action=action, target_id=UserId(PEOPLE + person), **params)
        guard.carry(kept, end)

    for person, days in enumerate((1, 2, 1)):
        act(person, Action.BAN, days)
    for person, days in enumerate((1, 20, 2, 10, 15), start=10):
        act(person, Action.MUTE, days)
    for person, days in enumerate((30, 25), start=20):
        act(person, Action.BAN, days)
    act(30, Action.BAN)
    act(31, Action.BAN, 9)
    act(31, Action.UNBAN)
    act(32, Action.MUTE, 5)
    act(32, Action.MUTE, 8)
    act(33, Action.KICK)
    act(34, Action.BAN)
    clock.forward(days=3)
    cases = Cases(web)
    return {number: row for number in range(1, 18) if (row := cases.row(odalys, number)) is not None}


def _key(row, sort):
    return (row.ends_at, row.case_no) if sort.by_end else row.case_no


def walk(cases, scope, wanted, sort, *, up):
    """All numbers, two a page, from the top down or from the end up."""
    place, met = None, []
    if up:
        last = cases.page(scope, wanted, sort).rows[-1]
        place, met = Place(case_no=last.case_no, ends_at=last.ends_at, up=True), [last.case_no]
    while True:
        page = cases.page(scope, wanted, sort, place, 2)
        rows = page.rows[::-1] if up else page.rows
        met += [row.case_no for row in rows]
        if not (page.above if up else page.below):
            return met[::-1] if up else met
        place = Place(case_no=rows[-1].case_no, ends_at=rows[-1].ends_at, up=up)


@pytest.mark.parametrize(
    "kinds",
    [
        {},
        {"actions": frozenset({Action.MUTE})},
        {"actions": BANS_AND_MUTES},
        {"sources": frozenset({Source.DASHBOARD})},
    ],
    ids=["all", "mutes", "bans and mutes", "one source"],
)
def test_what_holds_is_met_once_and_in_order(history, web, odalys, kinds):
    wanted = CaseFilter(holds=True, **kinds)
    active = [row for row in history.values() if row.active and row.action in (wanted.actions or BANS_AND_MUTES)]

    for sort in CaseSort:
        holding = [row for row in active if row.ends_at is not None or not sort.by_end]
        holding.sort(key=partial(_key, sort=sort), reverse=sort.falling)
        numbers = [row.case_no for row in holding]
        assert len(numbers) >= 3
        for up in (False, True):
            assert (sort, up, walk(Cases(web), odalys, wanted, sort, up=up)) == (sort, up, numbers)


def test_the_history_has_all_that_the_pages_are_put_together_from(history):
    late = [row.case_no for row in history.values() if row.overdue]
    running = [row.case_no for row in history.values() if row.active and not row.overdue and row.ends_at]
    over = [row.case_no for row in history.values() if row.ends_at and not row.active]

    assert (len(late), len(running), len(over)) == (3, 6, 4)
