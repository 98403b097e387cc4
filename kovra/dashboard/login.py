"""Sign-in with Discord: authorization code flow with PKCE, exchanged by the server; sessions are rows in Postgres.

Discord's access token is used once, to read who somebody is, and is not kept: what they may do is read from the
mirror of Discord's live state at every request.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from http import HTTPStatus

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from kovra.dashboard.access import OPEN, SIGNED_IN, cookie_name, policy, session, signed_in
from kovra.dashboard.problems import Problem, answer
from kovra.dashboard.services import Services, services
from kovra.ids import UserId

SCOPE = "identify guilds"

#: Only a path of ours may follow a sign-in: one slash, no second slash or backslash, no control character.
_LOCAL_PATH = re.compile(r"/(?![/\\])[^\x00-\x1f]*")

#: From the click to Discord's answer; the state is of no use afterwards.
_LOGIN_S = 600
_SESSION_S = 12 * 3600
_DISCORD_TIMEOUT_S = 10

#: What the sign-in page shows beside the form: invented people, to say what this is for.
_SAMPLE = (
    ("ban", 46, "freegift.net0", "Phishing link: fake gift page, 3 channels in 8 s", "2 min"),
    ("mute", 45, "Quillon", "Third spoiler in #main-hall this week. 24 h.", "6 min"),
    ("warn", 44, "tin roof", "Arguing with staff in #trade-post after being asked to stop", "14 min"),
    ("mute", 43, "kettlebird", "Mention flood: 14 pings in 6 s", "19 min"),
    ("kick", 42, "Sable Fox", "Advertising in DMs, reported by two members", "31 min"),
    ("note", 41, "Mossgate", "Appealed by mail. Polite, waiting on second opinion.", "44 min"),
    ("warn", 40, "lumen", "Invite link in #general", "52 min"),
    ("ban", 39, "northpaw", "Ban evasion (same voice, same clan tag)", "1 h"),
    ("unban", 38, "Ferrous Wheel", "Appeal accepted, 60 days served", "1 h"),
    ("mute", 37, "Dovetail", "Slurs, second time in 24 h", "2 h"),
    ("warn", 36, "pinchbeck", "Selling accounts in DMs", "2 h"),
)

login = Blueprint("login", __name__)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who signed in, as Discord says."""

    user_id: UserId
    username: str
    name: str
    avatar: str | None


class DiscordAway(Exception):
    """Discord did not answer, or not as it should."""


@login.get("/login")
@policy(OPEN)
def page() -> AnyResponse:
    """The sign-in page; whoever is signed in goes on."""
    wanted = local_path(request.args.get("next"))
    if signed_in(services()):
        return redirect(wanted, HTTPStatus.SEE_OTHER)
    return make_response(render_template("login.html", next=wanted, sample_cases=_SAMPLE, notice=None))


@login.post("/login")
@policy(OPEN)
def begin() -> AnyResponse:
    """Send the browser to Discord's consent page."""
    known = services()
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    known.sessions.begin_login(state, verifier, local_path(request.form.get("next")))
    address, _ = _client(known).create_authorization_url(
        f"{known.addresses.discord_base_url}/oauth2/authorize", state=state, code_verifier=verifier
    )
    away = redirect(address, HTTPStatus.SEE_OTHER)
    # The state is good only in the browser that began: a link with somebody else's answer signs nobody in.
    _set_cookie(away, _pending_cookie(known), state, known, _LOGIN_S)
    return away


@login.get("/login/callback")
@policy(OPEN)
def callback() -> AnyResponse:
    """Discord's answer: check it belongs to this browser, read who it is, open a session under a new id."""
    known = services()
    state = request.args.get("state", "")
    kept = request.cookies.get(_pending_cookie(known), "")
    if not state or not hmac.compare_digest(state.encode(), kept.encode()):
        return _ended(known, _stale())
    pending = known.sessions.take_login(state)
    if pending is None:
        return _ended(known, _stale())
    if request.args.get("error"):
        return _ended(known, _denied(request.args["error"]))
    try:
        who = identify(known, request.args.get("code", ""), pending.verifier)
    except DiscordAway:
        return _ended(known, _away())
    cookie = known.sessions.open(
        user_id=who.user_id, username=who.username, name=who.name, avatar=who.avatar, access_token=b""
    )
    inside = redirect(local_path(pending.next_path), HTTPStatus.SEE_OTHER)
    _set_cookie(inside, cookie_name(known.addresses.secure), cookie, known, _SESSION_S)
    _drop_cookie(inside, _pending_cookie(known), known)
    return inside


@login.post("/logout")
@policy(SIGNED_IN)
def sign_out() -> AnyResponse:
    """End the session for good, here and in the database."""
    known = services()
    name = cookie_name(known.addresses.secure)
    known.sessions.close(request.cookies[name])
    known.submit.bulletin.session_ended(session().user_id)
    out = redirect(url_for("login.page"), HTTPStatus.SEE_OTHER)
    _drop_cookie(out, name, known)
    out.headers["Clear-Site-Data"] = '"cache"'
    return out


def local_path(text: str | None) -> str:
    """A path of ours to go on to; anything else is the front page."""
    return text if text and _LOCAL_PATH.fullmatch(text) else "/"


def identify(known: Services, code: str, verifier: str) -> Identity:
    """Exchange the code and ask Discord who it is.

    Raises:
        DiscordAway: no answer, an error, or an answer without a user.
    """
    base = known.addresses.discord_base_url
    try:
        with _client(known) as client:
            client.fetch_token(f"{base}/api/oauth2/token", code=code, code_verifier=verifier)
            answered = client.get(f"{base}/api/v10/users/@me", timeout=_DISCORD_TIMEOUT_S)
            answered.raise_for_status()
            user = answered.json()
        return Identity(
            user_id=UserId(int(user["id"])),
            username=str(user["username"]),
            name=str(user.get("global_name") or user["username"]),
            avatar=user.get("avatar"),
        )
    except (requests.RequestException, AuthlibBaseError, KeyError, TypeError, ValueError) as error:
        raise DiscordAway(str(error)) from error


def _client(known: Services) -> OAuth2Session:
    return OAuth2Session(
        known.client_id,
        known.client_secret,
        scope=SCOPE,
        redirect_uri=known.addresses.redirect_uri,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_post",
        default_timeout=_DISCORD_TIMEOUT_S,
    )


def _pending_cookie(known: Services) -> str:
    return f"{cookie_name(known.addresses.secure)}-login"


def _set_cookie(made: AnyResponse, name: str, value: str, known: Services, seconds: int) -> None:
    made.set_cookie(
        name, value, max_age=seconds, path="/", secure=known.addresses.secure, httponly=True, samesite="Lax"
    )


def _drop_cookie(made: AnyResponse, name: str, known: Services) -> None:
    made.delete_cookie(name, path="/", secure=known.addresses.secure, httponly=True, samesite="Lax")


def _ended(known: Services, problem: Problem) -> Response:
    made = answer(problem)
    _drop_cookie(made, _pending_cookie(known), known)
    return made


def _again() -> tuple[tuple[str, str], ...]:
    return (("Sign in again", url_for("login.page")),)


def _stale() -> Problem:
    return Problem(
        status=400,
        title="This sign-in is too old or not yours",
        text="It was begun more than ten minutes ago, in another browser, or used before. Nobody was signed in.",
        remedy="Begin again here, and finish it in this browser.",
        icon="key",
        ways=_again(),
    )


def _denied(error: str) -> Problem:
    if error == "access_denied":
        text = "You did not agree on Discord’s page, so Kovra knows nothing about you."
    else:
        text = "Discord ended the sign-in, and Kovra knows nothing about you."
    remedy = "Sign in again and choose Authorize. Kovra reads your name and your servers, nothing else."
    return Problem(status=403, title="You are not signed in", text=text, remedy=remedy, icon="key", ways=_again())


def _away() -> Problem:
    return Problem(
        status=502,
        title="Discord is away",
        text="It did not tell Kovra who you are, so nobody was signed in. Whoever is signed in works on; what they ask "
        "for waits until Discord answers.",
        remedy="Try again in a moment. Discord’s status page says whether it is down for everybody.",
        icon="offline",
        bad=True,
        ways=_again(),
    )
