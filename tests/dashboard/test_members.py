"""The list of members."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from kovra.actions.request import Action
from kovra.dashboard.shell import ROWS_AT_ONCE
from tests.dashboard.people import member


def listed(who, cast, words=""):
    page = who.get(f"/g/{cast.harbour}/members{words}").get_data(as_text=True)
    return [int(found) for found in re.findall(r'id="member-(\d+)"', page)], page


def test_the_latest_to_come_stand_first_with_what_may_be_done(site, cast, mirror):
    mirror.member(cast.harbour, member(cast.stranger, "latecomer", joined_at=datetime.now(UTC), pending=True))

    ids, page = listed(site.signed_in(cast.moderator), cast)
    first = page.split(f'id="member-{cast.stranger}"')[1].split("</tr>")[0]

    assert ids[0] == cast.stranger
    assert "Rules not accepted" in first
    assert re.findall(r'aria-label="(\w+) latecomer"', first) == ["Tick", "Warn", "Mute", "Note", "Kick", "Ban"]


def test_nobody_is_offered_what_they_may_not_do(site, cast):
    _, page = listed(site.signed_in(cast.trial), cast, f"?q={cast.quillon}")

    assert "Mute Quillon" in page
    assert "Ban Quillon" not in page
    assert 'id="picked"' not in page  # the bar of mass actions


@pytest.mark.parametrize(
    ("words", "chip"),
    [
        ("q=quilon", None),
        ("role=400000000000000003", "Moderator"),
        ("is=muted", "Muted now"),
        ("came=24", "The last 24 hours"),
        ("age=-365", "Over a year"),
        ("from=2024-01-01T10%3A00&to=2099-01-01", "2024-01-01 10:00"),
    ],
)
def test_a_filter_stands_in_the_address_and_on_the_page(site, cast, mirror, words, chip):
    muted = datetime.now(UTC) + timedelta(hours=2)
    mirror.member(cast.harbour, member(cast.stranger, "hushed", joined_at=datetime.now(UTC), timed_out_until=muted))
    expected = {
        "q=quilon": {cast.quillon},
        "role=400000000000000003": {cast.moderator},
        "is=muted": {cast.stranger},
        "came=24": {cast.stranger},
    }

    ids, page = listed(site.signed_in(cast.moderator), cast, f"?{words}")

    if words in expected:
        assert set(ids) == expected[words]
    assert ids
    assert chip is None or chip in page


@pytest.mark.parametrize(
    "words",
    [
        "role=x",
        "came=5",
        "age=3",
        "from=never",
        "is=happy",
        "before=1-2-3",
        "before=-x",
        "after=99999999999999999999-1",
    ],
)
def test_whatever_an_address_holds_reads_as_something(site, cast, words):
    ids, page = listed(site.signed_in(cast.moderator), cast, f"?{words}")

    assert len(ids) == 8
    assert "Remove filter" not in page


def test_pages_are_walked_by_their_links(site, cast, mirror):
    now = datetime.now(UTC)
    crowd = [member(cast.stranger + at, f"m{at}", joined_at=now - timedelta(seconds=at)) for at in range(70)]
    mirror.members(cast.harbour, crowd, complete=False)
    who = site.signed_in(cast.moderator)

    first, page = listed(who, cast)
    older = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
    second = who.get(older).get_data(as_text=True)
    newer = re.search(r'rel="prev" href="([^"]+)"', second)[1].replace("&amp;", "&")
    again = re.findall(r'id="member-(\d+)"', who.get(newer).get_data(as_text=True))

    assert first == [cast.stranger + at for at in range(50)]
    assert re.findall(r'id="member-(\d+)"', second)[:20] == [str(cast.stranger + at) for at in range(50, 70)]
    assert [int(one) for one in again] == first
    assert 'data-first="no"' in second


def test_a_row_alone_stays_when_its_member_has_left(site, cast, mirror):
    mirror.member_gone(cast.harbour, cast.quillon)
    who = site.signed_in(cast.moderator)

    row = who.fragment(f"/g/{cast.harbour}/members/{cast.quillon}/row").get_data(as_text=True)

    assert ">Left<" in row
    assert "Kick Quillon" not in row
    assert who.fragment(f"/g/{cast.harbour}/members/{cast.stranger}/row").status_code == 404
    assert who.fragment(f"/g/{cast.harbour}/members/{1 << 70}/row").status_code == 404
    assert cast.quillon not in listed(who, cast)[0]


def test_the_ticked_are_taken_to_the_mass_action(site, cast):
    admin = site.signed_in(cast.admin)

    page = admin.get(f"/g/{cast.harbour}/mass?ids={cast.quillon}&ids={cast.nobody}&action=kick").get_data(as_text=True)

    assert f"{cast.quillon}\n{cast.nobody}</textarea>" in page
    assert '<option value="kick" selected>' in page


def test_a_case_is_counted_and_the_profile_lists_it(site, cast, a_case):
    number = a_case(Action.WARN)
    who = site.signed_in(cast.moderator)

    _, page = listed(who, cast, f"?q={cast.quillon}")
    profile = who.get(f"/g/{cast.harbour}/members/{cast.quillon}").get_data(as_text=True)

    assert "1 case<" in page
    assert f"#{number}</a>" in profile


def test_an_old_name_finds_its_member_and_their_cases_and_the_row_says_so(site, cast, mirror, a_case):
    mirror.member(cast.harbour, member(cast.quillon, "quillon", nick="Lantern Moth"))
    mirror.member(cast.harbour, member(cast.quillon, "quillon"))
    a_case(Action.WARN, reason="spam")
    who = site.signed_in(cast.moderator)

    listed = who.get(f"/g/{cast.harbour}/members/list?q=lantern").get_data(as_text=True)
    palette = who.get(f"/g/{cast.harbour}/palette?q=lantern").get_data(as_text=True)
    cases = who.get(f"/g/{cast.harbour}/cases/list?q=lantern").get_data(as_text=True)

    assert "Was <bdi>Lantern Moth</bdi>" in listed
    assert "was Lantern Moth" in palette
    assert "No case says “lantern”" in cases
    assert 'id="case-1"' in cases


def test_rows_that_the_first_frame_does_not_show_wait_in_the_page(site, cast, mirror):
    now = datetime.now(UTC)
    crowd = [member(cast.stranger + at, f"m{at}", joined_at=now - timedelta(seconds=at)) for at in range(40)]
    mirror.members(cast.harbour, crowd, complete=False)
    who, path = site.signed_in(cast.admin), f"/g/{cast.harbour}/members"

    page, fragment = who.get(path).get_data(as_text=True), who.fragment(f"{path}/list").get_data(as_text=True)
    shown, waiting = page.split("<template data-later>")

    assert shown.count('id="member-') == ROWS_AT_ONCE
    assert waiting.split("</template>")[0].count('id="member-') == fragment.count('id="member-') - ROWS_AT_ONCE > 0
    assert "data-later" not in fragment
