"""What every page and answer for a browser is written on: the frame, the headers, the content security policy."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from aiohttp import web

#: Scripts are our own files. ``form-action`` must allow where the consent leads: browsers hold redirects against it.
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self' http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:*"
)


def as_json(status: int, body: Any) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "Via": "1.1 google"}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=headers)


def as_html(status: int, body: str) -> web.Response:
    headers = {
        "Content-Security-Policy": _POLICY,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(status=status, text=body, content_type="text/html", charset="utf-8", headers=headers)


def page(title: str, body: str, *, wide: bool = False) -> str:
    kind = ' class="wide"' if wide else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="/static/sandbox.css">'
        f"<title>{escape(title)}</title></head><body><main{kind}>{body}</main></body></html>"
    )
