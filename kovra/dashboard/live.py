"""The stream of server-sent events of one guild. It carries ids and states; pages fetch what they show again.

A stream ends by itself after a quarter of an hour, so that no balancer and no right outlives its time; the browser
comes back with the number of the last event it saw, and nothing is missing.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

from flask import Blueprint, Response, request

from kovra.actions.rights import Capability
from kovra.dashboard.access import cookie_name, in_guild, policy, same_origin, scope, session
from kovra.dashboard.services import Services, services
from kovra.dashboard.streams import Pace
from kovra.errors import Unavailable
from kovra.ids import GuildId, UserId
from kovra.live.events import Hint, comment, retry_frame, revoked_frame
from kovra.live.ports import EventLike
from kovra.live.subscription import Subscription
from kovra.store.guilds import GuildScope

RETRY_MS = 2_000
#: Streams that began together must not all come back together.
JITTER = 0.2
#: A number no event ever had: the hub answers it with a resync.
_NEVER_WAS = -1

#: Browsers hide comments from scripts; a beat is an event, so that a page notices a line that died without a word.
BEAT = b"event: beat\ndata: {}\n\n"

live = Blueprint("live", __name__)


@live.get("/g/<int:guild_id>/live")
@policy(in_guild(Capability.VIEW, quiet=True))
def stream(guild_id: int) -> Response:
    """Open the stream behind ``Last-Event-ID``, else behind ``since``, else from now on."""
    known = services()
    if not same_origin(known.addresses.origin(known.addresses.base_url)):
        return Response(status=HTTPStatus.FORBIDDEN)
    cookie = request.cookies[cookie_name(known.addresses.secure)]
    who = hashlib.sha256(cookie.encode()).digest()
    if not known.streams.enter(who):
        return Response(status=HTTPStatus.TOO_MANY_REQUESTS)
    try:
        opened = known.hub.subscribe(GuildId(guild_id), _cursor(), visible_to(scope()))
    except BaseException:
        known.streams.leave(who, None)
        raise
    known.streams.hold(who, opened)
    still_allowed = _watch(known, cookie, session().user_id, GuildId(guild_id))
    frames = _frames(opened, still_allowed, lambda: known.streams.leave(who, opened), known.pace)
    answer = Response(frames, mimetype="text/event-stream")
    answer.headers["Cache-Control"] = "no-store"
    # nginx holds answers back until a buffer is full; this one never is.
    answer.headers["X-Accel-Buffering"] = "no"
    answer.call_on_close(frames.close)
    return answer


def visible_to(viewer: GuildScope) -> Callable[[EventLike | Hint], bool]:
    """What this viewer may hear of: everything but staff notes, for those who may not read them."""
    reads_notes = viewer.may(Capability.VIEW_NOTES)
    return lambda event: reads_notes or event.facts.get("action") != "note"


def _cursor() -> int | None:
    text = request.headers.get("Last-Event-ID") or request.args.get("since", "")
    if not text:
        return None
    # Whoever names a number has seen something; one that cannot be read is answered like one that never was.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else _NEVER_WAS


def _watch(known: Services, cookie: str, user_id: UserId, guild_id: GuildId) -> Callable[[], bool]:
    def still_allowed() -> bool:
        try:
            if known.sessions.find(cookie, touch=False) is None:
                return False
            now = known.guilds.scope(user_id, guild_id)
        except Unavailable:
            return True  # nothing can be read from us either; the next look decides
        return now is not None and now.may(Capability.VIEW)

    return still_allowed


def _frames(
    stream: Subscription, still_allowed: Callable[[], bool], leave: Callable[[], None], pace: Pace
) -> Iterator[bytes]:
    began = time.monotonic()
    ends = began + pace.longest_s * random.uniform(1 - JITTER, 1)
    look = began + pace.reauthorise_s
    try:
        yield retry_frame(RETRY_MS) + comment("open")
        while not stream.closed and time.monotonic() < ends:
            frame = stream.next(timeout_s=max(0.0, min(pace.heartbeat_s, look - time.monotonic())))
            if time.monotonic() >= look:
                if not still_allowed():
                    yield revoked_frame()
                    return
                look = time.monotonic() + pace.reauthorise_s
            if frame is not None:
                yield frame
            elif not stream.closed:
                yield BEAT
    finally:
        leave()
