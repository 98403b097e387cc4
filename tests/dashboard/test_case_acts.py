"""What is done with a case from its sheet."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.guard.case import NoticeStatus
from kovra.ids import new_request_id
from tests.dashboard.visitor import words_of


@pytest.fixture
def about(site, cast):
    """``about(who, case_no, act, …)`` sends the dialog about a case as it is drawn."""

    def send(who, case_no, act, **fields):
        page = who.fragment(f"/g/{cast.harbour}/cases/{case_no}/acts/{act}").get_data(as_text=True)
        form = {"request_id": str(new_request_id()), "reason": ""}
        if entry := re.search(r'name="entry" value="(\d+)"', page):
            form["entry"] = entry[1]
        return who.post(f"/g/{cast.harbour}/cases/{case_no}/acts/{act}", form | fields)

    return send


@pytest.fixture
def carried(site):
    """``carried(answer)`` does what was asked."""

    def carry(answer):
        assert answer.status_code == 202, words_of(answer)
        return site.carry_out(UUID(re.search(r'id="toast-([0-9a-f-]{36})"', answer.get_data(as_text=True))[1]))

    return carry


def sheet(site, cast, case_no, who=None):
    return words_of(site.signed_in(who or cast.admin).fragment(f"/g/{cast.harbour}/cases/{case_no}"))


def test_another_reason_and_end_stand_on_the_sheet_with_what_they_were(site, cast, a_case, about, carried):
    a_case(Action.MUTE, reason="shouting", duration_s="3600")

    asked = about(site.signed_in(cast.moderator), 1, "amend", reason="Shouting in #general", duration_s="43200")
    carried(asked)

    told = sheet(site, cast, 1)
    assert "pell amended" in told
    assert "Reason shouting Shouting in #general" in told
    assert "12 hours, until" in told
    assert asked.headers["HX-Trigger"] == '{"act:kept": {"target": "#act"}}'


def test_what_stays_as_it_is_is_not_asked_for(site, cast, a_case, about, owner, carried):
    a_case(Action.MUTE, reason="shouting", duration_s="3600")
    who = site.signed_in(cast.moderator)

    nothing = about(who, 1, "amend", reason="shouting")
    emptied = about(who, 1, "amend", reason="")
    carried(about(who, 1, "amend", reason="shouting", duration_s="43200"))

    assert (nothing.status_code, emptied.status_code) == (422, 422)
    assert "nothing would change" in words_of(nothing)
    assert "replaced, not taken away" in words_of(emptied)
    with owner.transaction(cast.harbour) as session:
        assert set(session.scalars(text("SELECT after FROM case_thread")).one()) == {"ends_at"}


def test_only_ends_that_are_still_to_come_are_offered(site, cast, a_case, owner):
    a_case(Action.MUTE, reason="shouting", duration_s="43200")
    with owner.transaction(cast.harbour) as session:
        session.execute(text("UPDATE mod_cases SET created_at = created_at - interval '7 hours'"))

    dialog = site.signed_in(cast.moderator).fragment(f"/g/{cast.harbour}/cases/1/acts/amend").get_data(as_text=True)

    assert re.findall(r'<option value="(\d+)"', dialog)[:2] == ["43200", "86400"]
    assert "Until lifted" not in dialog


def test_whoever_amends_what_somebody_else_amended_meanwhile_is_told(site, cast, a_case, about, carried):
    a_case(Action.WARN, reason="spam")
    drawn = site.signed_in(cast.admin).fragment(f"/g/{cast.harbour}/cases/1/acts/amend").get_data(as_text=True)
    entry = re.search(r'name="entry" value="(\d+)"', drawn)[1]
    carried(about(site.signed_in(cast.moderator), 1, "amend", reason="scam"))
    who = site.signed_in(cast.admin)

    news = words_of(who.fragment(f"/g/{cast.harbour}/cases/1/acts/amend/news?entry={entry}"))
    late = about(who, 1, "amend", reason="phishing", entry=entry)
    again = about(who, 1, "amend", reason="phishing")

    assert "pell amended meanwhile. Reason is now: scam" in news
    assert late.status_code == 409
    assert "pell amended meanwhile. Reason is now: scam. Send it again" in words_of(late)
    assert ">phishing</textarea>" in late.get_data(as_text=True)
    assert again.status_code == 202


def test_a_comment_is_read_by_staff_and_leaves_an_empty_field(site, cast, a_case, about, carried):
    a_case()

    answer = about(site.signed_in(cast.trial), 1, "comment", reason="They wrote to us")
    carried(answer)

    page = answer.get_data(as_text=True)
    assert 'hx-swap-oob="outerHTML"' in page
    assert re.search(r"<textarea[^>]*></textarea>", page)
    assert "draft:kept" in answer.headers["HX-Trigger"]
    assert "pip commented now They wrote to us" in sheet(site, cast, 1)


def test_an_empty_comment_is_kept_from_the_queue_in_its_place(site, cast, a_case, about):
    a_case()

    answer = about(site.signed_in(cast.trial), 1, "comment")

    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#comment-1")
    assert "A comment needs a reason" in words_of(answer)


def test_a_void_case_says_so_everywhere_and_offers_comments_alone(site, cast, a_case, about, carried):
    a_case()
    carried(about(site.signed_in(cast.admin), 1, "void", reason="Wrong person"))
    who = site.signed_in(cast.admin)

    choices = who.fragment(f"/g/{cast.harbour}/cases/1/acts").get_data(as_text=True)

    assert "Void" in words_of(who.fragment(f"/g/{cast.harbour}/cases/1/row"))
    assert "odalys voided" in sheet(site, cast, 1) or "Odalys voided" in sheet(site, cast, 1)
    assert re.findall(r"acts/(\w+)", choices) == ["comment"]
    assert "Case #1 is void" in choices


def test_a_dm_that_was_refused_can_be_sent_again(site, cast, a_case, about, carried):
    a_case(notice=NoticeStatus.REFUSED, code=50007)
    page = site.signed_in(cast.admin).fragment(f"/g/{cast.harbour}/cases/1").get_data(as_text=True)

    carried(about(site.signed_in(cast.admin), 1, "resend"))

    assert f"/g/{cast.harbour}/cases/1/acts/resend" in page
    assert "sent the DM again" in sheet(site, cast, 1)


def test_taking_a_case_back_makes_a_case_that_is_linked_both_ways(site, cast, a_case, about, carried):
    a_case(Action.MUTE, duration_s="3600")

    number = carried(about(site.signed_in(cast.moderator), 1, "reverse"))

    assert number == 2
    assert "Takes back Case #1" in sheet(site, cast, 2)
    assert "Taken back By case #2" in sheet(site, cast, 1)
    assert "taken back already, by case #2" in words_of(
        site.signed_in(cast.moderator).fragment(f"/g/{cast.harbour}/cases/1/acts/reverse")
    )


def test_what_may_not_be_done_says_why_before_and_when_it_is_asked_all_the_same(site, cast, a_case, about):
    a_case(reason="spam")
    trial = site.signed_in(cast.trial)

    choices, asked = words_of(trial.fragment(f"/g/{cast.harbour}/cases/1/acts")), about(trial, 1, "void", reason="no")

    assert "You may not amend somebody else’s case here" in choices
    assert "A warning was read. Void the case" in choices
    assert asked.status_code == 200
    assert "Not done" in words_of(asked)
    assert "Edit" not in sheet(site, cast, 1, cast.trial)


def test_the_address_of_no_act_or_no_case_leads_nowhere(site, cast, a_case):
    a_case()
    who = site.signed_in(cast.admin)

    answers = [who.fragment(f"/g/{cast.harbour}/cases/{rest}") for rest in ("1/acts/erase", "2/acts/void", "2/acts")]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_sending_a_form_twice_asks_once(site, cast, a_case, about, owner):
    a_case()
    same = str(new_request_id())
    who = site.signed_in(cast.admin)

    about(who, 1, "comment", reason="once", request_id=same)
    twice = about(who, 1, "comment", reason="once", request_id=same)
    other = about(who, 1, "comment", reason="another", request_id=same)

    assert (twice.status_code, other.status_code) == (202, 409)
    with owner.transaction(cast.harbour) as session:
        asked = session.scalars(text("SELECT count(*) FROM action_requests WHERE action = 'comment'")).one()
    assert asked == 1
