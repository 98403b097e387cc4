"""The guards of the pages, each with its trap, as :mod:`benchmarks.chaos.guards` has those of the protocol."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from flask import Flask

from benchmarks.chaos.bare import Bare, Without, swapped
from benchmarks.chaos.guards import guard
from benchmarks.chaos.waiting import until
from kovra.dashboard import access, services
from kovra.dashboard.access import Policy, masked, policy, token_for
from kovra.dashboard.problems import FormForged
from kovra.dashboard.schemas import TOKEN_FIELD
from kovra.dashboard.services import Addresses
from kovra.dashboard.streams import Streams, Viewer
from kovra.dashboard.watch import Watch
from kovra.ids import UserId
from kovra.live.subscription import Subscription
from kovra.store.guilds import Guilds
from kovra.store.sessions import Sessions

HERE, SESSION_KEY = "http://localhost:8000", b"s" * 32
OURS, FOREIGN = {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "cross-site"}


@guard
def form_token(bare: Bare, stands: bool) -> Iterator[str]:
    """A form of an earlier session is sent with the cookie of the present one."""
    with nullcontext() if stands else swapped(access, "_demand_token", lambda: None):
        if changes(bare, OURS, of_this_session=False):
            yield "a form of another session changed something"


@guard
def own_origin(bare: Bare, stands: bool) -> Iterator[str]:
    """Another site sends a form whose token it has come by."""
    with nullcontext() if stands else swapped(access, "_demand_own_origin", lambda _: None):
        if changes(bare, FOREIGN, of_this_session=True):
            yield "a form of another site changed something"


@guard
def stream_watch(bare: Bare, stands: bool) -> Iterator[str]:
    """Somebody leaves the server while its stream is open in their browser."""
    user_id, guilds, looks = bare.moderator(), Guilds(bare.web), []
    session_id = hashlib.sha256(_signed_in(bare, user_id).encode()).digest()
    viewer = Viewer(session_id=session_id, user_id=user_id, guild_id=bare.guild_id, reads_notes=True)
    then = guilds.scopes({user_id}, bare.guild_id)

    def scopes(*asked: Any) -> Any:
        looks.append(asked)
        return guilds.scopes(*asked) if stands else then

    streams = Streams()
    watch = Watch(streams, Sessions(bare.web), Without(guilds, scopes=scopes), every_s=0.02)  # type: ignore[arg-type]
    stream = Subscription(bare.guild_id, 0, lambda _: True, lambda _: None, threading.Lock())
    bare.mirror.member_gone(bare.guild_id, user_id)
    watch.add(stream, viewer)
    until(lambda: stream.closed or len(looks) >= 2)
    if stream.why != "revoked":
        yield "the stream is open to somebody who left"
    streams.close()


def changes(bare: Bare, headers: dict[str, str], *, of_this_session: bool) -> bool:
    """Whether a form that is sent so reaches a view that changes something."""
    app, changed = Flask(__name__), []
    addresses = Addresses(base_url=HERE, discord_base_url=HERE, discord_cdn_url=HERE)
    known: Any = SimpleNamespace(addresses=addresses, session_key=SESSION_KEY, sessions=Sessions(bare.web))
    services.install(app, known)
    access.enforce(app)
    app.register_error_handler(FormForged, lambda _: ("", 403))

    @app.post("/change")
    @policy(Policy(session=True))
    def change() -> str:
        changed.append(True)
        return ""

    user_id = bare.moderator()
    cookie, earlier = _signed_in(bare, user_id), _signed_in(bare, user_id)
    browser = app.test_client()
    browser.set_cookie(access.LOOPBACK_COOKIE, cookie)
    token = masked(token_for(SESSION_KEY, cookie if of_this_session else earlier))
    browser.post("/change", data={TOKEN_FIELD: token}, headers=headers)
    return bool(changed)


def _signed_in(bare: Bare, user_id: UserId) -> str:
    """The cookie of a fresh session."""
    return Sessions(bare.web).open(user_id=user_id, username="m", name="M", avatar=None, access_token=b"sealed")
