"""The dashboard without a mouse, and what was typed when the sign-in ends under it."""

import re

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


def cases(page, path):
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases")
    expect(page.locator("#live")).to_have_text("Live")
    return page


def focused(page):
    """The case whose row has the focus."""
    return page.evaluate("document.activeElement.closest('tr')?.dataset.case ?? null")


def two_cases(path):
    for reason in ("first", "second"):
        path.run(path.a(Action.NOTE, path.discord.someone(), reason=reason))


def test_enter_opens_the_row_the_keys_are_on_and_not_the_button_pressed_last(path, open_as):
    two_cases(path)
    page = cases(open_as("juniperlock"), path)
    page.get_by_role("button", name="New action").click()
    expect(page.locator("#act-q")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="New action")).to_be_focused()

    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    second = page.locator("#rows tr").nth(1).get_attribute("data-case")
    page.keyboard.press("Enter")

    expect(page.locator("#case-sheet")).to_have_attribute("data-case", second)
    expect(page.locator("#act")).not_to_be_visible()
    assert focused(page) == second


def test_escape_gives_the_focus_back_to_the_row_the_keys_walked_to(path, open_as):
    two_cases(path)
    page = cases(open_as("juniperlock"), path)
    first, second = (page.locator("#rows tr").nth(at).get_attribute("data-case") for at in (0, 1))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#case-sheet")).to_have_attribute("data-case", first)

    page.keyboard.press("j")
    expect(page.locator("#case-sheet")).to_have_attribute("data-case", second)
    page.keyboard.press("Escape")

    expect(page.locator("#case-sheet")).to_have_count(0)
    assert focused(page) == second


def test_on_a_phone_the_focus_goes_into_the_sheet_that_hides_the_list(path, open_as):
    two_cases(path)
    page = cases(open_as("juniperlock", viewport={"width": 390, "height": 844}), path)

    page.locator("#rows tr").first.click()

    expect(page.locator("#case-sheet h2")).to_be_focused()


def test_caps_lock_does_not_switch_the_keys_off(path, open_as):
    page = cases(open_as("juniperlock"), path)

    page.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'W', bubbles: true }))")

    expect(page.locator("#act-t")).to_have_text("Warn a member")


def test_account_button_is_called_what_it_shows(path, open_as):
    page = cases(open_as("juniperlock"), path)

    expect(page.get_by_role("button", name=re.compile(r"^Account: .*Juniper.*Moderator"))).to_be_visible()


def test_what_was_typed_survives_the_end_of_the_sign_in(path, open_as):
    page = cases(open_as("juniperlock"), path)
    target = path.discord.someone()
    page.keyboard.press("w")
    page.get_by_label("Find a member by name or ID").fill(str(target))
    page.locator("#act-found button[data-pick]").click()
    page.get_by_role("textbox", name="Reason").fill("typed before the sign-in ended")
    token = page.locator("#act-token").get_attribute("value")
    page.context.clear_cookies(name=re.compile("kovra"))
    page.keyboard.press("Control+Enter")

    with page.context.expect_page() as opened:
        page.locator("#act-problem").get_by_role("link", name="Sign in").click()
    again = opened.value
    again.get_by_role("button", name="Continue with Discord").click()
    again.locator(f"input[name=person][value='{path.discord.people['juniperlock']}']").check(force=True)
    again.get_by_role("button", name="Authorize").click()
    again.wait_for_url("**/g/**")
    page.bring_to_front()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#act-problem")).to_contain_text("earlier sign-in")
    expect(page.locator("#act-token")).not_to_have_attribute("value", token)
    expect(page.locator("#act button[type=submit]")).to_be_enabled()
    expect(page.locator(".htmx-request")).to_have_count(0)
    page.locator("#act button[type=submit]").click()

    expect(page.locator("#toasts")).to_contain_text(re.compile(r"Done · case #\d+ created"))
    assert len(path.all("SELECT 1 FROM action_requests WHERE target_id = :t", t=target)) == 1
