"""A moderator takes back what still waits."""

import re

import pytest
from playwright.sync_api import expect

from kovra.actions.request import Action

pytestmark = pytest.mark.browser


@pytest.fixture
def nobody_works(path):
    """Every worker is gone, so what is asked for waits; afterwards they work again."""
    path.stack.kill("worker")
    yield
    path.stack.restart("worker")


def test_a_queued_ban_is_taken_back_and_never_happens(path, open_as, nobody_works):
    target = path.discord.someone()
    page = open_as("juniperlock")
    page.goto(f"{path.stack.web_url}/g/{path.guild_id}/cases")
    page.get_by_role("button", name="New action").click()
    page.get_by_label("Find a member by name or ID").fill(str(target))
    page.locator("#act-found button[data-pick]").click()
    page.locator("#act").get_by_role("radio", name="Ban", exact=True).check(force=True)
    page.get_by_role("textbox", name="Reason").fill("the wrong person")
    page.locator("#act button[type=submit]").click()
    toast = page.locator("#toasts .toast")
    expect(toast).to_contain_text("Queued")

    toast.get_by_role("button", name="Cancel").click()

    expect(toast).to_contain_text("Ban cancelled")
    expect(toast).to_contain_text(re.compile(r"Cancelled by .+ Nothing was done\."))
    expect(toast.get_by_role("button", name="Cancel")).to_have_count(0)
    path.stack.restart("worker")
    # The lane is read in its order: what came later has run, so the ban's entry has been looked at.
    path.run(path.a(Action.WARN, path.discord.someone()))
    assert path.first("SELECT state FROM action_requests WHERE target_id = :t", t=target)["state"] == "cancelled"
    assert not path.discord.is_banned(target)
