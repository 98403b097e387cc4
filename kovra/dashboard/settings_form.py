"""What every section of settings does alike: how it is drawn, what its form sends, and what a change was made upon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import make_response, redirect, render_template, request, url_for
from marshmallow import ValidationError, fields
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from kovra.actions.capabilities import Capability
from kovra.dashboard import settings_words as words
from kovra.dashboard.access import scope
from kovra.dashboard.schemas import Form
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.store.settings import Problems

#: The word of a section in its address → what it is called, and its endpoint.
SECTIONS = {
    "health": ("Health check", "settings.health"),
    "access": ("Access", "grants.access"),
    "budgets": ("Budgets", "settings.budgets"),
    "notices": ("Notices", "settings.notices"),
    "logging": ("Logging", "settings.logging"),
    "retention": ("Retention", "settings.retention"),
    "appearance": ("Appearance", "settings.appearance"),
}
KEYS: tuple[Keys, ...] = (("Settings", (("Save", ("⌘S",)),)),)
#: What a form says of the values it was drawn with, and that its reader has heard of others since.
_SEEN = {"seen": fields.String(load_default=""), "over": fields.String(load_default="")}


def section(name: str, facts: Mapping[str, Any], problems: Problems | None = None) -> Response:
    """One section: alone for a live refetch, in its page otherwise."""
    viewer = scope()
    mine = {
        "scope": viewer,
        "part": name,
        "sections": SECTIONS if viewer.may(Capability.SETTINGS) else {"appearance": SECTIONS["appearance"]},
        "problems": problems or {},
        "saved": request.args.get("saved") == "yes" and not problems,
        **facts,
    }
    if request.headers.get("HX-Request") == "true" and request.method == "GET":
        return make_response(render_template(f"settings_{name}.html", **mine))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK
    page = {**shell(viewer, seen_until(viewer), "settings", KEYS), **mine}
    return make_response(render_template("settings.html", **page), status)


def kept(name: str, **more: str) -> Response:
    """Back to the section, which says that it is kept."""
    address = url_for(SECTIONS[name][1], guild_id=scope().guild_id, saved="yes", **more)
    return redirect(address, HTTPStatus.SEE_OTHER)


def typed(wanted: Mapping[str, fields.Field[Any]]) -> dict[str, str]:
    """What was sent, as text; a form with other fields is none of ours."""
    try:
        return Form.from_dict({**wanted, **_SEEN})().load(request.form)
    except ValidationError as error:
        raise BadRequest from error


def seen_by(sent: Mapping[str, str], shown: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """Whether what is kept is what this form was drawn with, as its field ``seen`` says; ``shown`` makes of what is
    kept what the form shows of it. Whoever heard of the other's change and wrote on knows."""
    return lambda now: bool(sent["over"]) or sent["seen"] in ("", words.fingerprint(shown(now)))
