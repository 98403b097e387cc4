"""How the dashboard looks to one browser: a cookie that the server reads before it draws, so no page flickers."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, request
from marshmallow import ValidationError
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from kovra.dashboard.access import SIGNED_IN, policy
from kovra.dashboard.login import local_path
from kovra.dashboard.schemas import ThemeForm
from kovra.dashboard.services import services

COOKIE = "kovra-theme"
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
    back = redirect(local_path(wanted["next"]), HTTPStatus.SEE_OTHER)
    secure = services().addresses.secure
    if wanted["theme"] == "system":
        back.delete_cookie(COOKIE, path="/", secure=secure, samesite="Lax")
    else:
        back.set_cookie(
            COOKIE, wanted["theme"], max_age=_YEAR_S, path="/", secure=secure, httponly=True, samesite="Lax"
        )
    return back


def chosen() -> str | None:
    """The theme of this browser, None when it follows the system."""
    kept = request.cookies.get(COOKIE)
    return kept if kept in ("dark", "light") else None
