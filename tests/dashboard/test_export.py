"""Cases as files: who may have them, what stands in them, and that it is on record."""

from __future__ import annotations

import csv
import io
import json

import pytest

from kovra.actions.request import Action
from kovra.dashboard import files
from kovra.dashboard.files import inert
from kovra.store.case_search import CaseFilter, CaseSort
from kovra.store.cases import Cases
from kovra.store.guilds import Guilds


def exported(who, guild, kind="csv", words=""):
    return who.post(f"/g/{guild}/cases/export{words}", {"kind": kind})


def read_csv(answer):
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))


@pytest.fixture
def three(a_case, cast):
    a_case(Action.WARN, reason="=HYPERLINK(1)")
    a_case(Action.NOTE, reason='two\nlines, "quoted"')
    a_case(Action.BAN, reason="plain", target=cast.stranger)


def test_a_spreadsheet_gets_every_case_newest_first(site, cast, three):
    answer = exported(site.signed_in(cast.admin), cast.harbour)

    rows = read_csv(answer)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="cases-')
    assert [row["case_no"] for row in rows] == ["3", "2", "1"]
    assert rows[0]["target_id"] == str(cast.stranger)
    assert (rows[1]["action"], rows[1]["reason"], rows[1]["source"]) == ("note", 'two\nlines, "quoted"', "dashboard")
    assert rows[2]["reason"] == "'=HYPERLINK(1)"


def test_a_program_gets_one_object_a_line_with_ids_as_text(site, cast, three):
    answer = exported(site.signed_in(cast.admin), cast.harbour, "jsonl", "?action=warn&action=ban&sort=oldest")

    first, last = map(json.loads, answer.get_data(as_text=True).splitlines())
    assert (first["case_no"], first["reason"], first["target_id"]) == (1, "=HYPERLINK(1)", str(cast.quillon))
    assert (last["case_no"], last["ends_at"], last["state"]) == (3, None, "done")


def test_a_file_is_cut_into_parts_that_miss_nothing(site, cast, three):
    scope = Guilds(site.database).scope(cast.admin, cast.harbour)

    parts = Cases(site.database).parts(scope, CaseFilter(), CaseSort.NEWEST, part=1)
    numbers = [[line.case_no for line in part] for part in parts]

    assert numbers == [[3], [2], [1]]


def test_an_export_is_on_record_with_what_was_asked_for(site, cast, three, owner, words):
    exported(site.signed_in(cast.admin), cast.harbour, "jsonl", "?action=warn&q=plain")

    entry = words(owner, cast.harbour)[-1]
    assert (entry["kind"], entry["actor_id"]) == ("cases.exported", cast.admin)
    assert entry["facts"] == {"kind": "jsonl", "asked": {"action": ["warn"], "q": ["plain"]}}


def test_only_holders_of_export_get_a_file_and_a_button(site, cast, three, owner, words):
    before = len(words(owner, cast.harbour))
    moderator, admin = site.signed_in(cast.moderator), site.signed_in(cast.admin)

    refused = exported(moderator, cast.harbour)

    assert refused.status_code == 403
    assert len(words(owner, cast.harbour)) == before
    assert "cases/export" not in moderator.get(f"/g/{cast.harbour}/cases").get_data(as_text=True)
    assert "cases/export" in admin.get(f"/g/{cast.harbour}/cases").get_data(as_text=True)


def test_a_file_of_another_kind_is_no_file(site, cast, three):
    assert exported(site.signed_in(cast.admin), cast.harbour, "xlsx").status_code == 400


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_what_could_be_a_formula_is_made_inert(text):
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "spam = bad", "#general", "2026-11-20T12:00:00Z", "300000000000000099"])
def test_what_is_no_formula_stays_as_it_is(text):
    assert inert(text) == text


def test_a_file_is_made_while_it_is_read():
    taken = []

    def parts():
        for number in range(3):
            taken.append(number)
            yield []

    lines = files.as_csv(parts())
    next(lines)

    assert taken == []
