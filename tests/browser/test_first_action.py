"""A moderator signs in, bans someone, and a colleague sees it without touching anything."""

import re

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


def cases(page, path):
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases")
    expect(page.get_by_role("heading", name="Cases", level=1)).to_be_visible()
    return page


def choose(page, path, target, action):
    """Open the dialog, find the member by id, choose the action."""
    page.get_by_role("button", name="New action").click()
    page.get_by_label("Find a member by name or ID").fill(str(target))
    page.locator("#act-found button[data-pick]").click()
    page.locator("#act").get_by_role("radio", name=action, exact=True).check(force=True)
    expect(send(page)).to_contain_text(f"{action} ")


def send(page):
    """The button that names the act."""
    return page.locator("#act button[type=submit]")


def test_ban_travels_from_one_page_to_another(path, open_as):
    target = path.discord.someone()
    hers = cases(open_as("juniperlock"), path)
    his = cases(open_as("idris.vale"), path)

    choose(hers, path, target, "Ban")
    hers.get_by_role("textbox", name="Reason").fill("Scam links in three channels")
    send(hers).click()

    expect(hers.locator("#toasts")).to_contain_text(re.compile(r"Done · case #\d+ created"))
    number = re.search(r"#(\d+)", hers.locator("#toasts").inner_text())[1]
    expect(his.locator(f"#case-{number}")).to_contain_text("Scam links in three channels")
    assert path.discord.is_banned(target)

    his.locator(f"#case-{number} a.rowlink").click()
    trace = his.locator("ol.trace")
    for step in ("Requested", "Waited in queue", "Signature", "Discord answered", "Case written"):
        expect(trace).to_contain_text(step)
    expect(his).to_have_url(re.compile(rf"case={number}"))


def test_warn_played_in_discord_appears_on_both_pages(path, open_as):
    target = path.discord.someone()
    hers, his = cases(open_as("juniperlock"), path), cases(open_as("idris.vale"), path)

    asked = path.discord.ask(
        "POST",
        "interactions",
        {
            "user_id": str(path.discord.people["pip.hollow"]),
            "command": "mod warn",
            "options": {"user": str(target), "reason": "Please read the rules"},
        },
    )

    answer = path.until(
        lambda: (
            (now := path.discord.ask("GET", f"interactions/{asked['interaction_id']}"))
            and "case #" in (now["content"] or "")
            and now
        )
    )
    number = re.search(r"case #(\d+)", answer["content"])[1]
    assert answer["ephemeral"]
    for page in (hers, his):
        expect(page.locator(f"#case-{number}")).to_contain_text("Please read the rules")
        expect(page.locator(f"#case-{number}")).to_contain_text("Discord")


def test_double_click_sends_one_action(path, open_as):
    target = path.discord.someone()
    page = cases(open_as("juniperlock"), path)

    choose(page, path, target, "Warn")
    page.get_by_role("textbox", name="Reason").fill("once")
    send(page).dblclick()

    expect(page.locator("#toasts")).to_contain_text(re.compile(r"Done · case #\d+ created"))
    assert len(path.all("SELECT 1 FROM action_requests WHERE target_id = :t", t=target)) == 1
    assert len(path.discord.dms(target)) == 1


def test_a_click_is_not_lost_to_a_dialog_being_drawn(path, open_as):
    target = path.discord.someone()
    page = cases(open_as("juniperlock"), path)
    choose(page, path, target, "Ban")
    page.get_by_role("textbox", name="Reason").fill("quicker than the drawing")
    drawings = []
    page.route("**/act?**", lambda route: drawings.append(route))

    page.get_by_label("Lasts").select_option("7 days")
    send(page).click()

    expect(page.locator("#toasts")).to_contain_text(re.compile(r"Done · case #\d+ created"))
    assert len(drawings) == 1
    expect(page.locator("#act")).to_be_hidden()


def test_a_drawing_that_comes_late_does_not_open_the_dialog_again(path, open_as):
    page = cases(open_as("juniperlock"), path)
    choose(page, path, path.discord.someone(), "Ban")
    drawings = []
    page.route("**/act?**", lambda route: drawings.append(route))

    page.get_by_label("Lasts").select_option("7 days")
    page.keyboard.press("Escape")
    expect(page.locator("#act")).to_be_hidden()
    with page.expect_response("**/act?**"):
        drawings[0].continue_()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    expect(page.locator("#act")).to_be_hidden()
    expect(page.locator("#act-body")).to_be_empty()


def test_refusal_is_said_and_the_words_stay(path, open_as):
    page = cases(open_as("juniperlock"), path)
    target = path.discord.someone()

    choose(page, path, target, "Warn")
    send(page).click()

    expect(page.locator("#act")).to_contain_text("needs a reason")
    page.get_by_role("textbox", name="Reason").fill("now with one")
    send(page).click()
    expect(page.locator("#toasts")).to_contain_text(re.compile(r"Done · case #\d+ created"))


def test_someone_above_is_explained_before_the_button_is_pressed(path, open_as):
    page = cases(open_as("juniperlock"), path)

    page.get_by_role("button", name="New action").click()
    page.get_by_label("Find a member by name or ID").fill(str(path.discord.people["idris.vale"]))
    page.locator("#act-found button[data-pick]").click()

    expect(page.locator("#act")).to_contain_text("not below you")


def test_page_that_was_away_misses_nothing(path, open_as):
    page = cases(open_as("juniperlock"), path)
    page.context.set_offline(True)
    request = path.a(Action.WARN, path.discord.someone(), reason="while you were away")
    path.run(request)

    page.context.set_offline(False)

    number = path.case_of(request.request_id)["case_no"]
    expect(page.locator(f"#case-{number}")).to_contain_text("while you were away")


def test_works_on_a_phone(path, open_as):
    page = cases(open_as("juniperlock", viewport={"width": 390, "height": 844}), path)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_sign_out_ends_the_session(path, open_as):
    page = cases(open_as("pip.hollow"), path)
    cookies = page.context.cookies()

    page.evaluate("document.querySelector('form[action$=\"/logout\"]').requestSubmit()")

    page.wait_for_url("**/login**")
    page.context.add_cookies(cookies)
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases")
    expect(page).to_have_url(re.compile("/login"))
