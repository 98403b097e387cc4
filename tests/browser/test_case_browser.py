"""Finding cases: by keyboard, by address, and while others go on acting."""

import json
import re

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


def cases(page, path, words=""):
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases{words}")
    expect(page.locator("#live")).to_have_text("Live")
    return page


def shown(page):
    return page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.dataset.case)")


def noted(path, reason, action=Action.NOTE):
    target = path.discord.someone()
    path.run(path.a(action, target, reason=reason))
    return target


def test_a_case_is_found_by_keyboard_alone_and_the_way_back_is_the_browsers(path, open_as):
    noted(path, "marmalade on the map")
    noted(path, "something else", Action.WARN)
    page = cases(open_as("juniperlock"), path)

    page.keyboard.press("/")
    page.keyboard.type("marmalade")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?q=marmalade$"))
    expect(page.locator("#rows tr")).to_have_count(1)

    page.keyboard.press("f")
    expect(page.get_by_role("dialog", name="Filter cases")).to_be_visible()
    page.get_by_role("checkbox", name="Warn", exact=True).press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("#empty")).to_contain_text("No case fits these filters")
    expect(page).to_have_url(re.compile(r"action=warn"))

    page.get_by_role("link", name="Remove filter Action").click()
    expect(page.locator("#rows tr")).to_have_count(1)
    page.go_back()
    expect(page.locator("#empty")).to_be_visible()
    page.keyboard.press("Escape")


def test_only_new_cases_that_fit_are_announced_to_a_reader_who_has_one_open(path, open_as):
    noted(path, "quince one")
    page = cases(open_as("juniperlock"), path, "?q=quince")
    page.locator("#rows a.rowlink").first.click()
    expect(page.locator("#case-sheet")).to_be_visible()
    before = shown(page)

    noted(path, "no fruit at all")
    noted(path, "quince two")

    expect(page.locator("#newpill")).to_have_text(re.compile("1 new case"))
    assert shown(page) == before
    page.keyboard.press(".")
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(page.locator("#newpill")).to_be_hidden()
    expect(page.locator("#case-sheet")).to_be_visible()


def test_what_is_filtered_is_what_the_file_holds(path, open_as):
    noted(path, "damson jam")
    page = cases(open_as("tamsin_reed"), path, "?q=damson")

    page.get_by_role("button", name="Export").click()
    with page.expect_download() as coming:
        page.get_by_role("button", name="JSON Lines").click()

    (line,) = coming.value.path().read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["reason"] == "damson jam"


@pytest.mark.parametrize("width", [320, 1440])
def test_nothing_of_the_filters_is_cut_off_or_out_of_reach(path, open_as, axe, width):
    page = cases(
        open_as("juniperlock", viewport={"width": width, "height": 844}), path, "?action=warn&holds=active&q=x"
    )

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("[data-filters]").last.click()
    expect(page.get_by_role("button", name="Show cases")).to_be_in_viewport()
    assert axe(page) == []
    page.keyboard.press("Escape")
    assert axe(page) == []
