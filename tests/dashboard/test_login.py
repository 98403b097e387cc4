"""Sign-in against the sandbox's OAuth2, over the wire."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import text

from kovra.dashboard.login import local_path
from kovra.sandbox import Sandbox, hosted, lanternfall

CALLBACK = "http://localhost:8000/login/callback"


@pytest.fixture(scope="module")
def discord():
    """A sandbox Discord with a guild of its own; its application is the one this dashboard is built for."""
    with hosted(lambda: Sandbox(lanternfall(time.time, members=40), clock=time.time)) as host:
        yield host


@pytest.fixture
def discord_url(discord):
    return discord.base_url


def press(who, next_path="/"):
    """Press the button of the sign-in page; gives the address of the consent page."""
    sent = who.post("/login", {"next": next_path}, headers={"Sec-Fetch-Site": "same-origin"})
    assert sent.status_code == 303
    return sent.location


def consent(address, person, decision="authorize"):
    """Press a button of the consent page; gives the address Discord sends the browser back to."""
    form = {"person": str(person), "decision": decision}
    answer = requests.post(address, data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith(CALLBACK)
    return answer.headers["Location"]


def come_back(who, address):
    parts = urlsplit(address)
    # A navigation from Discord's page: the browser says so, and a Lax cookie comes along.
    return who.get(f"{parts.path}?{parts.query}", headers={"Sec-Fetch-Site": "cross-site"})


@pytest.fixture
def somebody(discord):
    return discord.sandbox.world.cast.people[0].user_id


def sessions(owner):
    with owner.transaction(None) as session:
        return [dict(row._mapping) for row in session.execute(text("SELECT * FROM sessions"))]


def test_signing_in_leads_where_one_was_going_as_the_person_one_is(site, somebody, owner):
    who = site.visitor()
    sent_away = who.get("/servers")
    asked = parse_qs(urlsplit(sent_away.location).query)["next"][0]

    inside = come_back(who, consent(press(who, asked), somebody))

    assert (inside.status_code, inside.location) == (303, "/servers")
    assert [row["user_id"] for row in sessions(owner)] == [somebody]
    assert who.get("/servers").status_code == 200


def test_discord_is_asked_with_pkce_state_and_no_more_than_needed(site):
    asked = parse_qs(urlsplit(press(site.visitor())).query)

    assert asked["response_type"] == ["code"]
    assert asked["redirect_uri"] == [CALLBACK]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["identify guilds"]
    assert len(asked["state"][0]) >= 43
    assert len(asked["code_challenge"][0]) == 43


def test_neither_the_cookie_nor_discords_token_is_kept(site, somebody, owner):
    who = site.visitor()

    come_back(who, consent(press(who), somebody))

    (row,) = sessions(owner)
    cookie = who.client.get_cookie("kovra", domain="localhost").value
    assert bytes(row["access_token"]) == b""
    assert cookie.encode() not in bytes(row["id_hash"])
    assert len(bytes(row["id_hash"])) == 32


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(site, somebody):
    who = site.visitor()

    inside = come_back(who, consent(press(who), somebody))

    cookie = next(value for value in inside.headers.getlist("Set-Cookie") if value.startswith("kovra="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_an_answer_is_good_once(site, somebody, owner):
    who = site.visitor()
    back = consent(press(who), somebody)
    come_back(who, back)

    again = come_back(who, back)

    assert again.status_code == 400
    assert len(sessions(owner)) == 1


def test_somebody_elses_answer_signs_nobody_in(site, somebody, owner):
    attacker, victim = site.visitor(), site.visitor()
    back = consent(press(attacker), somebody)

    without_any = come_back(victim, back)
    press(victim)
    with_own = come_back(victim, back)

    assert (without_any.status_code, with_own.status_code) == (400, 400)
    assert "too old or not yours" in with_own.get_data(as_text=True)
    assert sessions(owner) == []


def test_an_answer_after_ten_minutes_is_too_old(site, somebody, owner):
    who = site.visitor()
    back = consent(press(who), somebody)
    with owner.transaction(None) as session:
        session.execute(text("UPDATE pending_logins SET created_at = created_at - interval '11 minutes'"))

    assert come_back(who, back).status_code == 400
    assert sessions(owner) == []


def test_saying_no_is_said_clearly(site, somebody, owner):
    who = site.visitor()

    answer = come_back(who, consent(press(who), somebody, decision="cancel"))

    assert answer.status_code == 403
    assert "You did not agree on Discord’s page" in answer.get_data(as_text=True)
    assert sessions(owner) == []


def test_a_wrong_code_signs_nobody_in(site, owner):
    who = site.visitor()
    state = parse_qs(urlsplit(press(who)).query)["state"][0]

    answer = come_back(who, f"{CALLBACK}?code=wrong&state={state}")

    assert answer.status_code == 502
    assert "Discord is away" in answer.get_data(as_text=True)
    assert sessions(owner) == []


def test_every_sign_in_has_a_new_id_and_sign_out_ends_it(site, somebody, owner):
    who = site.visitor()
    come_back(who, consent(press(who), somebody))
    first = who.client.get_cookie("kovra", domain="localhost").value
    come_back(who, consent(press(who), somebody))
    who.cookie = who.client.get_cookie("kovra", domain="localhost").value

    out = who.post("/logout")

    assert first != who.cookie
    assert out.location == "/login"
    assert who.client.get_cookie("kovra", domain="localhost") is None
    assert len(sessions(owner)) == 1, "the other browser of the same person stays signed in"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/ok\r\nSet-Cookie: x=y",
        "/\t/evil.example",
        "",
        " /servers",
        "evil",
        "\\/evil.example",
        "/ok\x00",
    ],
)
def test_nothing_but_a_path_of_ours_may_follow(path):
    assert local_path(path) == "/"


@pytest.mark.parametrize("path", ["/", "/servers", "/g/1/cases?case=2&before=9", "/%2f/x"])
def test_a_path_of_ours_may_follow(path):
    assert local_path(path) == path


def test_an_open_redirect_is_not_taken_from_the_address(site, somebody):
    who = site.visitor()

    inside = come_back(who, consent(press(who, "//evil.example"), somebody))

    assert inside.location == "/"


def test_whoever_is_signed_in_needs_no_sign_in_page(site, cast):
    answer = site.signed_in(cast.admin).get("/login?next=/servers")

    assert answer.location == "/servers"


def test_when_discord_is_away_nobody_is_signed_in_and_the_page_says_so(site, cast, monkeypatch, owner):
    from dataclasses import replace

    known = site.app.extensions["kovra"]
    gone = replace(known.addresses, discord_base_url="http://127.0.0.1:9")
    site.app.extensions["kovra"] = replace(known, addresses=gone)
    who = site.visitor()
    state = parse_qs(urlsplit(press(who)).query)["state"][0]

    answer = come_back(who, f"{CALLBACK}?code=any&state={state}")

    assert answer.status_code == 502
    page = answer.get_data(as_text=True)
    assert "Discord is away" in page
    assert "nobody was signed in" in page
    assert "Try again in a moment" in page
    assert sessions(owner) == []


def test_a_fragment_of_a_signed_out_page_says_so_beside_what_was_typed(site, cast):
    answer = site.visitor().fragment(f"/g/{cast.harbour}/cases/1")

    assert answer.status_code == 401
    assert answer.headers["HX-Retarget"] == "#toasts"
    assert "Your sign-in has ended" in answer.get_data(as_text=True)
