"""Taking back a mass action, or somebody's last minutes: looked over, confirmed by its number, done once."""

from __future__ import annotations

import re

import pytest

from kovra.actions import capabilities
from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.ids import new_request_id
from tests.dashboard.visitor import words_of


@pytest.fixture
def mass_ban(site, cast, carry_out_all):
    """``mass_ban()`` has the admin ban two at once; gives the id of the mass action."""

    def make(carried=True):
        answer = site.signed_in(cast.admin).mass([cast.quillon, cast.nobody], Action.BAN)
        if carried:
            carry_out_all()
        return answer.headers["Location"][-36:]

    return make


def dialog(who, cast, **which):
    query = "&".join(f"{name}={value}" for name, value in which.items())
    return who.fragment(f"/g/{cast.harbour}/reverse?{query}")


def send(who, cast, confirm, reversal_id=None, **which):
    form = {"reversal_id": str(reversal_id or new_request_id()), "confirm": str(confirm)} | which
    return who.post(f"/g/{cast.harbour}/reverse", {name: str(value) for name, value in form.items()})


def told(who, answer, whole=False):
    path = re.search(r'hx-get="([^"]*/reverse/[^"]*)"', answer.get_data(as_text=True))[1].replace("&amp;", "&")
    path = re.sub(r"&whole=1", "", path)
    return words_of(who.fragment(path + ("&whole=1" if whole else "")))


def test_a_mass_action_is_taken_back_case_by_case(site, cast, mass_ban, carry_out_all):
    batch, who = mass_ban(), site.signed_in(cast.owner)

    asked = words_of(dialog(who, cast, batch=batch))
    answer = send(who, cast, 2, batch=batch)
    before, did = told(who, answer), carry_out_all()

    assert "Take back 2 acts Of a mass action of" in asked
    assert "2 cases taken back, each by a case of its own" in asked
    assert answer.status_code == 202
    assert "Take back: 0 of 2 done 2 under way" in before
    assert did == 2
    assert "Take back: 2 of 2 done" in told(who, answer)
    assert re.search(r"#2 \S+ Done, case #\d #1 \S+ Done, case #\d", told(who, answer, whole=True))
    assert "Take back 0 acts" in words_of(dialog(who, cast, batch=batch))


def test_what_still_waits_is_cancelled(site, cast, mass_ban, carry_out_all):
    batch, who = mass_ban(carried=False), site.signed_in(cast.owner)

    asked, answer = words_of(dialog(who, cast, batch=batch)), send(who, cast, 2, batch=batch)

    assert "2 requests that still wait: cancelled" in asked
    assert "2 cancelled" in words_of(answer)
    assert carry_out_all() == 0


def test_the_last_minutes_of_somebody_are_taken_back_and_what_cannot_be_says_why(site, cast, a_case, carry_out_all):
    a_case(Action.MUTE, duration_s="3600")
    a_case(Action.WARN)
    who = site.signed_in(cast.admin)

    asked = words_of(dialog(who, cast, moderator=cast.moderator, minutes=60))
    answer = send(who, cast, 1, moderator=cast.moderator, minutes=60)

    assert "Take back 1 act " in asked
    assert "Cannot be taken back: 1 case #2 Quillon A warning was read. Void the case" in asked
    assert carry_out_all() == 1
    assert "#1 Quillon Done, case #3" in told(who, answer, whole=True)


def test_notes_are_not_told_to_who_may_not_read_them(site, cast, a_case, monkeypatch):
    """They cannot be taken back, and the list of what cannot would name whom they are about."""
    a_case(Action.NOTE)
    who = site.signed_in(cast.admin)

    reader = words_of(dialog(who, cast, moderator=cast.moderator, minutes=60))
    monkeypatch.setattr(capabilities, "GIVEN_BY_ANY", (Capability.VIEW,))
    other = words_of(dialog(who, cast, moderator=cast.moderator, minutes=60))

    assert "#1 Quillon A note does nothing" in reader
    assert "Take back 0 acts" in other
    assert "Quillon" not in other


def test_it_starts_only_with_the_number_that_stands_there_now(site, cast, mass_ban, carry_out_all):
    batch, who = mass_ban(), site.signed_in(cast.owner)

    answer = send(who, cast, 3, batch=batch, reason="typed already")

    assert answer.status_code == 422
    assert "it is 2 by now, and you typed “3”" in words_of(answer)
    assert ">typed already</textarea>" in answer.get_data(as_text=True)
    assert carry_out_all() == 0


def test_sent_twice_it_asks_once(site, cast, mass_ban, carry_out_all):
    batch, who, same = mass_ban(), site.signed_in(cast.owner), new_request_id()

    answers = [send(who, cast, 2, same, batch=batch), send(who, cast, 2, same, batch=batch)]
    did = carry_out_all()
    late = send(who, cast, 2, same, batch=batch)

    assert [answer.status_code for answer in (*answers, late)] == [202, 202, 202]
    assert did == 2
    assert carry_out_all() == 0
    assert "Take back: 2 of 2 done" in words_of(late)


def test_what_the_owner_did_is_nobody_elses_to_take_back(site, cast, carry_out_all):
    batch = site.signed_in(cast.owner).mass([cast.quillon], Action.BAN).headers["Location"][-36:]
    carry_out_all()
    who = site.signed_in(cast.admin)

    asked, answer = dialog(who, cast, batch=batch), send(who, cast, 1, batch=batch)

    assert "rosalind owns this server: nobody else can take back what they did." in words_of(asked)
    assert 'type="submit" disabled' in asked.get_data(as_text=True)
    assert (answer.status_code, carry_out_all()) == (422, 0)


@pytest.mark.parametrize(
    "which",
    [{}, {"batch": "1"}, {"moderator": 300_000_000_000_000_004}, {"minutes": 5}, {"moderator": 3 << 60, "minutes": 0}],
)
def test_an_address_that_names_neither_or_nonsense_is_refused(site, cast, which):
    assert dialog(site.signed_in(cast.owner), cast, **which).status_code == 400


def test_its_doors_stand_where_something_was_done_and_for_who_may(site, cast, mass_ban, a_case):
    a_case()
    job = f"/g/{cast.harbour}/jobs/{mass_ban()}"
    profile = f"/g/{cast.harbour}/members/"

    def door(who, path):
        return 'id="take-back"' in site.signed_in(who).get(path).get_data(as_text=True)

    assert [door(who, job) for who in (cast.owner, cast.admin, cast.moderator)] == [True, True, False]
    assert [door(cast.admin, f"{profile}{who}") for who in (cast.moderator, cast.quillon)] == [True, False]
    assert not door(cast.moderator, f"{profile}{cast.moderator}")


def test_a_mass_action_says_which_of_it_was_taken_back(site, cast, mass_ban, carry_out_all):
    batch, who = mass_ban(), site.signed_in(cast.owner)
    before = words_of(who.get(f"/g/{cast.harbour}/jobs/{batch}"))
    send(who, cast, 2, batch=batch)
    carry_out_all()

    page = who.get(f"/g/{cast.harbour}/jobs/{batch}")

    assert "Taken back" not in before
    assert re.findall(r"Taken back by #(\d)", words_of(page)) == ["4", "3"]
    assert "Done 2 Failed 0 Taken back" in words_of(page)
