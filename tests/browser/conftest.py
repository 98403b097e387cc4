"""Headless Chromium against the warm Kovra, as moderators use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def open_as(chromium, path, request) -> Iterator[Callable[..., object]]:
    """``open_as("juniperlock")``: a page of a browser of one's own, signed in by hand through Discord's consent page.

    A test fails when its pages report a violation of the content security policy or a script error.
    """
    contexts, complaints = [], []

    def sign_in(username: str, **options: object) -> object:
        context = chromium.new_context(**({"viewport": {"width": 1440, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None,
        )
        page.goto(path.stack.web_url)
        page.get_by_role("button", name="Continue with Discord").click()
        page.locator(f"input[name=person][value='{path.discord.people[username]}']").check(force=True)
        page.get_by_role("button", name="Authorize").click()
        page.wait_for_url(f"{path.stack.web_url}/**")
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def shown(path, open_as) -> Callable[..., object]:
    """``shown("bans")``: that page of the server, live, as one of its admins."""
    from playwright.sync_api import expect  # of the test requirements: who runs other tests may do without

    def show(place: str, by: str = "tamsin_reed", **options: object) -> object:
        page = open_as(by, **options)
        page.goto(f"{path.stack.web_url}/g/{path.guild_id}/{place}")
        expect(page.locator("#live")).to_have_text("Live")
        return page

    return show
