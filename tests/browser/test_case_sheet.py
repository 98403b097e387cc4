"""The sheet of a case: amended, commented and taken back by keyboard while others do the same."""

import re

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


@pytest.fixture
def mute(path):
    """An hour's mute, and its case."""
    request = path.a(Action.MUTE, path.discord.someone(), params={"duration_s": 3600})
    path.run(request)
    return path.case_of(request.request_id)


def change(path, case, action, reason):
    path.run(path.a(action, case["target_id"], by="maren.oake", reason=reason, params={"case_no": case["case_no"]}))


def opened(page, path, case):
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases?case={case['case_no']}")
    expect(page.locator("#live")).to_have_text("Live")
    return page.locator("#case-sheet")


def test_what_others_change_meanwhile_never_replaces_what_is_being_typed(path, open_as, axe, mute):
    page = open_as("tamsin_reed")
    sheet = opened(page, path, mute)
    sheet.get_by_label(re.compile("^Comment on case")).fill("half a thought")

    change(path, mute, Action.AMEND, "said by the owner")
    expect(sheet.locator(".thread")).to_contain_text("said by the owner")
    expect(sheet.get_by_label(re.compile("^Comment on case"))).to_have_value("half a thought")

    page.locator("#sh-t").focus()
    page.keyboard.press("e")
    reason = page.get_by_role("dialog").get_by_role("textbox", name="Reason")
    reason.fill("mine")
    change(path, mute, Action.AMEND, "changed again")
    news = page.locator("#act-news")
    expect(news).to_contain_text("Reason is now: changed again.")
    assert axe(page) == []
    expect(reason).to_have_value("mine")
    news.get_by_role("button", name="Keep mine").click()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#act")).not_to_be_visible()
    expect(sheet.locator(".thread")).to_contain_text("mine")


def test_a_comment_that_was_not_sent_is_there_again_and_one_that_was_is_in_the_thread(path, open_as, mute):
    page = open_as("tamsin_reed")
    sheet = opened(page, path, mute)
    sheet.get_by_label(re.compile("^Comment on case")).fill("they wrote to us")

    page.reload()
    field = sheet.get_by_label(re.compile("^Comment on case"))
    expect(field).to_have_value("they wrote to us")
    field.press("Control+Enter")

    expect(sheet.locator(".thread")).to_contain_text("they wrote to us")
    expect(field).to_have_value("")


def test_ticks_stay_over_pages_and_live_changes_and_one_toast_tells_of_all(path, open_as, axe):
    for _ in range(2):
        path.run(path.a(Action.NOTE, path.discord.someone(), reason="quillwort"))
    page = open_as("tamsin_reed")
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases?q=quillwort")
    expect(page.locator("#live")).to_have_text("Live")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    expect(page.locator(".bulkbar")).to_contain_text("2 ticked")
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases?q=nothing+like+it")
    expect(page.locator(".bulkbar")).to_contain_text("2 ticked, 2 on other pages")
    assert axe(page) == []

    page.get_by_role("button", name="Void").click()
    page.get_by_role("dialog").get_by_label("Why").fill("Not a plant")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast[data-many]")).to_contain_text("2 of 2 done")
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases?q=quillwort")
    expect(page.locator("#rows tr.void")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator(".bulkbar")).to_be_hidden()
