"""How the dashboard looks to one browser: cookies, and its keyboard, which the server reads before it draws.

So no page flickers, and nothing in it moves.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, request
from marshmallow import ValidationError
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from kovra.dashboard.access import SIGNED_IN, policy
from kovra.dashboard.login import local_path
from kovra.dashboard.schemas import DensityForm, ThemeForm
from kovra.dashboard.services import services

COOKIE, DENSITY, HIDDEN = "kovra-theme", "kovra-density", "kovra-columns"
#: The columns of the case list that can be left out.
COLUMNS = {"why": "Reason", "mod": "Moderator", "src": "Source", "dm": "DM", "when": "When"}
_YEAR_S = 31_536_000

looks = Blueprint("looks", __name__)


@looks.post("/theme")
@policy(SIGNED_IN)
def theme() -> Response:
    """Keep the theme and go back to where the form stood."""
    try:
        wanted = ThemeForm().load(request.form)
    except ValidationError as error:
        raise BadRequest from error
    return _back_with(COOKIE, None if wanted["theme"] == "system" else wanted["theme"], wanted["next"])


@looks.post("/density")
@policy(SIGNED_IN)
def density() -> Response:
    """Keep how close rows stand and go back to where the form stood."""
    try:
        wanted = DensityForm().load(request.form)
    except ValidationError as error:
        raise BadRequest from error
    return _back_with(DENSITY, None if wanted["density"] == "regular" else wanted["density"], wanted["next"])


@looks.post("/columns")
@policy(SIGNED_IN)
def columns() -> Response:
    """Keep which columns the case list has and go back to where the form stood: the sheet may have been opened since
    it was drawn, so the browser's own word for that goes first.
    """
    shown = set(request.form.getlist("shown"))
    base, came_from = services().addresses.base_url, request.referrer or ""
    where = came_from.removeprefix(base) if came_from.startswith(f"{base}/") else request.form.get("next", "/")
    return _back_with(HIDDEN, ".".join(name for name in COLUMNS if name not in shown) or None, where)


def _back_with(cookie: str, value: str | None, where: str) -> Response:
    back = redirect(local_path(where), HTTPStatus.SEE_OTHER)
    secure = services().addresses.secure
    if value is None:
        back.delete_cookie(cookie, path="/", secure=secure, samesite="Lax")
    else:
        back.set_cookie(cookie, value, max_age=_YEAR_S, path="/", secure=secure, httponly=True, samesite="Lax")
    return back


def hidden_columns() -> list[str]:
    """The columns of the case list that this browser leaves out."""
    kept = request.cookies.get(HIDDEN, "").split(".")
    return [name for name in COLUMNS if name in kept]


def chosen_density() -> str | None:
    """How close rows stand in this browser, None when as usual."""
    return "compact" if request.cookies.get(DENSITY) == "compact" else None


def chosen() -> str | None:
    """The theme of this browser, None when it follows the system."""
    kept = request.cookies.get(COOKIE)
    return kept if kept in ("dark", "light") else None


def as_engraved(keys: str) -> str:
    """A chord written for Apple's keyboards, as this browser's keyboard names it: "⌘K" is "Ctrl K" elsewhere."""
    browser = request.user_agent.string
    if any(name in browser for name in ("Macintosh", "iPhone", "iPad")):
        return keys
    return keys.replace("⌘", "Ctrl ")
