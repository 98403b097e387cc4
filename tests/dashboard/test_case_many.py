"""One act on all the cases that are ticked."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.ids import new_request_id
from tests.dashboard.visitor import words_of


@pytest.fixture
def ticked(site, cast):
    """``ticked(who, act, "1,2", …)`` sends the dialog as it is drawn."""

    def send(who, act, cases, **fields):
        form = {"many_id": str(new_request_id()), "cases": cases, "reason": "Wrong person"}
        return who.post(f"/g/{cast.harbour}/cases/many/{act}", form | fields)

    return send


def status(who, cast, act, answer, cases, whole=""):
    many_id = re.search(r'id="toast-([0-9a-f-]{36})"', answer.get_data(as_text=True))[1]
    return words_of(who.fragment(f"/g/{cast.harbour}/cases/many/{act}/{many_id}?cases={cases}{whole}"))


def test_what_can_be_done_is_done_and_the_rest_says_why_not(site, cast, a_case, ticked, carry_out_all):
    for _ in range(3):
        a_case()
    who = site.signed_in(cast.admin)
    ticked(who, "void", "2")
    carry_out_all()

    dialog = words_of(who.fragment(f"/g/{cast.harbour}/cases/many/void?cases=1,2,3,9"))
    asked = ticked(who, "void", "1,2,3,9")
    before = status(who, cast, "void", asked, "1,2,3,9")
    carry_out_all()
    after = status(who, cast, "void", asked, "1,2,3,9")
    told = status(who, cast, "void", asked, "1,2,3,9", "&whole=1")

    assert "Void 2 cases" in dialog
    assert "Left out: 1 case #2 Quillon Case #2 is void" in dialog
    assert "Void: 0 of 3 done 2 under way · 1 not done" in before
    assert "Void: 2 of 3 done 1 not done" in after
    assert re.search(r"#1 Quillon Done #2 Quillon Case #2 is void[^#]*#3 Quillon Done", told)
    assert json.loads(asked.headers["HX-Trigger"]) == {"act:kept": {"target": "#act"}}


def test_each_that_is_taken_back_is_a_case_of_its_own(site, cast, a_case, ticked, carry_out_all):
    a_case(Action.MUTE, duration_s="3600")
    a_case(Action.WARN)
    who = site.signed_in(cast.moderator)

    asked = ticked(who, "reverse", "1,2", reason="")
    carry_out_all()

    assert "1 of 2 done 1 not done" in status(who, cast, "reverse", asked, "1,2")
    told = status(who, cast, "reverse", asked, "1,2", "&whole=1")
    assert "#1 Quillon Done, case #3" in told
    assert "A warning was read. Void the case" in told


def test_nobody_does_to_many_what_they_may_not_do_to_one(site, cast, a_case, ticked, owner):
    a_case()
    trial = site.signed_in(cast.trial)

    dialog, asked = words_of(trial.fragment(f"/g/{cast.harbour}/cases/many/void?cases=1")), ticked(trial, "void", "1")

    assert "You may not amend somebody else’s case here" in dialog or "You may not void" in dialog
    assert "0 of 1 done 1 not done" in words_of(asked)
    with owner.transaction(cast.harbour) as session:
        assert session.scalars(text("SELECT count(*) FROM action_requests WHERE action = 'void'")).one() == 0


def test_sent_twice_asks_once(site, cast, a_case, ticked, owner):
    a_case()
    who, same = site.signed_in(cast.admin), str(new_request_id())

    ticked(who, "comment", "1", many_id=same)
    ticked(who, "comment", "1", many_id=same)

    with owner.transaction(cast.harbour) as session:
        assert session.scalars(text("SELECT count(*) FROM action_requests WHERE action = 'comment'")).one() == 1


@pytest.mark.parametrize(
    ("cases", "sentence"),
    [("", "Tick at least one case"), ("1,x", "no numbers of cases"), ("1," * 501, "at most 500")],
)
def test_what_cannot_be_read_is_said_and_what_was_typed_stays(site, cast, a_case, ticked, cases, sentence):
    a_case()

    answer = ticked(site.signed_in(cast.admin), "void", cases, reason="typed already")

    assert answer.status_code == 422
    assert sentence in words_of(answer)
    assert ">typed already</textarea>" in answer.get_data(as_text=True)


def test_only_what_is_ticked_is_exported_and_the_record_says_which(site, cast, a_case, owner):
    for _ in range(3):
        a_case()

    answer = site.signed_in(cast.admin).post(f"/g/{cast.harbour}/cases/export", {"kind": "jsonl", "cases": "1,3"})

    assert [json.loads(line)["case_no"] for line in answer.get_data(as_text=True).splitlines()] == [3, 1]
    with owner.transaction(cast.harbour) as session:
        facts = session.scalars(text("SELECT facts FROM audit_log WHERE kind = 'cases.exported'")).one()
    assert facts["asked"] == {"cases": ["1", "3"]}


def test_a_toast_offers_to_undo_what_can_be_taken_back(site, cast, a_case):
    a_case(Action.MUTE, duration_s="3600")
    a_case(Action.WARN)
    known = site.app.extensions["kovra"]
    who = site.signed_in(cast.moderator)
    detail = {no: known.cases.detail(known.guilds.scope(cast.moderator, cast.harbour), no) for no in (1, 2)}

    mute, warn = (
        who.fragment(f"/g/{cast.harbour}/requests/{detail[no].request_id}").get_data(as_text=True) for no in (1, 2)
    )

    assert f"/g/{cast.harbour}/cases/1/acts/reverse" in mute
    assert "acts/reverse" not in warn
