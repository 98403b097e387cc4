"""What went wrong: what happened, what it means, what to do. A page for a page, a fragment for a fragment.

A fragment takes the form of a toast that is shown beside what the reader was doing, so nothing typed is lost. A page
always has a way on; nothing here asks the database, which may be what is away.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response as AnyResponse

from kovra.actions.capabilities import GIVEN_BY, PERMISSION_NAMES, Capability
from kovra.errors import Conflict, Unavailable
from kovra.store.guilds import GuildScope

log = logging.getLogger(__name__)

#: When a browser or a machine may ask again while the database is away.
_RETRY_S = 5

_KIB = 1024


class SignInNeeded(Exception):
    """Nobody is signed in, or the session has ended."""


class FormForged(Exception):
    """A form that none of our pages drew for this session."""


class NoSuchPage(Exception):
    """There is no such thing, or none for this visitor: the two look alike."""


class CapabilityMissing(Exception):
    """The visitor may see the guild, but not do this."""

    def __init__(self, needed: Capability, scope: GuildScope) -> None:
        super().__init__(needed.value)
        self.needed, self.scope = needed, scope


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that went wrong.

    Attributes:
        title: what happened.
        text: what it means.
        remedy: what to do.
        ways: links, the likeliest first. A page without one leads to the servers.
    """

    status: int
    title: str
    text: str
    remedy: str = ""
    icon: str = "warn"
    bad: bool = False
    ways: tuple[tuple[str, str], ...] = ()
    reference: str | None = None
    #: Whether the form that failed gets the token of the present sign-in, so that it can be sent again as it stands.
    renews: bool = False


def answer(problem: Problem) -> Response:
    """Draw a problem for whoever asked: a bare status, a fragment or a page."""
    if g.get("quiet"):
        made = make_response("", problem.status)
    elif _fragment():
        made = make_response(render_template("problem_toast.html", problem=problem), problem.status)
        made.headers["HX-Retarget"], made.headers["HX-Reswap"] = "#toasts", "beforeend"
    else:
        made = make_response(render_template("problem.html", problem=problem), problem.status)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        made.headers["Retry-After"] = str(_RETRY_S)
    return made


def install(app: Flask) -> None:
    """Answer every kind of failure."""
    app.register_error_handler(SignInNeeded, _sign_in_needed)
    app.register_error_handler(FormForged, lambda _: answer(_forged()))
    app.register_error_handler(NoSuchPage, lambda _: answer(_not_found()))
    app.register_error_handler(CapabilityMissing, lambda error: answer(_capability_missing(error)))
    app.register_error_handler(Conflict, lambda _: answer(_conflict()))
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _unexpected)


def _fragment() -> bool:
    return request.headers.get("HX-Request") == "true"


def _servers() -> tuple[str, str]:
    return ("To your servers", url_for("servers.index"))


def _again() -> tuple[tuple[str, str], ...]:
    """The same page once more; what sent a form goes back to it instead. None for a part: its page is still there."""
    if _fragment():
        return ()
    return (("Try again", request.full_path.rstrip("?")),) if request.method == "GET" else _back()


def _back() -> tuple[tuple[str, str], ...]:
    """The page of ours that a form was sent from. None for a part: its page is still there."""
    came = urlsplit(request.referrer or "")
    if _fragment() or came.netloc != request.host or not came.path.startswith("/") or came.path.startswith("//"):
        return ()
    return (("Back to the page", f"{came.path}?{came.query}" if came.query else came.path),)


def _sign_in_needed(_: SignInNeeded) -> AnyResponse:
    here = request.full_path.rstrip("?") if request.method == "GET" else "/"
    way = url_for("login.page", next="/" if _fragment() else here)
    if g.get("quiet"):
        return Response(status=HTTPStatus.NO_CONTENT)  # tells an EventSource to stop
    if _fragment() or request.method != "GET":
        return answer(
            Problem(
                status=401,
                title="Your sign-in has ended",
                text="Nothing was done; what you typed stays.",
                remedy="Sign in in another tab, then try again here.",
                icon="lock",
                ways=(("Sign in", way),),
            )
        )
    return redirect(way, HTTPStatus.SEE_OTHER)


def _forged() -> Problem:
    if g.get("session") is not None and _fragment():
        # From a page of ours, which a session alone cannot show: the token is of a sign-in that has ended.
        return Problem(
            status=403,
            title="This form is from an earlier sign-in",
            text="Nothing was done; what you typed stays.",
            remedy="Send it again to act with the present one.",
            icon="lock",
            renews=True,
        )
    return Problem(
        status=403,
        title="This form is out of date",
        text="It was drawn for another sign-in, or sent from another site. Nothing was done.",
        remedy="Open the page again and send it from there.",
        icon="lock",
        ways=(*_back(), _servers()),
    )


def _not_found() -> Problem:
    return Problem(
        status=404,
        title="There is nothing here",
        text="The address is wrong, what it led to is gone, or it belongs to a server you have no staff permission in.",
        remedy="Look for it from your list of servers. Whoever just got a role there reloads this page.",
        icon="search",
        ways=(_servers(),),
    )


def _capability_missing(error: CapabilityMissing) -> Problem:
    scope, given_by = error.scope, GIVEN_BY.get(error.needed)
    names = [name for bit, name in PERMISSION_NAMES.items() if given_by and bit in given_by]
    comes_with = f", which comes with {' and '.join(names)} in Discord" if names else ""
    reading = request.method == "GET"
    overview = ("To the overview", url_for("overview.index", guild_id=scope.guild_id))
    return Problem(
        status=403,
        title="You cannot see this here" if reading else "You may not do this here",
        text=f"It takes the capability “{error.needed}”{comes_with}.{'' if reading else ' Nothing was done.'}",
        remedy=f"Ask an admin of {scope.guild_name}. Once they gave you a role that has it, reload this page.",
        icon="lock",
        ways=(overview,) if scope.may(Capability.VIEW) else (_servers(),),
    )


def _conflict() -> Problem:
    return Problem(
        status=409,
        title="This form was sent before",
        text="Its id was used for another action, so nothing was added.",
        remedy="Close it, open it again and send that one.",
        ways=_back(),
    )


def _unavailable(error: Unavailable) -> Response:
    log.warning("the database did not answer: %s", error)
    return answer(
        Problem(
            status=503,
            title="Kovra’s database does not answer",
            text="Nothing was done and nothing is lost: what was accepted before waits and runs once it is back.",
            remedy="Try again in a moment; the same form acts only once. Whoever runs Kovra sees it in the log.",
            icon="offline",
            bad=True,
            ways=_again(),
        )
    )


def _of_http(error: HTTPException) -> AnyResponse:
    status = error.code or 500
    if status == HTTPStatus.NOT_FOUND:
        return answer(_not_found())
    if status < 400:
        return error.get_response()
    if status >= 500:
        return _unexpected(error)
    made = answer(_REFUSED.get(status, _unread)(status))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        made.headers["Allow"] = ", ".join(error.valid_methods)
    return made


def _wrong_method(status: int) -> Problem:
    return Problem(
        status=status,
        title="This address opens no page",
        text="A form of Kovra’s is sent to it; it takes nothing else. Nothing was done.",
        remedy="Go to the page with the form and send it from there.",
        icon="key",
        ways=(*_back(), _servers()),
    )


def _too_large(status: int) -> Problem:
    most = (request.max_content_length or 0) // _KIB
    return Problem(
        status=status,
        title="What was sent is too large",
        text=f"Kovra takes up to {most} KiB in one form and read none of it. Nothing was done.",
        remedy="Send less of it: a shorter text, or a long list of people in several parts.",
        ways=(*_back(), _servers()),
    )


def _unread(status: int) -> Problem:
    return Problem(
        status=status,
        title="Kovra could not read what was sent",
        text="Something in it is missing, or is not what its page sends. Nothing was done.",
        remedy="Reload the page and send it again from there.",
        ways=(*_back(), _servers()),
    )


_REFUSED = {405: _wrong_method, 413: _too_large}


def _unexpected(error: Exception) -> Response:
    log.error("request %s failed", g.get("request_ref", "?"), exc_info=error)
    return answer(
        Problem(
            status=500,
            title="This part did not load" if _fragment() else "Kovra failed to answer",
            text="That is a fault of Kovra’s, not of what you did. What was accepted before is kept.",
            remedy="Try again; the same form acts only once. If it stays, give the reference to whoever runs Kovra.",
            bad=True,
            ways=() if _fragment() else (*_again(), _servers()),
            reference=g.get("request_ref"),
        )
    )
