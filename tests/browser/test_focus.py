"""Whoever works in a list by keyboard keeps their place in it, whatever happens to the row they are in."""

from uuid import uuid4

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


def test_a_ban_that_is_lifted_leaves_the_focus_in_its_row(path, shown):
    target = path.discord.someone()
    path.run(path.a(Action.BAN, target, by="tamsin_reed"))
    page = shown("bans")
    row = page.locator(f"#ban-{target}")
    row.get_by_role("button", name="Unban").focus()

    path.run(path.a(Action.UNBAN, target, by="tamsin_reed"))

    expect(row).to_contain_text("Lifted")
    expect(row.locator(".rowlink")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("body")).not_to_be_focused()


def test_what_one_does_in_a_dialog_that_takes_its_button_away_leads_back_to_the_row(path, shown):
    target = path.discord.someone()
    path.run(path.a(Action.BAN, target, by="tamsin_reed"))
    page = shown("bans")
    row = page.locator(f"#ban-{target}")
    row.get_by_role("button", name="Unban").focus()
    page.keyboard.press("Enter")
    page.locator("#act-reason").wait_for()

    page.keyboard.press("Control+Enter")

    expect(row).to_contain_text("Lifted")
    expect(row.locator(".rowlink")).to_be_focused()


def test_the_last_member_who_is_pushed_off_the_page_hands_the_focus_to_the_one_before(path, shown):
    page = shown("members")
    rows = page.locator("#rows tr")
    last, before = (rows.nth(at).get_attribute("id") for at in (49, 48))
    for _ in range(50):
        page.keyboard.press("j")
    expect(page.locator(f"#{last} .rowlink")).to_be_focused()
    path.discord.ask("POST", "join", {"username": f"new_{uuid4().hex[:10]}"})
    expect(page.locator("#peoplepill")).to_be_visible()

    page.keyboard.press(".")

    expect(page.locator(f"#{last}")).to_have_count(0)
    expect(page.locator(f"#{before} .rowlink")).to_be_focused()
    expect(page.locator("#moved")).to_have_text("The row you were in has gone. Now in the one beside it.")
    page.keyboard.press("k")
    expect(rows.nth(48).locator(".rowlink")).to_be_focused()


def test_a_case_that_no_longer_fits_hands_the_focus_to_the_next(path, shown):
    reason = f"focus {uuid4().hex[:8]}"
    people = [path.discord.someone() for _ in range(4)]
    oldest, middle, newest = (
        path.case_of(path.run(path.a(Action.BAN, one, reason=reason))["request_id"])["case_no"] for one in people[:3]
    )
    page = shown(f"cases?q={reason}&holds=active")
    page.locator(f"#case-{middle} .rowlink").focus()
    path.run(path.a(Action.UNBAN, people[1], reason="lifted"))
    path.run(path.a(Action.BAN, people[3], reason=reason))
    expect(page.locator("#newpill")).to_be_visible()

    page.keyboard.press(".")

    expect(page.locator(f"#case-{middle}")).to_have_count(0)
    expect(page.locator(f"#case-{oldest} .rowlink")).to_be_focused()
    assert newest > middle


def test_who_cancels_in_a_row_of_the_queue_stays_in_it_and_who_lets_new_rows_in_comes_to_them(path, shown):
    page = shown("queue")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.locator(".desk-lane")).to_contain_text("Paused by")
    request = path.a(Action.NOTE, path.discord.someone(), by="tamsin_reed", reason="not wanted after all")
    path.submit(request)
    row = page.locator(f"#q-{request.request_id}")
    page.mouse.move(5, 5)

    row.get_by_role("button", name="Cancel").press("Enter")

    expect(row).to_contain_text("Cancelled")
    expect(row.locator("button")).to_have_count(0)
    assert page.evaluate("document.activeElement.closest('tr')?.id") == f"q-{request.request_id}"
    path.submit(path.a(Action.NOTE, path.discord.someone(), by="tamsin_reed", reason="another"))
    expect(page.locator("#heldpill")).to_be_visible()
    page.locator("#heldpill").press("Enter")
    expect(page.locator("#heldpill")).to_be_hidden()
    expect(page.locator("#queue-list tbody > tr:first-child:focus-within")).to_have_count(1)
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Resume the queue").click()
    expect(page.locator(".desk-lane")).not_to_contain_text("Paused by")


def test_who_clicks_beside_the_list_has_left_it(path, shown):
    target = path.discord.someone()
    path.run(path.a(Action.BAN, target, by="tamsin_reed"))
    page = shown("bans")
    page.locator(f"#ban-{target} .rowlink").focus()
    page.locator("h1").click()

    path.run(path.a(Action.UNBAN, target, by="tamsin_reed"))

    expect(page.locator(f"#ban-{target}")).to_contain_text("Lifted")
    assert page.evaluate("document.activeElement === document.body")
