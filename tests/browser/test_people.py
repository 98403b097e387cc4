"""Members, a profile and bans in a browser: live, never changed under the hand, and by keyboard alone."""

import re
import time
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action
from kovra.live.hints import GAPS_S

pytestmark = pytest.mark.browser


def comes(path):
    """Somebody new joins; gives their id."""
    return path.discord.ask("POST", "join", {"username": f"new_{uuid4().hex[:10]}"})["user"]["id"]


def test_whoever_comes_is_let_in_at_rest_and_waits_behind_the_pill_otherwise(path, shown):
    page = shown("members")
    first = comes(path)
    expect(page.locator("#rows tr").first).to_have_attribute("data-target", first)

    page.keyboard.press("j")
    page.keyboard.press("x")
    second = comes(path)
    expect(page.locator("#peoplepill")).to_be_visible()
    expect(page.locator(f"#member-{second}")).to_have_count(0)
    expect(page.locator(f"#member-{first} .cb")).to_be_checked()

    page.keyboard.press(".")
    expect(page.locator(f"#member-{second}")).to_be_visible()
    expect(page.locator(f"#member-{first} .cb")).to_be_checked()
    expect(page.locator("[data-ticked]")).to_have_text("1")


def test_a_raid_costs_each_page_a_handful_of_looks(path, shown):
    pages = {place: shown(place) for place in ("members", "overview", "cases")}
    looks = {place: [] for place in pages}
    for place, page in pages.items():
        page.on("requestfinished", lambda asked, told=looks[place]: told.append(asked.url))
    began = time.monotonic()

    joined = [comes(path) for _ in range(300)]
    expect(pages["members"].locator("#rows tr").first).to_have_attribute("data-target", joined[-1])

    # Told at once, then after one, two, and every four seconds.
    frames = 4 + (time.monotonic() - began) / GAPS_S[1]
    assert {place: len(told) for place, told in looks.items() if len(told) > frames} == {}
    assert looks["members"]


def test_from_the_list_to_a_profile_and_a_note_without_a_mouse(path, shown, axe):
    target = path.discord.someone()
    page = shown(f"members?q={target}")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/members/{target}$"))
    expect(page.locator("#live")).to_have_text("Live")

    page.keyboard.press("n")
    page.locator("#act-reason").wait_for()
    page.keyboard.type("seen on the page")
    page.keyboard.press("Control+Enter")

    expect(page.locator("#profile .tl.big li").first).to_contain_text("seen on the page")
    assert axe(page) == []


def test_a_ban_comes_in_and_is_lifted_from_its_row(path, shown, axe):
    page, target = shown("bans"), path.discord.someone()
    path.run(path.a(Action.BAN, target, by="tamsin_reed"))
    row = page.locator(f"#ban-{target}")
    expect(row).to_contain_text("spam")
    assert axe(page) == []

    row.hover()
    row.get_by_role("button", name="Unban").click()
    page.locator("#act-form button[type=submit]").click()

    expect(row).to_contain_text("Lifted")


def test_the_quick_actions_of_a_row_have_their_icons_when_it_is_used(shown):
    page = shown("members")
    first, second = (page.locator("#rows tr").nth(at) for at in (0, 1))
    first.hover()
    page.keyboard.press("j")
    page.keyboard.press("j")
    buttons = [row.get_by_role("button", name="Warn") for row in (first, second)]

    for button in buttons:
        expect(button.locator("svg")).to_be_visible()
    buttons[0].click()

    expect(page.locator("#act-t")).to_contain_text(first.locator("bdi").first.inner_text())


def test_the_dialog_shows_the_dm_with_what_is_typed_and_finds_channels(path, shown, axe):
    page, target = shown("overview"), path.discord.someone()
    page.keyboard.press("Control+k")
    page.keyboard.type(f"mute {target}")
    expect(page.locator("#palette .p-opt[aria-selected=true]")).to_have_attribute("data-act", "mute")
    page.keyboard.press("Enter")
    page.locator("#act-reason").wait_for()
    page.keyboard.type("too <b>loud</b>")

    expect(page.locator("[data-with]")).to_contain_text("Reason: too <b>loud</b>")
    assert axe(page) == []

    page.keyboard.press("Escape")
    page.get_by_role("button", name="New action").click()
    page.get_by_role("button", name="Slowmode a channel").click()
    page.locator("#act-found [data-pick]").first.click()
    expect(page.locator("#act-t")).to_contain_text("Slowmode #")
    expect(page.locator("#act-slow_s")).to_be_visible()


def test_what_somebody_did_lately_is_taken_back_from_their_profile(path, shown, axe):
    """Also without a mouse; what cannot be taken back is listed, and what is typed stays while the span changes."""
    muted, warned = path.discord.someone(), path.discord.someone()
    for action, target in ((Action.MUTE, muted), (Action.WARN, warned)):
        path.run(path.a(action, target, by="idris.vale"))
    page = shown(f"members/{path.discord.people['idris.vale']}")

    page.get_by_role("button", name="Take back what they did lately").press("Enter")
    page.locator("#act-reason").fill("account taken over")
    page.locator("#act-minutes").select_option("1440")

    expect(page.locator("#act-minutes")).to_have_value("1440")
    expect(page.locator("#act-reason")).to_have_value("account taken over")
    expect(page.get_by_role("list", name="Cases that cannot be taken back")).to_contain_text("A warning was read")
    assert axe(page) == []
    number = page.locator("label[for=act-confirm] b").inner_text()
    page.locator("#act-confirm").press_sequentially(number)
    page.locator("#act-confirm").press("Enter")

    expect(page.locator("#toasts .toast")).to_contain_text(f"{number} of ")
    path.until(lambda: path.discord.member(muted)["communication_disabled_until"] is None)
