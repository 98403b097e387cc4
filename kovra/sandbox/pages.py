"""What a browser sees: the consent page, the token endpoints behind it, avatars, and the front page."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from kovra.sandbox import errors, people
from kovra.sandbox.oauth import OAuthRefusal, Wish

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

#: Remembers who one was last. Its own name, so that it never meets a cookie of the dashboard on the same host.
PERSON_COOKIE = "sandbox_person"
_AUTHORIZE_PATHS = ("/oauth2/authorize", "/api/oauth2/authorize")
_TOKEN_PATHS = ("/api/oauth2/token", "/api/v10/oauth2/token")
_REVOKE_PATHS = ("/api/oauth2/token/revoke", "/api/v10/oauth2/token/revoke")
#: Our own files, by address, with their type.
_FILES = {
    "/static/sandbox.js": "text/javascript",
    "/static/consent.js": "text/javascript",
    "/static/sandbox.css": "text/css",
}
_AVATARS = ("5c8fd6", "8a94a6", "7bb57f", "e7a15a", "c9687a", "c58bc0")

#: Scripts are our own files. ``form-action`` must allow where the consent leads: browsers hold redirects against it.
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self' http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:*"
)


#: "Copy message link" in Discord: guild, channel, and the message when it names one.
_LINK = re.compile(r"/channels/(\d{1,20})/(\d{1,20})(?:/(\d{1,20}))?")


async def serve(sandbox: Sandbox, request: web.BaseRequest) -> web.StreamResponse:
    """Answer a browser, or a client of the token endpoint."""
    path = request.path.rstrip("/") or "/"
    if path in _AUTHORIZE_PATHS:
        return await _authorize(sandbox, request)
    if path in _TOKEN_PATHS and request.method == "POST":
        return await _token(sandbox, request, revoke=False)
    if path in _REVOKE_PATHS and request.method == "POST":
        return await _token(sandbox, request, revoke=True)
    if path.startswith("/cdn/"):
        return web.Response(body=_avatar(path), content_type="image/png", headers={"Cache-Control": "max-age=86400"})
    if path in _FILES:
        text = (Path(__file__).parent / path[1:]).read_text()
        return web.Response(text=text, content_type=_FILES[path], charset="utf-8")
    if request.method == "GET" and (path == "/" or _links_here(sandbox, path)):
        return _html(200, _front_page(sandbox))
    refusal = errors.not_found()
    return _json(refusal.status, refusal.body())


def _links_here(sandbox: Sandbox, path: str) -> bool:
    """Whether it is Discord's link to a channel or a message of the guild that the page shows."""
    found = _LINK.fullmatch(path)
    return found is not None and int(found[1]) == sandbox.world.cast.guild_id


def _json(status: int, body: Any) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "Via": "1.1 google"}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=headers)


def _html(status: int, body: str) -> web.Response:
    headers = {
        "Content-Security-Policy": _POLICY,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(status=status, text=body, content_type="text/html", charset="utf-8", headers=headers)


# -- signing in ------------------------------------------------------------------------------------------------------


async def _token(sandbox: Sandbox, request: web.BaseRequest, *, revoke: bool) -> web.Response:
    """The token endpoints: form-encoded only, as on Discord."""
    if request.content_type != "application/x-www-form-urlencoded":
        return _json(400, {"error": "invalid_request", "error_description": "The body must be form-encoded."})
    form = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    authorization = request.headers.get("Authorization")
    try:
        if revoke:
            sandbox.authority.revoke(form, authorization)
            return _json(200, {})
        answer = sandbox.authority.token(form, authorization)
        sandbox.stage.changed = True
        return _json(200, answer)
    except OAuthRefusal as refusal:
        return _json(refusal.status, refusal.body())


async def _authorize(sandbox: Sandbox, request: web.BaseRequest) -> web.StreamResponse:
    """Show who one may be, and send the chosen one back with a code."""
    try:
        wish = Wish.read(request.query, sandbox.world.bot_id)
    except OAuthRefusal as refusal:
        return _html(400, _page("Cannot sign in", f'<p class="bad">{escape(refusal.description)}</p>'))
    last = request.cookies.get(PERSON_COOKIE)
    if request.method == "POST":
        return _decided(sandbox, wish, await request.post())
    if wish.prompt == "none" and last and _known(sandbox, last):
        return _go(wish.back(code=sandbox.authority.allow(wish, int(last))))
    return _html(200, _consent_page(sandbox, request.query, wish, last))


def _decided(sandbox: Sandbox, wish: Wish, form: Mapping[str, Any]) -> web.Response:
    person = str(form.get("person") or "").strip()
    if person == "other":
        person = str(form.get("other") or "").strip()
    if form.get("decision") != "authorize":
        description = "The resource owner or authorization server denied the request"
        return _go(wish.back(error="access_denied", error_description=description))
    if not _known(sandbox, person):
        return _html(400, _page("Nobody chosen", '<p class="bad">Go back and choose who to be.</p>'))
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
    return _page(
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


# -- the front page and pictures -------------------------------------------------------------------------------------


def _front_page(sandbox: Sandbox) -> str:
    """The guild as one of its people sees it: channels, messages, commands."""
    world = sandbox.world
    guild = world.guilds[world.cast.guild_id]
    staff = people.staff(world)
    shown = {int(item["id"]) for item in staff}
    first = "".join(
        f'<option value="{i["id"]}">{escape(i["display_name"])}, {escape(i["rank"])}</option>' for i in staff
    )
    rest = "".join(
        f'<option value="{i}">{escape(people.display_name(world, i))}</option>'
        for i in sorted(guild.members, key=lambda i: people.display_name(world, i).casefold())
        if i not in shown and not world.users[i].bot
    )
    known = {"guild_id": str(guild.id), "bot": world.users[world.bot_id].username, "people": staff}
    # Inside a script element nothing may look like its end.
    data = json.dumps(known).replace("<", "\\u003c")
    return _page(
        f"{guild.name} · sandbox Discord",
        f"""
<nav><h1>{escape(guild.name)}</h1><p class="dim">Sandbox Discord: nothing leaves this machine</p>
<label>You are<select id="person"><optgroup label="Staff">{first}</optgroup>
<optgroup label="Members">{rest}</optgroup></select></label><ul id="channels"></ul>
<h2>Scenes</h2><ul id="scenes"></ul></nav>
<section><ol id="messages" aria-label="Messages"></ol><p id="note" role="status"></p>
<form id="talk"><input type="text" id="text" aria-label="Message" placeholder="Say something" required
autocomplete="off">
<button class="go">Send</button></form>
<form id="commands"><select id="command" aria-label="Command"></select><div id="options"></div>
<button class="go" id="run" hidden>Run</button></form><datalist id="people"></datalist></section>
<script type="application/json" id="world">{data}</script><script src="/static/sandbox.js"></script>""",
        wide=True,
    )


def _page(title: str, body: str, *, wide: bool = False) -> str:
    kind = ' class="wide"' if wide else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="/static/sandbox.css">'
        f"<title>{escape(title)}</title></head><body><main{kind}>{body}</main></body></html>"
    )


def _avatar(path: str) -> bytes:
    """A plain picture in one colour, by the last number in the path; there are no real avatars here."""
    digits = "".join(c for c in path.rsplit("/", 1)[-1] if c.isdigit()) or "0"
    return _png(_AVATARS[int(digits) % len(_AVATARS)])


@cache
def _png(color: str, size: int = 64) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes.fromhex(color) * size) * size)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
