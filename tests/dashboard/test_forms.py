"""Forms that are not ours change nothing."""

from __future__ import annotations

import re

import pytest

from kovra.dashboard.access import masked, token_for

FORGERIES = {
    "from another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "from a sibling site": {"Sec-Fetch-Site": "same-site", "Origin": "http://other.localhost"},
    "typed into the address bar": {"Sec-Fetch-Site": "none"},
    "from an old browser elsewhere": {"Origin": "https://evil.example"},
    "from a sandboxed frame": {"Origin": "null"},
    "from nowhere": {},
    "contradicting itself": {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8000"},
}


@pytest.mark.parametrize("headers", FORGERIES.values(), ids=FORGERIES.keys())
@pytest.mark.parametrize("path", ["/g/{harbour}/actions", "/logout", "/theme", "/login"])
def test_a_forged_form_is_refused(site, cast, path, headers):
    who = site.signed_in(cast.admin)

    answer = who.post(path.format(harbour=cast.harbour), {"theme": "dark"}, headers=headers)

    assert answer.status_code == 403
    assert who.get("/servers").status_code == 200, "the session must have survived"


def test_an_old_browser_of_ours_names_its_origin(site, cast):
    who = site.signed_in(cast.admin)

    answer = who.post("/theme", {"theme": "dark", "next": "/servers"}, headers={"Origin": "http://localhost:8000"})

    assert answer.status_code == 303


@pytest.mark.parametrize(
    "token", ["", "0" * 64, "0" * 128, "é", masked(token_for(b"s" * 32, "somebody else’s cookie"))]
)
def test_a_form_without_the_sessions_token_is_refused(site, cast, token, owner, words):
    who = site.signed_in(cast.admin)

    answer = who.ask(csrf=token)

    assert answer.status_code == 403
    assert "This form is from an earlier sign-in" in answer.get_data(as_text=True)
    assert words(owner, cast.harbour) == []


def test_a_refused_fragment_is_shown_beside_the_form_so_that_nothing_is_lost(site, cast):
    answer = site.signed_in(cast.admin).ask(csrf="wrong")

    assert answer.headers["HX-Retarget"] == "#toasts"
    assert answer.headers["HX-Reswap"] == "beforeend"
    assert 'class="toast fail"' in answer.get_data(as_text=True)


def test_a_form_of_an_earlier_sign_in_gets_the_token_of_the_present_one(site, cast):
    who = site.signed_in(cast.admin)

    refused = who.ask(csrf="0" * 64).get_data(as_text=True)
    token = re.search(r'id="act-token" value="([0-9a-f]{128})" hx-swap-oob', refused)[1]

    assert who.ask(csrf=token).status_code < 300


def test_no_two_pages_show_the_token_alike_and_each_is_good(site, cast):
    who = site.signed_in(cast.admin)
    pages = [who.get("/servers").get_data(as_text=True) for _ in range(2)]

    shown = [re.search(r'name="csrf" value="([0-9a-f]+)"', page)[1] for page in pages]

    assert shown[0] != shown[1]
    assert who.token not in shown
    assert [who.post("/theme", {"theme": "dark", "csrf": token}).status_code for token in shown] == [303, 303]


def test_another_site_gets_no_token(site, cast):
    elsewhere = {"Sec-Fetch-Site": "cross-site", "HX-Request": "true"}

    answer = site.signed_in(cast.admin).post(f"/g/{cast.harbour}/actions", headers=elsewhere)

    assert answer.status_code == 403
    assert "act-token" not in answer.get_data(as_text=True)


def test_a_token_of_an_earlier_sign_in_is_refused(site, cast):
    earlier, now = site.signed_in(cast.admin), site.signed_in(cast.admin)

    assert now.ask(csrf=earlier.token).status_code == 403


def test_a_get_changes_nothing(site, cast):
    who = site.signed_in(cast.admin)

    assert who.get("/logout").status_code == 405
    assert who.get(f"/g/{cast.harbour}/actions").status_code == 405
    assert who.get("/servers").status_code == 200


def test_a_form_that_is_too_large_is_refused_unread(site, cast):
    assert site.signed_in(cast.admin).ask(reason="x" * 200_000).status_code == 413
