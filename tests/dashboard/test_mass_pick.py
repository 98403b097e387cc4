"""Picking the targets of a mass action."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from kovra.actions.job import MAX_TARGETS
from kovra.dashboard import pick_query

FIRST = 610_000_000_000_000_000
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def shown(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True)))


def ticked(answer):
    return [int(found) for found in re.findall(r'name="ids" value="(\d+)" checked', answer.get_data(as_text=True))]


@pytest.fixture
def raid(owner, cast):
    """``raid(n)``: this many have joined, a second apart; every third has the moderators' role."""

    def come(number):
        with owner.transaction(cast.harbour) as session:
            session.execute(
                text(
                    "INSERT INTO members (guild_id, user_id, username, bot, role_ids, joined_at, mirrored_at) "
                    "SELECT :g, :first + n, 'raider_' || n, false, "
                    "CASE WHEN n % 3 = 0 THEN ARRAY[CAST(:role AS bigint)] ELSE '{}' END, "
                    "now() - make_interval(secs => :n - n), now() FROM generate_series(1, :n) AS n"
                ),
                {"g": cast.harbour, "first": FIRST, "n": number, "role": cast.moderator_role},
            )

    return come


@pytest.fixture
def picked(site, cast):
    return lambda words, who=cast.owner: site.signed_in(who).get(f"/g/{cast.harbour}/mass/pick/list?{words}")


def test_filters_hold_together_and_each_who_fits_is_ticked(picked, cast, raid):
    raid(12)

    both = picked(f"minutes=10&role={cast.moderator_role}")
    all_of_them = picked("minutes=10&name=raider_1*&role=none")

    assert ticked(both) == [FIRST + n for n in (12, 9, 6, 3)]
    assert ticked(all_of_them) == [FIRST + n for n in (11, 10, 1)]
    assert "3 members fit" in shown(all_of_them)


def test_more_than_a_mass_action_takes_is_said(picked, raid):
    raid(MAX_TARGETS + 20)

    page = picked("minutes=60")

    assert ticked(page) == [FIRST + n for n in range(MAX_TARGETS + 20, 20, -1)]
    assert "520 members fit" in shown(page)
    assert "These are the 500 who joined last" in shown(page)


@pytest.mark.parametrize(
    "words",
    ["", "minutes=ten", "minutes=0", "from=yesterday", "from=2026-11-20T10:00&to=2026-11-20T10:00", "age=2", "role=x"]
    + ["name=*", "name=??", "minutes=10&role=9999999999999999999999"],
)
def test_what_cannot_be_meant_picks_nobody(picked, raid, words):
    raid(3)

    page = picked(words)

    assert page.status_code == 200
    assert ticked(page) == []
    assert ('role="alert"' in page.get_data(as_text=True)) == bool(words)


def test_a_window_is_read_in_utc_and_the_narrower_bound_holds():
    words = {"from": "2026-11-20T11:00", "to": "2026-11-20T11:30", "minutes": "45", "age": "24"}

    query = pick_query.read(words, NOW)

    assert query.wanted.joined_since == NOW - timedelta(minutes=45)
    assert query.wanted.joined_until == datetime(2026, 11, 20, 11, 30, tzinfo=UTC)
    assert query.wanted.made_since == NOW - timedelta(hours=24)


def test_those_that_are_ticked_are_reviewed_and_no_others(site, cast, raid):
    raid(5)

    page = site.signed_in(cast.owner).post(
        f"/g/{cast.harbour}/mass/picked", {"ids": [str(FIRST + 1), str(FIRST + 4), str(cast.guard)]}
    )

    assert page.status_code == 200
    assert "2 of 3 will run" in shown(page)
    assert f"{FIRST + 1}\n{FIRST + 4}\n{cast.guard}</textarea>" in page.get_data(as_text=True)


def test_nobody_ticked_is_said(site, cast):
    page = site.signed_in(cast.owner).post(f"/g/{cast.harbour}/mass/picked?minutes=10", {})

    assert page.status_code == 422
    assert "Nobody is ticked" in shown(page)
