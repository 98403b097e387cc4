"""What went wrong, said so that a person knows what to do. A page for a page, a fragment for a fragment.

A fragment takes the form of a toast that is shown beside what the reader was doing, so nothing typed is lost.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from kovra.actions.rights import GIVEN_BY, PERMISSION_NAMES, Capability
from kovra.errors import Conflict, Unavailable
from kovra.store.guilds import GuildScope

log = logging.getLogger(__name__)

#: Whoever was signed out in the middle of something comes back to it.
_RETRY_S = 5


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
    """One thing that went wrong. ``ways`` are links: what a person can do now."""

    status: int
    title: str
    text: str
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
    elif request.headers.get("HX-Request") == "true":
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
    app.register_error_handler(CapabilityMissing, _capability_missing)
    app.register_error_handler(Conflict, lambda _: answer(_conflict()))
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _unexpected)


def _sign_in_needed(_: SignInNeeded) -> AnyResponse:
    here = request.full_path.rstrip("?") if request.method == "GET" else "/"
    fragment = request.headers.get("HX-Request") == "true"
    way = url_for("login.page", next="/" if fragment else here)
    if g.get("quiet"):
        return Response(status=HTTPStatus.NO_CONTENT)  # tells an EventSource to stop
    if fragment or request.method != "GET":
        text = "Nothing was done. Sign in in another tab, then try again here; what you typed stays."
        return answer(
            Problem(status=401, title="Your sign-in has ended", text=text, icon="lock", ways=(("Sign in", way),))
        )
    return redirect(way, HTTPStatus.SEE_OTHER)


def _forged() -> Problem:
    if g.get("session") is not None and request.headers.get("HX-Request") == "true":
        # From a page of ours, which a session alone cannot show: the token is of a sign-in that has ended.
        return Problem(
            status=403,
            title="This form is from an earlier sign-in",
            text="Nothing was done. Send it again to act with the present one; what you typed stays.",
            icon="lock",
            renews=True,
        )
    return Problem(
        status=403,
        title="This form is out of date",
        text="Nothing was done. It was drawn for another sign-in, or sent from another site. "
        "Reload the page and send it again.",
        icon="lock",
        ways=(("To your servers", url_for("servers.index")),),
    )


def _not_found() -> Problem:
    return Problem(
        status=404,
        title="There is nothing here",
        text="The address is wrong, or it belongs to a server you have no staff permission in.",
        icon="search",
        ways=(("To your servers", url_for("servers.index")),),
    )


def _capability_missing(error: CapabilityMissing) -> Response:
    given_by = GIVEN_BY.get(error.needed)
    names = [name for bit, name in PERMISSION_NAMES.items() if given_by and bit in given_by]
    comes_with = f", which comes with {' and '.join(names)} in Discord" if names else ""
    return answer(
        Problem(
            status=403,
            title="You cannot see this here",
            text=f"It takes the capability “{error.needed}”{comes_with}. Ask an admin of {error.scope.guild_name}.",
            icon="lock",
            ways=(("To the overview", url_for("overview.index", guild_id=error.scope.guild_id)),),
        )
    )


def _conflict() -> Problem:
    return Problem(
        status=409,
        title="This form was sent before",
        text="Its id was used for another action, so nothing was added. Close it and open it again.",
    )


def _unavailable(error: Unavailable) -> Response:
    log.warning("the database did not answer: %s", error)
    return answer(
        Problem(
            status=503,
            title="Kovra’s database does not answer",
            text="Nothing was done and nothing is lost. Try again in a moment; the same form acts only once.",
            icon="offline",
            bad=True,
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
    title = HTTPStatus(status).phrase.capitalize() if status in set(HTTPStatus) else "That did not work"
    texts = {405: "This address does not take that.", 413: "What was sent is too large. Nothing was done."}
    text = texts.get(status, "Kovra could not read what was sent. Nothing was done.")
    return answer(Problem(status=status, title=title, text=text))


def _unexpected(error: Exception) -> Response:
    log.error("request %s failed", g.get("request_ref", "?"), exc_info=error)
    return answer(
        Problem(
            status=500,
            title="This part did not load",
            text="That is a fault of Kovra’s. Try again; the same form acts only once.",
            bad=True,
            reference=g.get("request_ref"),
        )
    )
