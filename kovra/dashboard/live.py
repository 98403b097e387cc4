"""The stream of server-sent events of one guild. It carries ids and states; pages fetch what they show again.

A stream ends by itself after a quarter of an hour, so that no balancer and no right outlives its time; the browser
comes back with the number of the last event it saw, and nothing is missing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, g, request

from kovra.actions.capabilities import Capability
from kovra.dashboard.access import in_guild, policy, same_origin, scope, session, session_id
from kovra.dashboard.services import Services, services
from kovra.dashboard.streams import Pace, Viewer
from kovra.ids import GuildId
from kovra.live.events import BEAT, Hint, comment, retry_frame, revoked_frame
from kovra.live.ports import EventLike
from kovra.live.subscription import Subscription
from kovra.live.wire import Wire
from kovra.live.wires import EARLIEST_END, Wires
from kovra.store.guilds import GuildScope

#: How long a browser waits before it comes back, in milliseconds: each another time, for a process that dies cuts
#: everybody in one moment.
RETRY_MS = (1_000, 2_500)
#: A number no event ever had: the hub answers it with a resync.
_NEVER_WAS = -1

live = Blueprint("live", __name__)


@live.get("/g/<int:guild_id>/live")
@policy(in_guild(Capability.VIEW, quiet=True))
def stream(guild_id: int) -> Response:
    """Open the stream behind ``Last-Event-ID``, else behind ``since``, else from now on."""
    known = services()
    if not same_origin(known.addresses.origin(known.addresses.base_url)):
        return Response(status=HTTPStatus.FORBIDDEN)
    viewer = Viewer(
        session_id=session_id(known),
        user_id=session().user_id,
        guild_id=GuildId(guild_id),
        reads_notes=scope().may(Capability.VIEW_NOTES),
    )
    if not known.streams.enter(viewer):
        return Response(status=HTTPStatus.TOO_MANY_REQUESTS)
    wires = known.wires() if _can_be_handed_over() else None
    try:
        opened = known.hub.subscribe(
            viewer.guild_id, _cursor(), visible_to(scope()), Subscription if wires is None else Wire
        )
    except BaseException:
        known.streams.leave(viewer)
        raise
    known.streams.hold(viewer, opened)
    known.watch.add(opened, viewer, g.heard)
    known.worker_watch.wake()
    answer = _read_from(opened, known) if isinstance(opened, Subscription) else HandedOver(opened, wires)
    answer.headers["Cache-Control"] = "no-store"
    # nginx holds answers back until a buffer is full; this one never is.
    answer.headers["X-Accel-Buffering"] = "no"
    return answer


class HandedOver(Response):
    """An answer without an end, written by the hub itself; the web server lets go of its connection.

    ``gunicorn.conf.py`` tells a server that can do this, and its worker knows the answer by ``handed_over``.
    """

    def __init__(self, wire: Wire, wires: Wires) -> None:
        super().__init__(mimetype="text/event-stream")
        self._wire, self._wires = wire, wires

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # No length and no chunks: the answer ends with its connection (RFC 9112, 6.3).
        del self.headers["Content-Length"]
        lines = [f"HTTP/1.1 {self.status}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self._wires.take(self._wire, environ["gunicorn.socket"], head + _opening())
        return _Nothing()


class _Nothing(tuple):
    """What is left for the web server to write."""

    handed_over = True


def _can_be_handed_over() -> bool:
    line = request.environ.get("gunicorn.socket")
    # Under TLS the kernel's socket takes no plain bytes.
    return line is not None and not hasattr(line, "cipher") and request.method == "GET"


def _read_from(opened: Subscription, known: Services) -> Response:
    """The stream where a thread or greenlet of the web server has to write it."""
    frames = _frames(opened, known.pace)
    answer = Response(frames, mimetype="text/event-stream")

    def left() -> None:
        frames.close()
        opened.close()  # a generator that never began ends without a word

    answer.call_on_close(left)
    return answer


def visible_to(viewer: GuildScope) -> Callable[[EventLike | Hint], bool]:
    """What this viewer may hear of: everything but staff notes, for those who may not read them.

    Viewers with the same rights get the same function, and so are written to together.
    """
    return _everything if viewer.may(Capability.VIEW_NOTES) else _no_notes


def _everything(_: EventLike | Hint) -> bool:
    return True


def _no_notes(event: EventLike | Hint) -> bool:
    return event.facts.get("action") != "note"


def _cursor() -> int | None:
    text = request.headers.get("Last-Event-ID") or request.args.get("since", "")
    if not text:
        return None
    # Whoever names a number has seen something; one that cannot be read is answered like one that never was.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else _NEVER_WAS


def _opening() -> bytes:
    return retry_frame(random.randint(*RETRY_MS)) + comment("open")


def _frames(stream: Subscription, pace: Pace) -> Iterator[bytes]:
    ends = time.monotonic() + pace.longest_s * random.uniform(EARLIEST_END, 1)
    try:
        yield _opening()
        while not stream.closed and time.monotonic() < ends:
            frame = stream.next(timeout_s=pace.heartbeat_s)
            if frame is not None:
                yield frame
            elif not stream.closed:
                yield BEAT
        if stream.why == "revoked":
            yield revoked_frame()
    finally:
        stream.close()
