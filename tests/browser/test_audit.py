"""The audit log in a browser: it grows while one reads, and it prints."""

import re

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


@pytest.fixture
def audit(shown):
    return lambda **options: shown("audit", **options)


def test_new_entries_come_in_at_the_top_and_wait_behind_the_pill_while_one_reads(path, audit):
    path.run(path.a(Action.NOTE, path.discord.someone(), reason="before"))
    page = audit()
    path.run(path.a(Action.NOTE, path.discord.someone(), reason="comes in"))
    expect(page.locator("tr.entry").first).to_contain_text("comes in")
    page.keyboard.press("j")
    path.run(path.a(Action.NOTE, path.discord.someone(), reason="waits"))

    expect(page.locator("#rowpill")).to_be_visible()
    expect(page.locator("tr.entry").first).to_contain_text("comes in")
    page.keyboard.press(".")

    expect(page.locator("tr.entry").first).to_contain_text("waits")
    expect(page.locator("#rowpill")).to_be_hidden()


def test_the_button_verifies_in_place(audit):
    page = audit()

    page.get_by_role("button", name="Verify").click()

    expect(page.locator("#verified")).to_contain_text("Nothing was changed.")


def test_on_paper_there_is_the_table_alone(path, audit):
    path.run(path.a(Action.NOTE, path.discord.someone()))
    page = audit(color_scheme="dark")
    page.emulate_media(media="print")

    expect(page.locator("#side")).to_be_hidden()
    expect(page.locator(".toolbar")).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("tr.entry").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.tblwrap')).overflow") == "visible"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_and_nothing_is_cut_off(path, audit, axe, theme):
    path.run(path.a(Action.NOTE, path.discord.someone()))
    page = audit(color_scheme=theme)
    wide = axe(page)
    page.set_viewport_size({"width": 320, "height": 700})

    assert (wide, axe(page)) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert re.search("Audit log · .* · Kovra", page.title())
