"""Cases as pages show them."""

from __future__ import annotations

from copy import copy
from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action, State
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.ids import UserId
from kovra.store.case_finding import COUNTED
from kovra.store.case_search import Place
from kovra.store.cases import Cases
from kovra.store.mirror import BanRow


@pytest.fixture
def cases(web):
    return Cases(web)


@pytest.fixture
def five_cases(accept, guard, say):
    """Cases 1 to 5, one warning of five people each."""
    for number in range(5):
        guard.carry(accept(action=Action.WARN, target_id=UserId(say.QUILLON + 100 + number))[0])


def numbers(page):
    return [row.case_no for row in page.rows]


def test_the_newest_cases_come_first(cases, odalys, five_cases):
    page = cases.page(odalys, limit=2)

    assert (numbers(page), page.total, page.above, page.below) == ([5, 4], 5, False, True)


def test_pages_are_cut_by_number_and_stay_where_they_are_when_a_case_arrives(cases, odalys, five_cases, accept, guard):
    guard.carry(accept()[0])

    older = cases.page(odalys, place=Place(case_no=4), limit=2)
    newer = cases.page(odalys, place=Place(case_no=3, up=True), limit=2)

    assert (numbers(older), older.above, older.below) == ([3, 2], True, True)
    assert (numbers(newer), newer.above, newer.below) == ([5, 4], True, True)


def test_an_empty_guild_has_an_empty_page(cases, odalys):
    page = cases.page(odalys)

    assert (page.rows, page.total, page.above, page.below) == ([], 0, False, False)


def test_a_total_stops_counting_above_1000(cases, odalys, owner, say):
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text(
                "INSERT INTO mod_cases (guild_id, case_no, request_id, action, target_id, target_name, moderator_id,"
                " moderator_name, source, reason, params, created_at, digest, seal, state)"
                " SELECT :g, n, gen_random_uuid(), 'warn', n, 'x', 1, 'y', 'dashboard', '', '{}', now(), '', '', 'done'"
                " FROM generate_series(1, 1500) n"
            ),
            {"g": say.HARBOUR},
        )

    assert cases.page(odalys).total == COUNTED == 1_001


def test_a_note_is_shown_only_to_holders_of_view_notes(cases, odalys, accept, guard, say):
    guard.carry(accept(action=Action.NOTE)[0])
    guard.carry(accept(action=Action.WARN)[0])
    without = copy(odalys)
    held = {name: limit for name, limit in odalys.capabilities.items() if name is not Capability.VIEW_NOTES}
    object.__setattr__(without, "capabilities", held)

    assert numbers(cases.page(odalys)) == [2, 1]
    assert (numbers(cases.page(without)), cases.page(without).total) == ([2], 1)
    assert cases.row(without, 1) is None
    assert cases.detail(without, 1) is None
    assert cases.earlier(without, say.QUILLON, None) == [cases.row(odalys, 2)]


def test_whom_nobody_knew_then_is_called_as_the_ban_tells(cases, odalys, accept, guard, mirror, say):
    stranger = UserId(990_000_000_000_000_001)
    guard.carry(accept(target_id=stranger)[0])
    before = cases.row(odalys, 1).target_name

    nobody = {"global_name": None, "avatar": None, "bot": False, "reason": None}
    mirror.ban(say.HARBOUR, BanRow(user_id=stranger, username="gull", **nobody))

    assert (before, cases.row(odalys, 1).target_name) == (str(stranger), "gull")


def test_a_case_in_full_says_what_became_of_everything(cases, odalys, accept, guard, say, clock):
    kept, receipt = accept(params={"delete_window_s": 3600})
    clock.forward(seconds=3)
    guard.carry(kept)

    detail = cases.detail(odalys, 1)

    assert (detail.row.target_name, detail.row.moderator_name, detail.row.target_avatar) == (
        "Brass Key",
        "Odalys",
        "q1",
    )
    assert (detail.request_id, dict(detail.params)) == (receipt.request_id, {"delete_window_s": 3600})
    assert (detail.notice, detail.notice_text) == (NoticeStatus.SENT, "You are being banned.")
    assert (detail.post, detail.post_channel_id, detail.post_message_id) == (PostStatus.SENT, say.MOD_LOG, 9)
    assert detail.row.state is State.DONE
    assert detail.target.name == "Brass Key"


def test_the_trace_of_a_case_has_a_time_for_every_step(cases, odalys, accept, guard, clock):
    kept, _ = accept()
    clock.forward(seconds=3)
    guard.carry(kept)

    steps = {step.name: step for step in cases.detail(odalys, 1).steps}

    assert list(steps) == ["requested", "queued", "checked", "notice", "effect", "applied", "post"]
    assert steps["queued"].ended_at - steps["queued"].started_at == timedelta(seconds=3)
    assert all(step.ended_at is not None for step in steps.values())
    assert (steps["notice"].status, steps["post"].status) == ("sent", "sent")


def test_a_ban_holds_until_it_is_lifted(cases, odalys, accept, guard):
    guard.carry(accept()[0])
    before = cases.row(odalys, 1)

    guard.carry(accept(action=Action.UNBAN)[0])

    assert (before.active, cases.row(odalys, 1).active, cases.row(odalys, 2).active) == (True, False, False)


def test_a_mute_holds_until_its_end(cases, odalys, accept, guard, clock):
    kept, _ = accept(action=Action.MUTE, params={"duration_s": 600})
    guard.carry(kept, ends_at=clock.now() + timedelta(minutes=10))
    before = cases.row(odalys, 1)

    clock.forward(minutes=11)

    assert (before.active, cases.row(odalys, 1).active) == (True, False)


def test_the_earlier_cases_of_a_person_are_theirs_alone(cases, odalys, five_cases, accept, guard, say):
    guard.carry(accept(action=Action.WARN)[0])
    guard.carry(accept(action=Action.WARN)[0])
    guard.carry(accept()[0])

    assert [row.case_no for row in cases.earlier(odalys, say.QUILLON, 8)] == [7, 6]


def test_the_latest_cases_are_the_newest_first(cases, odalys, five_cases):
    assert [row.case_no for row in cases.latest(odalys, 3)] == [5, 4, 3]


def test_the_cases_of_another_guild_are_out_of_reach(cases, guilds, odalys, accept, guard, say):
    guard.carry(accept(guild_id=say.MEADOW, moderator_id=say.PELL)[0])

    assert cases.page(odalys).rows == []
    assert cases.row(odalys, 1) is None
    assert numbers(cases.page(guilds.scope(say.PELL, say.MEADOW))) == [1]
