"""A page is shown before its scripts are there, and hears all the same what was done meanwhile."""

import pytest
from playwright.sync_api import expect

from kovra.dashboard.shell import ROWS_AT_ONCE

pytestmark = pytest.mark.browser


@pytest.fixture
def early(path, open_as):
    """A page whose scripts are held back until ``come`` is called."""

    def show(place):
        page, held = open_as("tamsin_reed"), []
        page.route("**/kovra.js", lambda route: held.append(route))
        page.goto(f"{path.stack.web_url}/g/{path.guild_id}/{place}", wait_until="domcontentloaded")
        page.locator("script[type=module]").wait_for(state="attached")

        def come():
            for route in held:
                route.continue_()

        return page, come

    return show


def test_the_scripts_are_asked_for_when_the_page_is_there(path, open_as):
    page = open_as("tamsin_reed")

    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/members")
    expect(page.locator("#live")).to_have_text("Live")
    drawn = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    entries = "performance.getEntriesByType('resource').filter(one => /kovra.js|htmx/.test(one.name))"
    asked = page.evaluate(f"{entries}.map(one => one.startTime)")

    assert len(asked) == 2
    assert min(asked) >= drawn


def test_keys_and_letters_before_the_scripts_are_not_lost(path, early):
    page, come = early("members")
    asked = f"warn {path.discord.someone()}"
    page.keyboard.press("Control+k")
    page.keyboard.type(asked)
    expect(page.locator("#palette")).to_be_hidden()

    come()

    expect(page.locator("#p-q")).to_have_value(asked)
    expect(page.locator("#palette .p-opt[aria-selected=true]")).to_have_attribute("data-act", "warn")


def test_a_click_before_the_scripts_opens_what_it_was_for(early):
    page, come = early("members")
    row = page.locator("#rows tr").first
    row.hover()
    row.get_by_role("button", name="Warn").click()
    expect(page.locator("#act")).to_be_hidden()

    come()

    expect(page.locator("#act-t")).to_contain_text("Warn")


def test_a_tick_before_the_scripts_counts(early):
    page, come = early("members")
    page.locator("#rows .c-cb .cb").first.check()

    come()

    expect(page.locator("[data-ticked]")).to_have_text("1")


def test_escape_before_the_scripts_clears_what_is_ticked(early):
    page, come = early("members")
    page.locator("#rows .c-cb .cb").first.check()
    page.keyboard.press("Escape")

    come()

    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#rows .c-cb .cb").first).not_to_be_checked()


def test_rows_below_the_first_frame_are_there_before_the_scripts(early):
    page, _ = early("members")

    expect(page.locator("#rows > tr").nth(ROWS_AT_ONCE)).to_be_attached()
    expect(page.locator("template[data-later]")).to_have_count(0)
