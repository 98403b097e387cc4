"""The address of the case browser: what it is read as, and the links written from it."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from werkzeug.datastructures import MultiDict

from kovra.actions.request import Action, State
from kovra.dashboard import case_query
from kovra.guard.case import NoticeStatus
from kovra.store.case_search import CaseFilter, CaseSort, Place


def read(address):
    return case_query.read(MultiDict(parse_qsl(address)), {"quillon": 42}.get)


def test_an_address_reads_as_what_it_says():
    query = read(
        "q=spam+links&action=mute&action=ban&dm=refused&state=done&mod=77&who=quillon&from=2026-11-01&to=2026-11-02"
        "&holds=active&batch=00000000-0000-7000-8000-000000000001&sort=oldest&before=9"
    )

    assert query.wanted.text == "spam links"
    assert query.wanted.actions == {Action.BAN, Action.MUTE}
    assert (query.wanted.notices, query.wanted.states) == ({NoticeStatus.REFUSED}, {State.DONE})
    assert (query.wanted.moderator_id, query.wanted.target_id, query.wanted.holds) == (77, 42, True)
    assert query.wanted.since == datetime(2026, 11, 1, tzinfo=UTC)
    assert query.wanted.until == datetime(2026, 11, 3, tzinfo=UTC)
    assert (query.sort, query.place) == (CaseSort.OLDEST, Place(case_no=9))


def test_what_was_read_is_written_as_it_was_read():
    address = "q=a&action=ban&who=quillon&from=2026-11-01&holds=over&sort=-ends"

    again = case_query.read(MultiDict((n, v) for n, vs in read(address).words.items() for v in vs), {"quillon": 42}.get)

    assert again == read(address)


@pytest.mark.parametrize(
    "address",
    [
        "action=explode&source=&dm=maybe&state=executing&state=",
        "from=yesterday&to=2026-13-99&from=0001-01-01",
        "from=99999-01-01&to=0000-00-00",
        "batch=12&holds=perhaps&sort=sideways",
        "before=-3&after=%00&before=1e9",
        "before=99999999999999999999999&case=9",
        "unknown=1&q=",
    ],
)
def test_what_cannot_be_meant_is_left_out(address):
    query = read(address)

    assert (query.wanted, query.sort, query.place, dict(query.words)) == (CaseFilter(), CaseSort.NEWEST, None, {})


def test_a_name_nobody_bears_finds_nothing_and_says_so():
    query = read("who=stranger")

    (chip,) = case_query.chips(query, lambda _: None)

    assert (query.wanted.target_id, chip.label, chip.value) == (0, "Member", "stranger (nobody)")


def test_each_chip_leaves_out_itself_alone():
    query = read("action=ban&action=kick&action=warn&dm=sent&q=x")

    action, dm = case_query.chips(query, lambda _: None)

    assert (action.value, dict(action.without)) == ("Ban, Kick +1", {"dm": ["sent"], "q": ["x"]})
    assert dict(dm.without) == {"action": ["ban", "kick", "warn"], "q": ["x"]}


def test_a_place_among_ends_names_the_moment_too():
    query = read("sort=ends&before=7-1700000000000001")

    assert query.place.case_no == 7
    assert query.place.ends_at.timestamp() * 1_000_000 == 1_700_000_000_000_001
