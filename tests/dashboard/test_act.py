"""The action dialog, submits and toasts."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.guard.case import NoticeStatus
from kovra.ids import new_request_id


def toast_id(answer):
    return UUID(re.search(r'id="toast-([0-9a-f-]{36})"', answer.get_data(as_text=True)).group(1))


def rows(owner, guild_id):
    with owner.transaction(guild_id) as session:
        found = session.execute(text("SELECT * FROM action_requests WHERE guild_id = :g"), {"g": guild_id})
        return [dict(row._mapping) for row in found]


def visible_text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True)))


def test_an_action_is_queued_and_its_toast_follows_it_to_the_case(site, cast):
    who = site.signed_in(cast.moderator)

    asked = who.ask(Action.WARN)
    number = site.carry_out(toast_id(asked))
    ended = who.fragment(f"/g/{cast.harbour}/requests/{toast_id(asked)}")

    assert asked.status_code == 202
    assert "Queued" in visible_text(asked)
    assert "data-open" in asked.get_data(as_text=True)
    assert f"Done · case #{number} created" in visible_text(ended)
    assert "data-open " not in ended.get_data(as_text=True)
    assert f"case={number}" in ended.get_data(as_text=True)


def test_the_moderator_is_the_sessions_and_the_source_this_page(site, cast, owner):
    site.signed_in(cast.moderator).ask(Action.BAN, delete_window_s="3600")

    (row,) = rows(owner, cast.harbour)
    assert (row["moderator_id"], row["source"], row["guild_id"]) == (cast.moderator, "dashboard", cast.harbour)
    assert b'"delete_window_s":3600' in bytes(row["body"])


@pytest.mark.parametrize("field", ["moderator_id", "source", "guild_id", "state", "case_no", "issued_at", "budget"])
def test_a_form_may_not_say_what_is_not_its_to_say(site, cast, owner, field):
    answer = site.signed_in(cast.moderator).ask(**{field: "1"})

    assert answer.status_code == 422
    assert rows(owner, cast.harbour) == []


def test_a_field_sent_twice_is_refused(site, cast, owner):
    who = site.signed_in(cast.moderator)

    answer = who.ask(target_id=[str(cast.quillon), str(cast.nobody)])

    assert answer.status_code == 422
    assert rows(owner, cast.harbour) == []


def test_a_double_click_asks_once(site, cast, owner):
    who, request_id = site.signed_in(cast.moderator), str(new_request_id())

    first, second = who.ask(request_id=request_id), who.ask(request_id=request_id)

    assert (first.status_code, second.status_code) == (202, 202)
    assert toast_id(first) == toast_id(second) == UUID(request_id)
    assert len(rows(owner, cast.harbour)) == 1


def test_an_id_used_for_another_wish_keeps_the_dialog_with_a_new_id(site, cast, owner):
    who, request_id = site.signed_in(cast.moderator), str(new_request_id())
    who.ask(request_id=request_id)

    answer = who.ask(request_id=request_id, reason="something <else>")

    body = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == "#act-body"
    assert request_id not in body
    assert "something &lt;else&gt;" in body
    assert len(rows(owner, cast.harbour)) == 1


def test_a_request_id_of_another_guild_is_a_conflict_without_detail(site, cast, owner):
    neighbour, who = site.signed_in(cast.neighbour), site.signed_in(cast.moderator)
    request_id = str(new_request_id())
    neighbour.ask(guild=cast.meadow, request_id=request_id)

    answer = who.ask(request_id=request_id)
    status = who.fragment(f"/g/{cast.harbour}/requests/{request_id}")

    assert (answer.status_code, status.status_code) == (409, 404)
    assert "Meadow" not in answer.get_data(as_text=True)


def test_a_warning_without_a_reason_stays_in_the_dialog_and_on_record(site, cast, owner, words):
    answer = site.signed_in(cast.moderator).ask(Action.WARN, reason="   ")

    body = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert answer.headers["HX-Retarget"] == "#act-body"
    assert "A warn needs a reason" in body
    assert 'aria-invalid="true"' in body
    (entry,) = words(owner, cast.harbour)
    assert (entry["kind"], entry["actor_id"]) == ("action.malformed", cast.moderator)
    assert entry["facts"]["attempt"]["action"] == "warn"
    assert "csrf" not in entry["facts"]["attempt"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target_id", "12"),
        ("target_id", "quillon"),
        ("target_id", "9" * 25),
        ("request_id", "nonsense"),
        ("request_id", str(uuid4())),
        ("action", "obliterate"),
        ("duration_s", "soon"),
        ("duration_s", "0"),
        ("duration_s", "99999999999"),
        ("reason", "x" * 4001),
        ("reason", "nul \x00 byte"),
    ],
)
def test_malformed_input_makes_no_row_loses_nothing_and_is_on_record(site, cast, owner, words, field, value):
    answer = site.signed_in(cast.moderator).ask(Action.MUTE, **{"reason": "a reason to keep", field: value})

    assert answer.status_code == 422
    assert rows(owner, cast.harbour) == []
    assert [entry["kind"] for entry in words(owner, cast.harbour)] == ["action.malformed"]
    if field not in ("reason", "target_id"):
        assert "a reason to keep" in answer.get_data(as_text=True)


def test_an_action_beyond_somebodys_rights_is_refused_with_the_sentence_and_on_record(site, cast, owner, words):
    answer = site.signed_in(cast.trial).ask(Action.BAN)

    assert "You may not ban here: it takes the capability “ban”" in visible_text(answer)
    assert 'class="toast fail"' in answer.get_data(as_text=True)
    assert [row["state"] for row in rows(owner, cast.harbour)] == ["rejected"]
    assert [entry["kind"] for entry in words(owner, cast.harbour)] == ["action.rejected"]


def test_a_pasted_id_of_a_stranger_can_be_banned(site, cast):
    who = site.signed_in(cast.moderator)

    found = who.fragment(f"/g/{cast.harbour}/act/members?q={cast.stranger}")
    form = who.fragment(f"/g/{cast.harbour}/act?target={cast.stranger}&action=ban")
    asked = who.ask(Action.BAN, target=cast.stranger)

    assert str(cast.stranger) in found.get_data(as_text=True)
    assert "not in this server" in visible_text(form)
    assert 'value="kick"' not in form.get_data(as_text=True)
    assert asked.status_code == 202


def test_the_picker_finds_people_by_name_and_id(site, cast):
    who = site.signed_in(cast.moderator)

    by_name = who.fragment(f"/g/{cast.harbour}/act/members?q=Quil")
    by_id = who.fragment(f"/g/{cast.harbour}/act/members?q={cast.quillon}")
    nobody = who.fragment(f"/g/{cast.harbour}/act/members?q=zzz")

    assert "Quillon" in visible_text(by_name)
    assert "Quillon" in visible_text(by_id)
    assert "Nobody here goes by that name or ID." in visible_text(nobody)


def test_the_picker_never_shows_people_of_another_guild(site, cast):
    found = site.signed_in(cast.moderator).fragment(f"/g/{cast.harbour}/act/members?q=tansy")

    assert "tansy" not in visible_text(found)


def test_the_dialog_offers_what_this_person_may_do(site, cast):
    path = f"/g/{cast.harbour}/act?target={cast.quillon}"

    trial = site.signed_in(cast.trial).fragment(path).get_data(as_text=True)
    auditor = site.signed_in(cast.auditor).fragment(path).get_data(as_text=True)
    moderator = site.signed_in(cast.moderator).fragment(path).get_data(as_text=True)

    offered = [re.findall(r'name="action" value="(\w+)"', page) for page in (trial, auditor, moderator)]
    assert offered == [["warn", "mute", "note"], [], ["warn", "mute", "kick", "softban", "ban", "note"]]
    assert "You may look, but not act" in auditor


def test_the_dialog_says_beforehand_why_it_would_fail(site, cast):
    answer = site.signed_in(cast.moderator).fragment(f"/g/{cast.harbour}/act?target={cast.admin}&action=ban")

    assert "is not below you: their highest role is level with or above yours" in visible_text(answer)


def test_a_banned_person_is_offered_an_unban(site, cast):
    answer = site.signed_in(cast.moderator).fragment(f"/g/{cast.harbour}/act?target={cast.banned}&action=unban")

    offered = re.findall(r'name="action" value="(\w+)"', answer.get_data(as_text=True))
    assert offered == ["ban", "unban", "note"]
    assert re.search(r'value="unban"[^>]* checked', answer.get_data(as_text=True))


def test_a_person_banned_for_good_is_not_banned_again(site, cast, owner, words):
    who = site.signed_in(cast.moderator)

    again = who.ask(Action.BAN, target=cast.banned)
    with_an_end = who.ask(Action.BAN, target=cast.banned, duration_s="60")

    assert "is already banned, with no end" in visible_text(again)
    assert {row["refusal_kind"] for row in rows(owner, cast.harbour)} == {"already", None}
    assert with_an_end.status_code == 202


def test_drawing_the_dialog_again_keeps_its_id(site, cast):
    who, request_id = site.signed_in(cast.moderator), new_request_id()

    again = who.fragment(f"/g/{cast.harbour}/act?target_id={cast.quillon}&action=mute&request_id={request_id}")
    fresh = who.fragment(f"/g/{cast.harbour}/act?target_id={cast.quillon}&action=mute")

    assert str(request_id) in again.get_data(as_text=True)
    drawn = re.search(r'name="request_id" value="([^"]+)"', fresh.get_data(as_text=True)).group(1)
    assert UUID(drawn).version == 7


def test_the_red_button_names_the_act(site, cast):
    answer = site.signed_in(cast.moderator).fragment(f"/g/{cast.harbour}/act?target={cast.quillon}&action=ban")

    button = re.search(r'<button class="btn danger" type="submit">(.*?)<kbd', answer.get_data(as_text=True), re.DOTALL)
    assert button.group(1).strip() == "Ban Quillon"


def test_a_refused_dm_is_told_and_not_called_sent(site, cast):
    who = site.signed_in(cast.moderator)
    asked = who.ask(Action.WARN)

    site.carry_out(toast_id(asked), NoticeStatus.REFUSED, 50007)

    toast = visible_text(who.fragment(f"/g/{cast.harbour}/requests/{toast_id(asked)}"))
    assert "Done · case #1 created, DM refused" in toast
    assert "They do not accept DMs from this server (code 50007)." in toast


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (50007, "They did not accept DMs from this server within the last week, so none was tried."),
        (50278, "They are not in this server, so none could be tried."),
    ],
)
def test_a_dm_that_was_not_tried_is_told_so_with_why(site, cast, code, why):
    who = site.signed_in(cast.moderator)
    asked = who.ask(Action.WARN)

    number = site.carry_out(toast_id(asked), NoticeStatus.NOT_TRIED, code)

    toast = visible_text(who.fragment(f"/g/{cast.harbour}/requests/{toast_id(asked)}"))
    assert f"Done · case #{number} created, DM not tried" in toast
    assert why in toast
    sheet = visible_text(who.fragment(f"/g/{cast.harbour}/cases/{number}"))
    assert f"Not tried {why}" in sheet


def test_a_second_ban_of_the_same_person_names_the_running_one(site, cast):
    first, second = site.signed_in(cast.moderator), site.signed_in(cast.admin)
    first.ask(Action.BAN)

    answer = second.ask(Action.BAN)

    assert "already queued, asked for by pell" in visible_text(answer)


def test_when_the_database_is_away_the_dialog_stays_with_its_id(site, cast, monkeypatch):
    from kovra.errors import Unavailable

    who, request_id = site.signed_in(cast.moderator), str(new_request_id())
    roster = site.app.extensions["kovra"].submit.roster

    def away(*_):
        raise Unavailable("gone")

    monkeypatch.setattr(roster, "standing", away)
    answer = who.ask(request_id=request_id)

    assert answer.status_code == 503
    assert request_id in answer.get_data(as_text=True)
    assert "Nothing was done" in visible_text(answer)


def test_the_dialog_shows_the_budget_and_says_when_it_is_used_up(site, cast, owner):
    who, path = site.signed_in(cast.moderator), f"/g/{cast.harbour}/act?target={cast.quillon}&action=warn"
    who.ask(Action.WARN)

    left = visible_text(who.fragment(path))
    with owner.transaction(cast.harbour) as session:
        one = text("INSERT INTO guild_settings (guild_id, budgets, changed_at) VALUES (:g, '{\"warn\": 1}', now())")
        session.execute(one, {"g": cast.harbour})
    used_up = visible_text(who.fragment(path))

    assert "Your budget: 1 of 340 this hour" in left
    assert "your warn budget is used up, 1 of 1 this hour" in used_up


def test_a_ban_may_end_by_itself_and_does_not_unless_it_is_asked_to(site, cast, owner):
    who = site.signed_in(cast.moderator)

    who.ask(Action.BAN, ban_duration_s="0")
    who.ask(Action.BAN, target=cast.stranger, ban_duration_s="604800")

    bodies = {row["target_id"]: bytes(row["body"]) for row in rows(owner, cast.harbour)}
    assert b"duration_s" not in bodies[cast.quillon]
    assert b'"duration_s":604800' in bodies[cast.stranger]


def test_the_length_of_a_mute_does_not_become_that_of_a_ban(site, cast):
    who = site.signed_in(cast.moderator)

    drawn = who.fragment(f"/g/{cast.harbour}/act?target_id={cast.quillon}&action=ban&duration_s=600")

    body = drawn.get_data(as_text=True)
    assert '<option value="0" selected>Until lifted</option>' in body
    assert 'name="duration_s"' not in body.split("seg-acts")[1].split("</div>", 1)[1]


def test_a_ban_longer_than_anything_ends_by_itself_says_so_at_its_field(site, cast, owner):
    answer = site.signed_in(cast.moderator).ask(Action.BAN, ban_duration_s="999999999")

    body = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'id="act-ban_duration_s-err"' in body
    assert rows(owner, cast.harbour) == []


def test_what_somebody_may_not_do_and_what_is_done_to_cases_is_not_drawn(site, cast):
    who = site.signed_in(cast.moderator)

    for action in (Action.ROLE_ADD, Action.PURGE, Action.SLOWMODE, Action.AMEND, Action.LOCKDOWN):
        drawn = who.fragment(f"/g/{cast.harbour}/act?action={action.value}&target={cast.quillon}")

        assert drawn.status_code == 200
        assert f"checked>{action.noun}" not in drawn.get_data(as_text=True).lower()
