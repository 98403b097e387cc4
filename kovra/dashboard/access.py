"""Who may open what. Every route carries a policy; a route without one is refused and fails a test.

A policy is checked before the view runs: the session, the capability in the guild of the address, and, for anything
that changes something, that the form is ours. A view then finds the session row and the :class:`GuildScope` of its
guild, and cannot query without one.

A guild in which somebody has no capability does not exist for them: 404 for all of it. Somebody who has one, but not
the one a page needs, reads which is missing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar, cast

from flask import Flask, g, request
from werkzeug.exceptions import InternalServerError

from kovra.actions.capabilities import Capability
from kovra.dashboard.problems import CapabilityMissing, FormForged, NoSuchPage, SignInNeeded
from kovra.dashboard.schemas import TOKEN_FIELD
from kovra.dashboard.services import Services, services
from kovra.ids import GuildId
from kovra.store.guilds import GuildScope
from kovra.store.sessions import SessionRow

#: The session cookie. On http of this machine browsers take neither ``Secure`` nor the prefix that demands it.
COOKIE, LOOPBACK_COOKIE = "__Host-kovra", "kovra"


_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a route asks of its visitor.

    Attributes:
        session: somebody must be signed in.
        capability: in the guild of the address; needs a ``guild_id`` in the rule.
        forged_allowed: a POST that need not come from our own pages, such as a browser's report.
        quiet: a machine reads the answer; it gets a bare status instead of a page. Where it needs a capability, many
            come at once, and session and rights are asked for once for all of them.
        largest: bytes of a form that carries a file; None where the site's own bound holds.
    """

    session: bool = False
    capability: Capability | None = None
    forged_allowed: bool = False
    quiet: bool = False
    largest: int | None = None


OPEN = Policy()
REPORTS = Policy(forged_allowed=True, quiet=True)
SIGNED_IN = Policy(session=True)


def in_guild(capability: Capability, *, quiet: bool = False, largest: int | None = None) -> Policy:
    """The policy of a guild's page: this capability, held now."""
    return Policy(session=True, capability=capability, quiet=quiet, largest=largest)


def policy(wanted: Policy) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Put a policy on a view."""

    def put(view: Callable[_P, _R]) -> Callable[_P, _R]:
        view.kovra_policy = wanted  # type: ignore[attr-defined]
        return view

    return put


def policy_of(app: Flask, endpoint: str) -> Policy | None:
    """The policy of a route, None when it was forgotten."""
    return getattr(app.view_functions[endpoint], "kovra_policy", None)


def cookie_name(secure: bool) -> str:
    """The session cookie's name; ``secure`` when the dashboard is reached over https."""
    return COOKIE if secure else LOOPBACK_COOKIE


def session() -> SessionRow:
    """The session of the request; only where the policy demands one."""
    return cast(SessionRow, g.session)


def scope() -> GuildScope:
    """The viewer's scope in the guild of the address; only where the policy names a capability."""
    return cast(GuildScope, g.scope)


def csrf_token() -> str:
    """The token of this session's forms as a page shows it; empty for anonymous visitors, whose forms change nothing of
    anyone."""
    token = _session_token()
    return masked(token) if token else ""


def masked(token: str) -> str:
    """The token under a pad that comes with it, in hex: another text on each page.

    Pages are compressed. One text that stays could be guessed letter by letter from the length of answers that also
    hold what somebody else chose (BREACH).
    """
    pad = secrets.token_bytes(len(token) // 2)
    return pad.hex() + _under(pad, bytes.fromhex(token)).hex()


def unmasked(sent: str) -> str:
    """The token that a form has sent; something else when it is no masked token."""
    try:
        both = bytes.fromhex(sent)
    except ValueError:
        return ""
    half = len(both) // 2
    return _under(both[:half], both[half:]).hex() if len(both) % 2 == 0 else ""


def _under(pad: bytes, told: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(pad, told, strict=True))


def _session_token() -> str:
    cookie = request.cookies.get(cookie_name(services().addresses.secure), "")
    return token_for(services().session_key, cookie) if cookie else ""


def token_for(key: bytes, cookie: str) -> str:
    """Bind a form to a session: whoever cannot read the cookie cannot make it."""
    return hmac.new(key, b"kovra.form.v1\0" + cookie.encode(), hashlib.sha256).hexdigest()


def enforce(app: Flask) -> None:
    """Check the policy before every view, in one place."""

    @app.before_request
    def check() -> None:
        if request.endpoint is None:
            return  # no such route or method: the router's own answer follows
        wanted = policy_of(app, request.endpoint)
        if wanted is None:
            raise InternalServerError(f"the route {request.endpoint} has no policy")
        g.quiet = wanted.quiet
        if wanted.largest is not None:
            # Before the form is read, and it is read for its token below.
            request.max_content_length = wanted.largest
        known = services()
        if request.method not in _SAFE_METHODS and not wanted.forged_allowed:
            _demand_own_origin(known)
        if wanted.capability is not None:
            _find_with_others(known) if wanted.quiet else _find(known)
        if wanted.session:
            _demand_session(known)
            if request.method not in _SAFE_METHODS:
                _demand_token()
        if wanted.capability is not None:
            _demand_capability(known, wanted.capability)


def session_id(known: Services) -> bytes:
    """The SHA-256 of the session cookie, by which a session is known; empty without a cookie."""
    cookie = request.cookies.get(cookie_name(known.addresses.secure), "")
    return hashlib.sha256(cookie.encode("utf-8", "replace")).digest() if cookie else b""


def _find(known: Services) -> None:
    """Find session and rights of the request in one trip; it counts as activity."""
    guild_id, own = (request.view_args or {})["guild_id"], session_id(known)
    if not _fits(guild_id) or not own:
        return
    visitor = known.viewers.of(GuildId(guild_id), [own]).get(own)
    g.session = visitor.session if visitor else None
    g.found = visitor.scope if visitor else None
    if visitor:
        known.sessions.touch(own, visitor.session, known.clock.now())


def _find_with_others(known: Services) -> None:
    """Find session and rights of the request together with those who come now; neither counts as activity."""
    guild_id, own = (request.view_args or {})["guild_id"], session_id(known)
    if not _fits(guild_id):
        return
    # Before the question: what is heard from now on may have changed its answer.
    g.heard = known.watch.heard
    visitor = known.arrivals.of(GuildId(guild_id), own) if own else None
    g.session = visitor.session if visitor else None
    g.found = visitor.scope if visitor else None


def _fits(guild_id: int) -> bool:
    # The address was matched by a converter, so the id is a number; whether it fits a snowflake is asked here.
    return guild_id < 1 << 63


def signed_in(known: Services) -> SessionRow | None:
    """The session of the request, found once."""
    if "session" not in g:
        cookie = request.cookies.get(cookie_name(known.addresses.secure), "")
        # An open stream or its reconnect is no sign that somebody is there.
        g.session = known.sessions.find(cookie, touch=not g.get("quiet", False)) if cookie else None
    return cast(SessionRow | None, g.session)


def same_origin(own: str) -> bool:
    """Whether a page of ours sent this. ``Sec-Fetch-Site`` decides; browsers without it name the origin instead."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("Origin") == own


def _demand_own_origin(known: Services) -> None:
    if not same_origin(known.addresses.origin(known.addresses.base_url)):
        raise FormForged


def _demand_session(known: Services) -> None:
    if signed_in(known) is None:
        raise SignInNeeded


def _demand_token() -> None:
    if not hmac.compare_digest(_session_token(), unmasked(request.form.get(TOKEN_FIELD, ""))):
        raise FormForged


def _demand_capability(known: Services, needed: Capability) -> None:
    if "found" not in g:
        guild_id = (request.view_args or {})["guild_id"]
        g.found = known.guilds.scope(session().user_id, GuildId(guild_id)) if _fits(guild_id) else None
    found = cast(GuildScope | None, g.found)
    if found is None:
        raise NoSuchPage
    if not found.may(needed):
        raise CapabilityMissing(needed, found)
    g.scope = found
