"""The control API: whoever runs the sandbox plays everybody else in it.

All of it is JSON under ``/control`` on the same loopback port; ids are text. It is for the tests and the demo.
``reading`` shows what is and what happened; ``talking`` is people posting, reacting, pinning and starting threads;
``doing`` lets them join, leave, run commands and act by hand;
``playing`` starts scenes; ``weather`` sets faults, latency and limits; ``asking`` is what they share.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

from kovra.sandbox.commands import CommandRefused
from kovra.sandbox.control import doing, playing, reading, talking, weather
from kovra.sandbox.control.asking import Ask, ControlError, Handler
from kovra.sandbox.errors import Refusal

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

#: (method, number of parts) -> the handlers of that length, in the order they were registered.
_ROUTES: dict[tuple[str, int], list[tuple[list[str], Handler]]] = {}
for _subject in (reading, talking, doing, playing, weather):
    for _method, _parts, _handler in _subject.table.rows:
        _ROUTES.setdefault((_method, len(_parts)), []).append((_parts, _handler))


async def serve(sandbox: Sandbox, request: web.BaseRequest) -> web.Response:
    """Answer one request under ``/control``."""
    try:
        _require_local(request)
        handler, values = _find(request.method, request.path.removeprefix("/control/"))
        body = await request.json() if request.body_exists and request.content_length != 0 else {}
        if not isinstance(body, dict):
            raise ControlError("the body must be a JSON object")
        answer = handler(sandbox, Ask(values, request.query, body))
        if hasattr(answer, "__await__"):
            answer = await answer
        return _json(200, {} if answer is None else answer)
    except (ControlError, CommandRefused) as error:
        return _json(getattr(error, "status", 400), {"error": str(error)})
    except Refusal as refusal:
        return _json(refusal.status, {"error": refusal.message, "code": refusal.code})
    except (json.JSONDecodeError, ValueError, TypeError) as error:
        return _json(400, {"error": f"{type(error).__name__}: {error}"})


def _json(status: int, body: Any) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=headers)


def _require_local(request: web.BaseRequest) -> None:
    """Refuse pages of other origins, and names that were made to point at this machine."""
    if urlsplit(f"//{request.host}").hostname not in ("127.0.0.1", "localhost"):
        raise ControlError("the control API answers on 127.0.0.1 and localhost only", 403)
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        raise ControlError("the control API takes no requests from other pages", 403)


def _find(method: str, path: str) -> tuple[Handler, list[str]]:
    asked = path.strip("/").split("/")
    for parts, handler in _ROUTES.get((method, len(asked)), ()):
        if all(part in ("*", given) for part, given in zip(parts, asked, strict=True)):
            return handler, [given for part, given in zip(parts, asked, strict=True) if part == "*"]
    raise ControlError(f"there is no {method} /control/{path}", 404)
