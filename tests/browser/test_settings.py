"""Settings as somebody writes them: counted, asked about, and never replaced by what others do."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def settings(path, open_as):
    def show(section, page=None, **options):
        page = page or open_as("tamsin_reed", **options)
        page.goto(f"{path.stack.web_url}/g/{path.guild_id}/settings/{section}")
        expect(page.locator("#live")).to_have_text("Live")
        return page

    return show


def test_what_is_written_is_not_replaced_and_not_left_without_a_question(path, settings):
    mine, theirs = settings("budgets"), settings("budgets")
    mine.get_by_label("Purge").fill("41")
    expect(mine.locator("[data-count]")).to_have_text("1 change not saved")

    theirs.get_by_label("Lock", exact=True).fill("99")
    theirs.keyboard.press("Control+s")

    expect(theirs.get_by_text("Saved.")).to_be_visible()
    expect(mine.locator("#meanwhile")).to_be_visible()
    expect(mine.get_by_label("Purge")).to_have_value("41")
    asked = []
    mine.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    mine.get_by_role("link", name="Logging").click()
    expect(mine.get_by_label("Purge")).to_have_value("41")
    assert asked == ["beforeunload"]
    mine.get_by_role("button", name="Load theirs").click()
    expect(mine.get_by_label("Lock", exact=True)).to_have_value("99")


def test_a_text_is_seen_as_members_will_while_it_is_written(settings):
    page = settings("notices")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "preview" in request.url else None)

    page.locator("#n-text").fill("Away from **{server}**")

    expect(page.locator("#dmprev")).to_have_text("Away from Lanternfall")
    assert not any("csrf" in url for url in asked)


@pytest.mark.parametrize("section", ["health", "access", "budgets", "notices", "logging", "retention", "appearance"])
def test_axe_finds_nothing_and_nothing_is_cut_off(path, settings, axe, section):
    page = settings(section)
    expect(page.locator(".savebar")).to_be_hidden()
    dark = axe(page)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 320, "height": 700})

    assert (dark, axe(page)) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(
        "document.querySelector('.setbody').scrollWidth <= document.querySelector('.setbody').clientWidth"
    )


def test_a_test_message_is_sent_by_guard_and_told_on_the_page(settings):
    page = settings("logging")
    page.locator("#l-notes").select_option("none")  # what is not saved is not in its way

    page.locator("#mt-common").get_by_role("button", name="Send a test").click()

    expect(page.locator("#mt-common .t-ok")).to_have_text("Sent")
    expect(page.locator("[data-count]")).to_have_text("1 change not saved")


def test_a_person_is_found_and_given_something(settings):
    page = settings("access")
    page.get_by_label("Name or ID of a member").fill("pip")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Pip", exact=True).click()

    page.get_by_role("checkbox", name="kick").check()
    page.get_by_label("It holds").select_option("86400")
    page.keyboard.press("Control+s")

    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.locator("li", has=page.get_by_role("checkbox", name="kick"))).to_contain_text("until")
    page.get_by_role("checkbox", name="kick").uncheck()
    page.keyboard.press("Control+s")
    expect(page.get_by_role("heading", name="People")).to_be_visible()
