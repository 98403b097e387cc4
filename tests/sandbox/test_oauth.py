"""Signing in: the consent page, codes, PKCE, tokens and their end."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

BACK = "http://localhost:5000/auth/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def wish(discord, **more):
    asked = {
        "client_id": str(discord.world.bot_id),
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "identify guilds",
        "state": "s-1",
    }
    return {key: value for key, value in {**asked, **more}.items() if value is not None}


def consent(discord, person, *, decision="authorize", **more):
    """Press a button of the consent page; returns what the client is told."""
    answer = discord.session.post(
        f"{discord.base_url}/oauth2/authorize",
        params=wish(discord, **more),
        data={"person": str(person), "decision": decision},
        allow_redirects=False,
        timeout=10,
    )
    assert answer.status_code == 302, answer.text
    where = urlsplit(answer.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == more.get("redirect_uri", BACK)
    return {key: values[0] for key, values in parse_qs(where.query).items()}


def token(discord, *, basic=True, path="/api/oauth2/token", **form):
    who = (str(discord.world.bot_id), "sandbox")
    if not basic:
        form |= {"client_id": who[0], "client_secret": who[1]}
    return requests.post(f"{discord.base_url}{path}", data=form, auth=who if basic else None, timeout=10)


def redeem(discord, code, **more):
    return token(discord, grant_type="authorization_code", code=code, redirect_uri=BACK, **more)


def api(discord, access_token, path):
    headers = {"Authorization": f"Bearer {access_token}"}
    return requests.get(f"{discord.base_url}/api/v10{path}", headers=headers, timeout=10)


def test_the_consent_page_shows_staff_first_with_rank_and_rights(small_discord):
    page = requests.get(f"{small_discord.base_url}/oauth2/authorize", params=wish(small_discord), timeout=10)

    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    places = [page.text.index(f">{rank}</span>") for rank in ("Owner", "Head moderator", "Trainee")]
    assert places == sorted(places)
    assert "Authorize</button>" in page.text
    assert "Deny</button>" in page.text


@pytest.mark.parametrize("basic", [True, False])
def test_a_person_signs_in_and_is_who_they_chose_to_be(small_discord, basic):
    moderator = small_discord.person("Moderator")

    told = consent(small_discord, moderator, code_challenge=CHALLENGE, code_challenge_method="S256")
    answer = redeem(small_discord, told["code"], code_verifier=VERIFIER, basic=basic)

    assert told["state"] == "s-1"
    assert answer.headers["Content-Type"] == "application/json"
    grant = answer.json()
    assert (grant["token_type"], grant["expires_in"], grant["scope"]) == ("Bearer", 604800, "identify guilds")
    assert api(small_discord, grant["access_token"], "/users/@me").json()["id"] == str(moderator)
    guilds = api(small_discord, grant["access_token"], "/users/@me/guilds").json()
    assert [guild["name"] for guild in guilds] == ["Lanternfall"]
    assert int(guilds[0]["permissions"]) & (1 << 2)


def test_a_wrong_or_missing_verifier_is_an_invalid_grant(small_discord):
    for verifier in ("w" * 64, ""):
        told = consent(small_discord, 0 or small_discord.person("Trainee"), code_challenge=CHALLENGE,
                       code_challenge_method="S256")  # fmt: skip
        answer = redeem(small_discord, told["code"], code_verifier=verifier)

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_code_is_good_once_even_when_the_first_try_was_wrong(small_discord):
    told = consent(small_discord, small_discord.person("Moderator"))

    wrong = token(small_discord, grant_type="authorization_code", code=told["code"], redirect_uri=BACK + "/")
    right = redeem(small_discord, told["code"])

    assert (wrong.json()["error"], right.json()["error"]) == ("invalid_grant", "invalid_grant")


def test_a_code_dies_after_a_minute(timed_discord, clock):
    told = consent(timed_discord, timed_discord.person("Moderator"))
    clock.forward(61)

    assert redeem(timed_discord, told["code"]).json()["error"] == "invalid_grant"


def test_wrong_client_credentials_are_refused(small_discord):
    told = consent(small_discord, small_discord.person("Moderator"))
    form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": BACK}

    answer = requests.post(f"{small_discord.base_url}/api/oauth2/token", data=form, auth=("1", "no"), timeout=10)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_saying_no_tells_the_client(small_discord):
    told = consent(small_discord, small_discord.person("Owner"), decision="deny")

    assert (told["error"], told["state"]) == ("access_denied", "s-1")


@pytest.mark.parametrize("broken", [
    {"client_id": "1"},
    {"redirect_uri": "https://example.com/callback"},
    {"redirect_uri": "http://localhost.example.com/callback"},
    {"response_type": "token"},
    {"scope": "identify everything"},
    {"code_challenge": CHALLENGE, "code_challenge_method": "plain"},
])  # fmt: skip
def test_a_wish_that_discord_would_not_show_leads_nowhere(small_discord, broken):
    where = f"{small_discord.base_url}/oauth2/authorize"
    for method in ("GET", "POST"):
        page = requests.request(method, where, params=wish(small_discord, **broken), allow_redirects=False, timeout=10)
        assert page.status_code == 400


def test_the_last_person_is_remembered_and_prompt_none_asks_no_more(small_discord):
    trainee = small_discord.person("Trainee")
    consent(small_discord, trainee)
    where = f"{small_discord.base_url}/oauth2/authorize"

    page = small_discord.session.get(where, params=wish(small_discord), timeout=10)
    at_once = small_discord.session.get(
        where, params=wish(small_discord, prompt="none"), allow_redirects=False, timeout=10
    )

    assert f'value="{trainee}" checked' in page.text
    assert at_once.status_code == 302
    assert small_discord.session.cookies["sandbox_person"] == str(trainee)


def test_a_refreshed_token_replaces_the_old_and_a_revoked_one_ends(small_discord):
    first = redeem(small_discord, consent(small_discord, small_discord.person("Moderator"))["code"]).json()
    second = token(small_discord, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()

    assert api(small_discord, first["access_token"], "/users/@me").status_code == 401
    assert api(small_discord, second["access_token"], "/users/@me").status_code == 200
    token(small_discord, path="/api/oauth2/token/revoke", token=second["access_token"])
    assert api(small_discord, second["access_token"], "/users/@me").status_code == 401


def test_a_token_reads_only_what_was_allowed(small_discord):
    told = consent(small_discord, small_discord.person("Moderator"), scope="identify")
    access_token = redeem(small_discord, told["code"]).json()["access_token"]

    assert api(small_discord, access_token, "/users/@me").status_code == 200
    assert api(small_discord, access_token, "/users/@me/guilds").status_code == 401
    assert api(small_discord, access_token, f"/guilds/{small_discord.guild.id}").status_code == 401


def test_the_token_endpoint_takes_forms_only(small_discord):
    answer = requests.post(f"{small_discord.base_url}/api/oauth2/token", json={"grant_type": "x"}, timeout=10)

    assert answer.json()["error"] == "invalid_request"
