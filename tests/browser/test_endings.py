"""A ban that ends by itself, as a moderator asks for it and sees it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1440, 390])
def test_a_ban_for_a_week_shows_when_it_ends(path, open_as, width):
    target = path.discord.someone()
    page = open_as("juniperlock", viewport={"width": width, "height": 900})
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases")
    page.get_by_role("button", name="New action").click()
    page.get_by_label("Find a member by name or ID").fill(str(target))
    page.locator("#act-found button[data-pick]").click()
    page.locator("#act").get_by_role("radio", name="Ban", exact=True).check(force=True)
    expect(page.get_by_label("Lasts")).to_have_value("0")

    page.get_by_label("Lasts").select_option("7 days")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#act button[type=submit]").click()

    expect(page.locator("#toasts")).to_contain_text(re.compile(r"Done · case #\d+ created"))
    number = re.search(r"#(\d+)", page.locator("#toasts").inner_text())[1]
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases?case={number}")
    sheet = page.locator("#case-sheet")
    expect(sheet.locator(".badge")).to_contain_text(re.compile(r"(6|7) days left"))
    expect(sheet).to_contain_text("7 days, until")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
