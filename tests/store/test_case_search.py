"""Finding cases: every filter, words, order, and pages that stay where they are."""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action, Source, State
from kovra.guard.case import NoticeStatus
from kovra.ids import UserId
from kovra.store.case_search import CaseFilter, CaseSort, Place
from kovra.store.cases import Cases

BATCH = UUID("00000000-0000-7000-8000-000000000001")
INSERT = text(
    "INSERT INTO mod_cases (guild_id, case_no, request_id, batch_id, action, target_id, target_name, moderator_id,"
    " moderator_name, source, reason, params, created_at, ends_at, digest, seal, state, notice_status)"
    " VALUES (:guild, :no, gen_random_uuid(), :batch, :action, :target, 'Kettlebird', :moderator, 'Odalys', :source,"
    " :reason, '{}', :at, :ends_at, '', '', :state, :notice)"
)


@pytest.fixture
def cases(web):
    return Cases(web)


@pytest.fixture
def write(owner, say):
    """``write(1, action="ban", …)`` puts a case there as it would stand after everything."""

    def put(number, **facts):
        row = {"guild": say.HARBOUR, "no": number, "batch": None, "action": "warn", "target": 7, "moderator": 1}
        row |= {"source": "dashboard", "reason": "spam in #general", "at": say.NOON + timedelta(minutes=number)}
        row |= {"ends_at": None, "state": "done", "notice": "sent"}
        with owner.transaction(facts.get("guild", say.HARBOUR)) as session:
            session.execute(INSERT, row | facts)

    return put


@pytest.fixture
def find(cases, odalys):
    """``find(actions=…)``: the numbers of the first page."""

    def run(sort=CaseSort.NEWEST, limit=50, place=None, scope=odalys, **wanted):
        found = cases.page(scope, CaseFilter(**wanted), sort, place, limit)
        return [row.case_no for row in found.rows]

    return run


@pytest.fixture
def some(write, say):
    """Ten cases, no two alike."""
    write(1, action="ban", notice="refused", moderator=2)
    write(2, action="warn", source="automod")
    write(3, action="mute", ends_at=say.NOON + timedelta(hours=1), target=8)
    write(4, action="note", notice="not_needed", reason="polite and patient")
    write(5, action="ban", batch=BATCH, ends_at=say.NOON + timedelta(days=9), target=9)
    write(6, action="unban", notice="not_needed", target=7)
    write(7, action="kick", source="native", notice=None, state="applied")
    write(8, action="mute", ends_at=say.NOON - timedelta(hours=1), source="discord", target=9)
    write(9, action="ban", source="discord", reason="phishing: evil-gifts.example/free")
    write(10, action="warn", notice="unknown", moderator=2, reason="Spam, 100% certain_ly")


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ({"actions": frozenset({Action.BAN, Action.KICK})}, [9, 7, 5, 1]),
        ({"sources": frozenset({Source.DISCORD})}, [9, 8]),
        ({"notices": frozenset({NoticeStatus.REFUSED, NoticeStatus.UNKNOWN})}, [10, 1]),
        ({"states": frozenset({State.APPLIED})}, [7]),
        ({"moderator_id": UserId(2)}, [10, 1]),
        ({"target_id": UserId(9)}, [8, 5]),
        ({"batch_id": BATCH}, [5]),
        ({"actions": frozenset({Action.BAN}), "sources": frozenset({Source.DISCORD})}, [9]),
        ({"actions": frozenset({Action.NOTE}), "sources": frozenset({Source.AUTOMOD})}, []),
        ({"moderator_id": UserId(2), "actions": frozenset({Action.WARN})}, [10]),
        ({"states": frozenset({State.DONE}), "actions": frozenset({Action.KICK})}, []),
        ({"target_id": UserId(9), "notices": frozenset({NoticeStatus.SENT})}, [8, 5]),
        ({"text": "spam"}, [10, 8, 7, 6, 5, 3, 2, 1]),
        ({"text": "spam", "actions": frozenset({Action.WARN})}, [10, 2]),
        ({"text": "general spam"}, [8, 7, 6, 5, 3, 2, 1]),
        ({"text": "patient"}, [4]),
        ({"text": "gifts.exam"}, [9]),
        ({"text": "100%"}, [10]),
        ({"text": "certain_ly"}, [10]),
        ({"text": "ertain_l"}, [10]),
        ({"text": "ertainxl"}, []),
        ({"text": "#5"}, [5]),
        ({"text": "kettlebird patient"}, [4]),
        ({"text": "' | spam & !"}, [10, 8, 7, 6, 5, 3, 2, 1]),
        ({"text": "!!"}, []),
    ],
)
def test_a_filter_lets_through_what_it_says(find, some, wanted, numbers):
    assert find(**wanted) == numbers


def test_what_is_in_no_word_is_found_inside_of_words(find, some):
    assert find(text="hishin") == [9]


def test_active_and_over_are_what_the_rows_say(find, some, cases, odalys):
    rows = {number: cases.row(odalys, number) for number in (1, 3, 5, 8, 9)}

    assert find(holds=True) == [number for number in (9, 8, 5, 3, 1) if rows[number].active] == [9, 5, 3]
    assert find(holds=False) == [number for number in (9, 8, 5, 3, 1) if not rows[number].active] == [8, 1]
    assert find(holds=True, actions=frozenset({Action.MUTE})) == [3]
    assert find(holds=True, target_id=UserId(9)) == [5]
    assert find(holds=False, actions=frozenset({Action.WARN})) == []


def test_a_time_has_a_first_moment_and_ends_before_its_last(find, some, say):
    since, until = say.NOON + timedelta(minutes=4), say.NOON + timedelta(minutes=7)

    assert find(since=since, until=until) == [6, 5, 4]
    assert find(since=since, until=until, actions=frozenset({Action.BAN})) == [5]
    assert find(since=since, text="spam") == [10, 8, 7, 6, 5]
    assert find(since=say.NOON + timedelta(days=3)) == find(until=say.NOON - timedelta(days=3)) == []


def test_a_time_holds_though_the_clock_was_once_set_back(find, write, say):
    write(1)
    write(2, at=say.NOON - timedelta(minutes=30))
    write(3)

    assert find(since=say.NOON) == [3, 1]
    assert find(until=say.NOON) == [2]


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        (CaseSort.OLDEST, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (CaseSort.ENDS_FIRST, [8, 3, 5]),
        (CaseSort.ENDS_LAST, [5, 3, 8]),
    ],
)
def test_the_order_is_the_wanted_one(find, some, sort, numbers):
    assert find(sort) == numbers


@pytest.mark.parametrize("sort", list(CaseSort))
@pytest.mark.parametrize(
    "wanted",
    [{}, {"actions": frozenset(Action)}, {"text": "spam"}, {"moderator_id": UserId(1)}, {"holds": True}],
    ids=["all", "kinds", "words", "moderator", "active"],
)
def test_walking_page_by_page_meets_every_case_once_while_new_ones_arrive(cases, odalys, write, say, sort, wanted):
    for number in range(1, 8):
        write(number, action="mute", target=number, ends_at=say.NOON + timedelta(hours=number % 3 + 1))
    asked = CaseFilter(**wanted)
    whole = [row.case_no for row in cases.page(odalys, asked, sort).rows]

    page = cases.page(odalys, asked, sort, limit=3)
    down = [row.case_no for row in page.rows]
    newcomer = 8
    while page.below:
        write(newcomer, action="mute", target=newcomer, ends_at=say.NOON + timedelta(hours=newcomer % 3 + 1))
        newcomer += 1
        last = page.rows[-1]
        page = cases.page(odalys, asked, sort, Place(case_no=last.case_no, ends_at=last.ends_at), 3)
        down += [row.case_no for row in page.rows]
    first = page.rows[0]
    back = cases.page(odalys, asked, sort, Place(case_no=first.case_no, ends_at=first.ends_at, up=True), 3)

    assert [number for number in down if number < 8] == whole
    assert len(set(down)) == len(down)
    now = [row.case_no for row in cases.page(odalys, asked, sort).rows]
    assert [row.case_no for row in back.rows] == now[: now.index(first.case_no)][-3:]
    assert back.below


#: Which of 200 cases say it: as a clump of long ago, lately, thinly, thickly, twice far apart, never.
SAID = {
    "raid": lambda n: n <= 60,
    "fresh": lambda n: n > 180,
    "thin": lambda n: n % 29 == 0,
    "thick": lambda n: n % 3 == 0,
    "twice": lambda n: n in (2, 199),
    "never": lambda n: False,
}


@pytest.fixture
def sayings(owner, say):
    """200 cases, every second of them a ban, that say what SAID says."""
    reasons = {n: " ".join(word for word, said in SAID.items() if said(n)) for n in range(1, 201)}
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text(
                "INSERT INTO mod_cases (guild_id, case_no, request_id, action, target_id, target_name, moderator_id,"
                " moderator_name, source, reason, params, created_at, digest, seal, state)"
                " SELECT :g, n, gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'ban' ELSE 'warn' END, n, 'x', 1, 'y',"
                " 'dashboard', (:reasons)[n], '{}', now(), '', '', 'done' FROM generate_series(1, 200) n"
            ),
            {"g": say.HARBOUR, "reasons": list(reasons.values())},
        )


@pytest.mark.parametrize("most", [10, 1_000], ids=["part by part", "put in order"])
@pytest.mark.parametrize(
    "asked", ["raid", "fresh", "thin", "thick", "twice", "never", "thick raid", "thick thin", "aid"], ids=str
)
def test_words_are_met_wherever_they_stand(cases, odalys, sayings, monkeypatch, asked, most):
    for name, size in (("_NEWEST", 10), ("_WALKED", 40), ("_SORTED", most), ("_PART", 20)):
        monkeypatch.setattr(f"kovra.store.case_finding.{name}", size)
    words = [word for word in SAID if any(one in word for one in asked.split())]
    for actions, fits in ((frozenset(), lambda n: True), (frozenset({Action.BAN}), lambda n: n % 2 == 0)):
        wanted = CaseFilter(text=asked, actions=actions)
        saying = [n for n in range(1, 201) if fits(n) and all(SAID[word](n) for word in words)]

        for sort, expected in ((CaseSort.OLDEST, saying), (CaseSort.NEWEST, saying[::-1])):
            met, place = [], None
            while True:
                page = cases.page(odalys, wanted, sort, place, 7)
                met += [row.case_no for row in page.rows]
                assert page.total in (None, len(saying), 1_001)
                if not page.below:
                    break
                place = Place(case_no=met[-1])
            up = cases.page(odalys, wanted, sort, Place(case_no=met[-1], up=True), 7) if met else None

            assert met == expected
            assert up is None or [row.case_no for row in up.rows] == expected[:-1][-7:]


def test_notes_are_found_only_by_holders_of_view_notes(find, some, odalys):
    without = copy(odalys)
    held = {name: limit for name, limit in odalys.capabilities.items() if name is not Capability.VIEW_NOTES}
    object.__setattr__(without, "capabilities", held)

    for wanted in ({"text": "patient"}, {"text": "#4"}, {"actions": frozenset({Action.NOTE})}, {"text": "atient"}):
        assert (find(scope=without, **wanted), find(**wanted)) == ([], [4])


def test_the_cases_of_another_guild_are_found_by_nothing(find, write, say):
    write(1, guild=say.MEADOW, action="ban")

    for wanted in ({}, {"text": "spam"}, {"actions": frozenset({Action.BAN})}, {"holds": True}, {"text": "pam"}):
        assert find(**wanted) == []


def test_newer_cases_that_fit_are_counted(cases, odalys, some):
    assert cases.newer(odalys, CaseFilter(), 8) == 2
    assert cases.newer(odalys, CaseFilter(actions=frozenset({Action.BAN})), 8) == 1
    assert cases.newer(odalys, CaseFilter(text="phishing"), 9) == 0


def test_everybody_who_made_a_case_is_named_once(cases, odalys, some):
    assert cases.moderators(odalys) == [(1, "Odalys"), (2, "Odalys")]
