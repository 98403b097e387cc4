"""Signing in: the page that asks who to be, and the token endpoints behind it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from kovra.sandbox import people
from kovra.sandbox.oauth import OAuthRefusal, Wish
from kovra.sandbox.paper import as_html, as_json, page

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

#: Remembers who one was last. Its own name, so that it never meets a cookie of the dashboard on the same host.
PERSON_COOKIE = "sandbox_person"


async def token(sandbox: Sandbox, request: web.BaseRequest, *, revoke: bool) -> web.Response:
    """The token endpoints: form-encoded only, as on Discord."""
    if request.content_type != "application/x-www-form-urlencoded":
        return as_json(400, {"error": "invalid_request", "error_description": "The body must be form-encoded."})
    form = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    authorization = request.headers.get("Authorization")
    try:
        if revoke:
            sandbox.authority.revoke(form, authorization)
            return as_json(200, {})
        answer = sandbox.authority.token(form, authorization)
        sandbox.stage.changed = True
        return as_json(200, answer)
    except OAuthRefusal as refusal:
        return as_json(refusal.status, refusal.body())


async def authorize(sandbox: Sandbox, request: web.BaseRequest) -> web.StreamResponse:
    """Show who one may be, and send the chosen one back with a code."""
    try:
        wish = Wish.read(request.query, sandbox.world.bot_id)
    except OAuthRefusal as refusal:
        return as_html(400, page("Cannot sign in", f'<p class="bad">{escape(refusal.description)}</p>'))
    last = request.cookies.get(PERSON_COOKIE)
    if request.method == "POST":
        return _decided(sandbox, wish, await request.post())
    if wish.prompt == "none" and last and _known(sandbox, last):
        return _go(wish.back(code=sandbox.authority.allow(wish, int(last))))
    return as_html(200, _consent_page(sandbox, request.query, wish, last))


def _decided(sandbox: Sandbox, wish: Wish, form: Mapping[str, Any]) -> web.Response:
    person = str(form.get("person") or "").strip()
    if person == "other":
        person = str(form.get("other") or "").strip()
    if form.get("decision") != "authorize":
        description = "The resource owner or authorization server denied the request"
        return _go(wish.back(error="access_denied", error_description=description))
    if not _known(sandbox, person):
        return as_html(400, page("Nobody chosen", '<p class="bad">Go back and choose who to be.</p>'))
    answer = _go(wish.back(code=sandbox.authority.allow(wish, int(person))))
    answer.set_cookie(PERSON_COOKIE, person, max_age=31_536_000, httponly=True, samesite="Lax", path="/")
    return answer


def _known(sandbox: Sandbox, person: str) -> bool:
    return person.isascii() and person.isdigit() and int(person) in sandbox.world.users


def _go(where: str) -> web.Response:
    return web.Response(status=302, headers={"Location": where, "Cache-Control": "no-store"})


def _consent_page(sandbox: Sandbox, query: Mapping[str, str], wish: Wish, last: str | None) -> str:
    staff = people.staff(sandbox.world)
    chosen = last if last and _known(sandbox, last) else (staff[0]["id"] if staff else "")
    rows = "".join(_person_row(item, item["id"] == chosen) for item in staff)
    guild = sandbox.world.guilds.get(sandbox.world.cast.guild_id)
    shown = {item["id"] for item in staff}
    others = sorted(
        (people.display_name(sandbox.world, i), i) for i in (guild.members if guild else ()) if str(i) not in shown
    )
    options = "".join(
        f'<option value="{i}"{" selected" if str(i) == chosen else ""}>{escape(name)}</option>'
        for name, i in others
        if not sandbox.world.users[i].bot
    )
    scopes = "".join(f"<li>{escape(_SCOPES.get(scope, scope))}</li>" for scope in wish.scope.split())
    bot = escape(sandbox.world.users[sandbox.world.bot_id].username)
    host = escape(wish.redirect_uri.split("/")[2])
    return page(
        f"Authorize {bot}",
        f"""
<header><span class="avatar big">{bot[0]}</span><h1><b>{bot}</b> wants to know who you are</h1>
<p>This is the sandbox, a small Discord on this machine. No password: choose who to be.</p></header>
<form method="post" action="?{escape(urlencode(dict(query)))}">
<fieldset><legend>Staff of {escape(guild.name if guild else "the sandbox")}</legend>{rows}
<div class="person"><input type="radio" name="person" value="other" id="other"{"" if chosen in shown else " checked"}>
<label class="who" for="other">Somebody else</label>
<select name="other" aria-label="Somebody else">{options}</select></div></fieldset>
<div class="wants"><b>{bot} will be able to</b><ul>{scopes}</ul></div>
<footer><button name="decision" value="deny" class="quiet">Deny</button>
<button name="decision" value="authorize" class="go" autofocus>Authorize</button></footer>
<p class="dim">You will go back to {host}</p></form><script src="/static/consent.js"></script>""",
    )


_SCOPES = {
    "identify": "read your name and avatar",
    "guilds": "see which servers you are in",
    "guilds.members.read": "read your roles in those servers",
    "email": "read your e-mail address (the sandbox has none)",
}


def _person_row(person: dict[str, Any], chosen: bool) -> str:
    name = escape(person["display_name"])
    return (
        f'<label class="person"><input type="radio" name="person" value="{person["id"]}"{" checked" if chosen else ""}>'
        f'<span class="avatar a{int(person["id"]) % 6}">{name[0]}</span>'
        f'<span class="who"><b>{name}</b> <small>@{escape(person["username"])}</small>'
        f'<span class="can">{escape(person["can"])}</span></span>'
        f'<span class="rank">{escape(person["rank"])}</span></label>'
    )
