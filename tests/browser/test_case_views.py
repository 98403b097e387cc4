"""Views of the case list and its columns, by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


def cases(page, path, words=""):
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases{words}")
    expect(page.locator("#live")).to_have_text("Live")
    return page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).focus()
    page.keyboard.press("Enter")


def test_a_view_is_saved_shared_renamed_and_forgotten_by_keyboard(path, open_as):
    page = cases(open_as("tamsin_reed"), path, "?action=ban&q=quince")
    views = page.get_by_role("navigation", name="Views")

    press(page, "Save view")
    page.keyboard.type("Quinces")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(views.get_by_role("link", name="Shared: Quinces")).to_have_attribute("aria-current", "true")

    press(page, "Change view")
    page.keyboard.press("Control+a")
    page.keyboard.type("Quince bans")
    page.keyboard.press("Enter")
    expect(views.get_by_role("link", name="Shared: Quince bans")).to_have_attribute("aria-current", "true")
    expect(page).to_have_url(re.compile(r"\?(action=ban&q=quince|q=quince&action=ban)$"))

    press(page, "Change view")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Change view", exact=True)).to_be_focused()
    press(page, "Change view")
    press(page, "Forget view")
    expect(page).to_have_url(re.compile(r"/cases$"))
    expect(views.get_by_role("link", name="Quince bans")).to_have_count(0)


def test_columns_are_chosen_by_keyboard_and_rows_that_come_later_keep_to_them(path, open_as):
    path.run(path.a(Action.NOTE, path.discord.someone(), reason="medlar one"))
    page = cases(open_as("juniperlock"), path, "?q=medlar")

    press(page, "Columns")
    expect(page.get_by_role("checkbox", name="Reason")).to_be_focused()
    page.get_by_role("checkbox", name="Source").press("Space")
    page.get_by_role("checkbox", name="When").press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Source")).to_be_hidden()
    expect(page.get_by_role("columnheader", name="Moderator")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?q=medlar$"))

    path.run(path.a(Action.NOTE, path.discord.someone(), reason="medlar two"))
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(page.locator("#rows .c-src").first).to_be_hidden()
    expect(page.locator("#rows .c-why").first).to_be_visible()

    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("#rows .c-when").first).to_be_hidden()
    press(page, "Columns")
    page.get_by_role("checkbox", name="When").press("Space")
    page.get_by_role("button", name="Show these").click()
    expect(page.locator("#rows .c-when").first).to_be_visible()
