"""The Action Queue as an admin watches it: live, and never changed under the hand."""

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


@pytest.fixture
def queue(shown):
    return lambda **options: shown("queue", **options)


def test_a_pause_is_asked_about_shown_at_once_and_ended(path, queue):
    page = queue()
    expect(page.locator(".desk-workers")).to_contain_text("1 worker for this server")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.locator(".desk-lane")).to_contain_text("Paused by")
    request = path.a(Action.NOTE, path.discord.someone(), reason="waits")
    path.submit(request)
    expect(page.locator(f"#q-{request.request_id}")).to_contain_text("Waiting")

    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Resume the queue").click()
    page.mouse.move(5, 5)

    expect(page.locator(f"#q-{request.request_id}")).to_contain_text("Done")
    expect(page.locator("#act")).to_be_hidden()


def test_what_waits_is_cancelled_in_its_row_and_seen_to_be(path, queue):
    page = queue()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.locator(".desk-lane")).to_contain_text("Paused by")
    request = path.a(Action.NOTE, path.discord.someone(), by="tamsin_reed", reason="not wanted after all")
    path.submit(request)
    row = page.locator(f"#q-{request.request_id}")

    row.get_by_role("button", name="Cancel").click()

    expect(page.locator("#toasts")).to_contain_text("Note cancelled")
    expect(row).to_contain_text("Cancelled")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Resume the queue").click()
    expect(page.locator(".desk-lane")).not_to_contain_text("Paused by")


def test_what_is_new_waits_behind_the_pill_while_one_points_at_the_list(path, queue):
    first = path.a(Action.NOTE, path.discord.someone())
    path.run(first)
    page = queue()
    page.locator(f"#q-{first.request_id}").hover()

    second = path.a(Action.NOTE, path.discord.someone())
    path.run(second)

    expect(page.locator("#heldpill")).to_be_visible()
    expect(page.locator(f"#q-{second.request_id}")).to_have_count(0)
    page.keyboard.press(".")
    expect(page.locator(f"#q-{second.request_id}")).to_contain_text("Done")


def test_dead_letters_are_discarded_all_at_once_after_their_number_is_typed(path, queue, axe):
    dead = [path.run(path.a(Action.NOTE, path.discord.someone()))["request_id"] for _ in range(2)]
    gave_up = "state = 'dead', failure_kind = 'attempts', failure_sentence = 'It gave up.'"
    path.write(f"UPDATE action_requests SET {gave_up} WHERE request_id = ANY(:ids)", ids=dead)
    page = queue()
    page.get_by_role("link", name="Dead letters").click()
    page.get_by_role("button", name="Discard all").click()
    asked = page.locator("#act")
    expect(asked).to_contain_text("Nothing is done to the people they are about")
    number = asked.get_by_role("heading").inner_text().split()[1]
    faults = axe(page)

    asked.get_by_label(f"Type {number}").fill(number)
    asked.get_by_role("button", name="Discard").click()

    expect(page.locator("#toasts")).to_contain_text(f"{number} dead letters discarded")
    for request_id in dead:
        expect(page.locator(f"#q-{request_id}")).to_have_count(0)
    assert faults == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_and_nothing_is_cut_off(path, queue, axe, theme):
    path.run(path.a(Action.NOTE, path.discord.someone()))
    page = queue(color_scheme=theme)
    wide = axe(page)
    page.set_viewport_size({"width": 320, "height": 700})

    assert (wide, axe(page)) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.getElementById('main').scrollWidth <= document.getElementById('main').clientWidth")
