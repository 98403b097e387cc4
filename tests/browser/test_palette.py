"""The palette by keyboard alone, by mouse and on a phone."""

import re
import time

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


@pytest.fixture
def overview(shown):
    return lambda **options: shown("overview", by="juniperlock", **options)


def test_from_a_name_to_a_case_without_a_mouse(path, overview):
    page, target = overview(), path.discord.someone()
    page.keyboard.press("Control+k")
    page.keyboard.type(str(target))
    expect(page.locator("#palette .p-opt[aria-selected=true]")).to_have_attribute("data-member", str(target))
    page.keyboard.press("Tab")
    page.keyboard.press("n")
    expect(page.locator("#act-t")).to_contain_text("Note ")
    page.keyboard.type("found with the palette")
    page.keyboard.press("Control+Enter")

    expect(page.locator("#toasts")).to_contain_text(re.compile(r"Done · case #\d+ created"))


def test_enter_waits_for_the_answer_to_what_was_typed(path, overview):
    row = path.run(path.a(Action.NOTE, path.discord.someone()))
    page = overview()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette .p-opt").first).to_be_visible()

    page.keyboard.type(f"case {row['case_no']}")
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile(rf"case={row['case_no']}$"))


def test_enter_takes_no_late_answer_to_an_earlier_question(path, overview):
    row = path.run(path.a(Action.NOTE, path.discord.someone()))
    page, held = overview(), []
    page.route(re.compile(r"/palette\?q=$"), lambda route: held.append(route))
    with page.expect_request(re.compile(r"/palette\?q=$")):
        page.keyboard.press("Control+k")
    page.clock.install()
    page.clock.pause_at(time.time() + 1)  # what is typed is asked for a moment later; that moment does not come
    page.keyboard.type(f"case {row['case_no']}")
    held[0].continue_()
    page.clock.run_for(20)
    expect(page.locator("#palette .p-opt").first).to_be_visible()

    page.keyboard.press("Enter")
    page.clock.resume()

    page.wait_for_url(re.compile(rf"case={row['case_no']}$"))


def test_arrows_move_escape_closes_and_the_focus_goes_back(overview):
    page = overview()
    page.locator("#find").focus()
    page.keyboard.press("Control+k")
    options = page.locator("#palette .p-opt")
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    expect(page.locator("#p-q")).to_have_attribute("aria-activedescendant", options.last.get_attribute("id"))

    page.keyboard.press("Escape")

    expect(page.locator("#palette")).not_to_be_visible()
    expect(page.locator("#find")).to_be_focused()


def test_on_a_phone_it_fills_the_screen_and_a_tap_chooses(path, overview):
    page = overview(viewport={"width": 390, "height": 844}, has_touch=True)
    page.get_by_role("navigation", name="Main").get_by_role("button", name="Find").click()
    page.locator("#p-q").fill(str(path.discord.someone()))
    expect(page.locator("#palette .p-acts:visible")).to_be_visible()

    page.locator("#palette .p-acts:visible button", has_text="Warn").click()

    expect(page.locator("#act-t")).to_contain_text("Warn ")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing(path, overview, axe, theme):
    page = overview(color_scheme=theme)
    page.keyboard.press("Control+k")
    page.keyboard.type(str(path.discord.someone()))
    expect(page.locator("#palette .p-side:visible")).to_be_visible()

    assert axe(page) == []
