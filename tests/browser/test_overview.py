"""The overview as somebody leaves it open all day."""

import re

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


def overview(page, path):
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/overview")
    expect(page.locator("#live")).to_have_text("Live")
    return page


def test_what_happens_is_on_the_page_without_a_reload_and_an_opened_table_stays_open(path, open_as):
    page = overview(open_as("juniperlock"), path)
    page.get_by_text("Show as table").first.click()
    page.locator("#numbers").evaluate("(table) => { table.dataset.mark = 'the same' }")

    row = path.run(path.a(Action.NOTE, path.discord.someone(), reason="seen on the overview"))

    expect(page.locator(f"#latest-{row['case_no']}")).to_contain_text("seen on the overview")
    expect(page.locator("#numbers")).to_have_attribute("open", "")


def test_g_and_a_letter_go_to_a_place(path, open_as):
    page = overview(open_as("juniperlock"), path)

    page.keyboard.press("g")
    page.keyboard.press("c")

    page.wait_for_url(re.compile(r"/cases$"))


def test_a_quick_action_asks_for_the_member_first(path, open_as):
    page = overview(open_as("juniperlock"), path)

    page.get_by_role("group", name="Quick actions").get_by_role("button", name="Mute").click()

    expect(page.locator("#act-t")).to_have_text("Mute a member")


@pytest.mark.parametrize("width", [320, 390, 768, 1440, 1920])
def test_nothing_is_cut_off(path, open_as, width):
    page = overview(open_as("juniperlock", viewport={"width": width, "height": 800}), path)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.getElementById('main').scrollWidth <= document.getElementById('main').clientWidth")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing(path, open_as, axe, theme):
    page = overview(open_as("tamsin_reed", color_scheme=theme), path)
    page.get_by_text("Show as table").first.click()

    wide = axe(page)
    page.set_viewport_size({"width": 390, "height": 844})
    narrow = axe(page)

    assert (wide, narrow) == ([], [])


def test_a_page_that_is_open_says_that_no_worker_runs_until_one_is_back(path, open_as):
    page = overview(open_as("tamsin_reed"), path)
    health = page.context.new_page()
    health.goto(f"{path.stack.web_url}/g/{path.guild_id}/settings/health")
    expect(health.locator("#live")).to_have_text("Live")

    path.stack.processes["worker"].stop(10)
    try:
        for told in (page.locator("#now"), health.locator("#finding-workers")):
            expect(told).to_contain_text("No worker runs, so nothing is executed.")
    finally:
        path.stack.restart("worker")

    for open_page in (page, health):
        expect(open_page.get_by_text("No worker runs")).to_have_count(0)
