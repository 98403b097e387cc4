"""What a browser sees: which address is which page, our own files, and avatars."""

from __future__ import annotations

import re
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from kovra.sandbox import consent, errors, front
from kovra.sandbox.paper import as_html, as_json

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

_AUTHORIZE_PATHS = ("/oauth2/authorize", "/api/oauth2/authorize")
_TOKEN_PATHS = ("/api/oauth2/token", "/api/v10/oauth2/token")
_REVOKE_PATHS = ("/api/oauth2/token/revoke", "/api/v10/oauth2/token/revoke")
_KINDS = {".js": "text/javascript", ".css": "text/css"}
#: Our own files, by address.
_FILES = {
    f"/static/{file.name}": file for file in (Path(__file__).parent / "static").iterdir() if file.suffix in _KINDS
}
_AVATARS = ("5c8fd6", "8a94a6", "7bb57f", "e7a15a", "c9687a", "c58bc0")

#: "Copy message link" in Discord: guild, channel, and the message when it names one.
_LINK = re.compile(r"/channels/(\d{1,20})/(\d{1,20})(?:/(\d{1,20}))?")


async def serve(sandbox: Sandbox, request: web.BaseRequest) -> web.StreamResponse:
    """Answer a browser, or a client of the token endpoint."""
    path = request.path.rstrip("/") or "/"
    if path in _AUTHORIZE_PATHS:
        return await consent.authorize(sandbox, request)
    if path in _TOKEN_PATHS and request.method == "POST":
        return await consent.token(sandbox, request, revoke=False)
    if path in _REVOKE_PATHS and request.method == "POST":
        return await consent.token(sandbox, request, revoke=True)
    if path.startswith(("/cdn/attachments/", "/cdn/stickers/")):
        held = sandbox.files.get(path)
        return web.Response(body=held[0], content_type=held[1]) if held else web.Response(status=404)
    if path.startswith("/cdn/"):
        return web.Response(body=_avatar(path), content_type="image/png", headers={"Cache-Control": "max-age=86400"})
    if path in _FILES:
        kind = _KINDS[_FILES[path].suffix]
        return web.Response(text=_FILES[path].read_text(), content_type=kind, charset="utf-8")
    if request.method == "GET" and (path == "/" or _links_here(sandbox, path)):
        return as_html(200, front.page_of(sandbox))
    refusal = errors.not_found()
    return as_json(refusal.status, refusal.body())


def _links_here(sandbox: Sandbox, path: str) -> bool:
    """Whether it is Discord's link to a channel or a message of the guild that the page shows."""
    found = _LINK.fullmatch(path)
    return found is not None and int(found[1]) == sandbox.world.cast.guild_id


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
