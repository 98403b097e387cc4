"""Settings of a server: what keeps Guard from its work, budgets, notices, the log; and how this browser draws pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from marshmallow import ValidationError, fields
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from kovra.actions.request import Action
from kovra.actions.rights import Capability
from kovra.dashboard import settings_words as words
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.pages.looks import chosen_density
from kovra.dashboard.schemas import Form
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.guard.notice_texts import VARIABLES, NoticeTexts, default_text
from kovra.ids import ChannelId
from kovra.store.guilds import GuildScope
from kovra.store.settings import Problems

SECTIONS = {
    "health": "Health check",
    "budgets": "Budgets",
    "notices": "Notices",
    "logging": "Logging",
    "appearance": "Appearance",
}
KEYS: tuple[Keys, ...] = (("Settings", (("Save", ("⌘S",)),)),)
#: What a form says of the values it was drawn with, and that its reader has heard of others since.
_SEEN = {"seen": fields.String(load_default=""), "over": fields.String(load_default="")}
#: No channel is chosen: a class follows the common one, the common one is found by its name.
FOLLOW, NOWHERE = "", "none"

settings = Blueprint("settings", __name__)


@settings.get("/g/<int:guild_id>/settings")
@policy(in_guild(Capability.SETTINGS))
def index(guild_id: int) -> Response:
    """The first section: what is wrong comes before what one may like."""
    return redirect(url_for("settings.health", guild_id=guild_id), HTTPStatus.SEE_OTHER)


@settings.get("/g/<int:guild_id>/settings/health")
@policy(in_guild(Capability.SETTINGS))
def health(guild_id: int) -> Response:
    """Each finding with its remedy."""
    return _page("health", {"findings": services().health.findings(scope()), "checked_at": services().clock.now()})


@settings.get("/g/<int:guild_id>/settings/budgets")
@policy(in_guild(Capability.SETTINGS))
def budgets(guild_id: int) -> Response:
    """Of each moderator, by action and hour; and the caps of what acts without one."""
    own = services().settings.budgets(scope())
    return _page("budgets", _limits(own))


@settings.post("/g/<int:guild_id>/settings/budgets")
@policy(in_guild(Capability.SETTINGS))
def keep_budgets(guild_id: int) -> Response:
    """Keep them, all or none."""
    known, viewer = services(), scope()
    own = known.settings.budgets(viewer)
    rows = [one for group in words.limits(own) for one in group]
    typed = _typed({one.name: fields.String(load_default="") for one in rows})
    read = {one.name: words.read_limit(typed[one.name], one.default) for one in rows}
    problems: Problems = {name: [why] for name, (_, why) in read.items() if why}
    if not problems:
        wanted = {name: limit for name, (limit, _) in read.items()}
        problems = known.settings.change_budgets(viewer, wanted, _seen_by(typed, dict))
    if not problems:
        return _kept("budgets")
    return _page("budgets", _limits(known.settings.budgets(viewer), typed), problems)


@settings.get("/g/<int:guild_id>/settings/notices")
@policy(in_guild(Capability.SETTINGS))
def notices(guild_id: int) -> Response:
    """The text of one action at a time, beside what its reader sees."""
    return _page("notices", _texts(services().settings.notices(scope()), _action(request.args.get("action"))))


@settings.post("/g/<int:guild_id>/settings/notices")
@policy(in_guild(Capability.SETTINGS))
def keep_notices(guild_id: int) -> Response:
    """Keep one text and the address for appeals."""
    known, viewer = services(), scope()
    typed = _typed({name: fields.String(load_default="") for name in ("action", "text", "appeal_url")})
    action = _action(typed["action"])
    still = _seen_by(typed, lambda texts: _own_text(texts, action))
    problems = known.settings.change_notices(viewer, {action: typed["text"]}, typed["appeal_url"], still)
    if not problems:
        return _kept("notices", action=action.value)
    return _page("notices", _texts(known.settings.notices(viewer), action, typed), problems)


@settings.get("/g/<int:guild_id>/settings/notices/preview")
@policy(in_guild(Capability.SETTINGS))
def preview(guild_id: int) -> str:
    """What a member would read of the text that is being written."""
    texts, action = services().settings.notices(scope()), _action(request.args.get("action"))
    lines = words.preview(texts, action, request.args.get("text", "")[:4000].strip(), services().clock.now())
    return render_template("settings_preview.html", lines=lines)


@settings.get("/g/<int:guild_id>/settings/logging")
@policy(in_guild(Capability.SETTINGS))
def logging(guild_id: int) -> Response:
    """Where each class is posted."""
    return _page("logging", _channels(scope()))


@settings.post("/g/<int:guild_id>/settings/logging")
@policy(in_guild(Capability.SETTINGS))
def keep_logging(guild_id: int) -> Response:
    """Keep the channels, all or none."""
    known, viewer = services(), scope()
    typed = _typed({name: fields.String(load_default="") for name in ("common", *(one.value for one in EventClass))})
    chosen = {one: typed[one.value] for one in EventClass if typed[one.value] != FOLLOW}
    by_class = {one: None if text == NOWHERE else _channel(text) for one, text in chosen.items()}
    common = None if typed["common"] == FOLLOW else _channel(typed["common"])
    problems = known.settings.change_log_channels(viewer, common, by_class, _seen_by(typed, _by_field))
    return _kept("logging") if not problems else _page("logging", _channels(viewer, typed), problems)


@settings.get("/g/<int:guild_id>/settings/appearance")
@policy(in_guild(Capability.VIEW))
def appearance(guild_id: int) -> Response:
    """Of this browser alone; whoever may see the server may choose."""
    return _page("appearance", {"density": chosen_density() or "regular"})


def _page(section: str, facts: Mapping[str, Any], problems: Problems | None = None) -> Response:
    """One section: alone for a live refetch, in its page otherwise."""
    viewer = scope()
    mine = {
        "scope": viewer,
        "part": section,
        "sections": SECTIONS if viewer.may(Capability.SETTINGS) else {"appearance": SECTIONS["appearance"]},
        "problems": problems or {},
        "saved": request.args.get("saved") == "yes" and not problems,
        **facts,
    }
    if request.headers.get("HX-Request") == "true" and request.method == "GET":
        return make_response(render_template(f"settings_{section}.html", **mine))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK
    page = {**shell(viewer, seen_until(viewer), "settings", KEYS), **mine}
    return make_response(render_template("settings.html", **page), status)


def _kept(section: str, **more: str) -> Response:
    address = url_for(f"settings.{section}", guild_id=scope().guild_id, saved="yes", **more)
    return redirect(address, HTTPStatus.SEE_OTHER)


def _typed(wanted: Mapping[str, fields.Field[Any]]) -> dict[str, str]:
    """What was sent, as text; a form with other fields is none of ours."""
    try:
        return Form.from_dict({**wanted, **_SEEN})().load(request.form)
    except ValidationError as error:
        raise BadRequest from error


def _seen_by(typed: Mapping[str, str], shown: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """Whether what is kept is what this form was drawn with, as its field ``seen`` says; ``shown`` makes of what is
    kept what the form shows of it. Whoever heard of the other's change and wrote on knows."""
    return lambda kept: bool(typed["over"]) or typed["seen"] in ("", words.fingerprint(shown(kept)))


def _limits(own: Mapping[str, int], typed: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    budgets, caps = words.limits(own, typed)
    return {"budgets": budgets, "caps": caps, "seen": words.fingerprint(own)}


def _texts(texts: NoticeTexts, action: Action, typed: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    text = typed["text"] if typed else texts.by_action.get(action, "")
    return {
        "action": action,
        "told": words.TOLD,
        "own": frozenset(texts.by_action),
        "text": text,
        "appeal_url": typed["appeal_url"] if typed else texts.appeal_url or "",
        "default": default_text(action),
        "variables": VARIABLES,
        "lines": words.preview(texts, action, text.strip(), services().clock.now()),
        "seen": words.fingerprint(_own_text(texts, action)),
    }


def _own_text(texts: NoticeTexts, action: Action) -> list[str]:
    return [texts.by_action.get(action, ""), texts.appeal_url or ""]


def _channels(viewer: GuildScope, typed: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    known = services()
    kept = known.settings.log_channels(viewer)
    own = _by_field(kept)
    return {
        "channels": known.settings.places(viewer),
        "common": kept.common,
        "cases": words.CASES,
        "server": words.SERVER,
        "chosen": typed or own,
        "seen": words.fingerprint(own),
        "nowhere": NOWHERE,
    }


def _by_field(kept: LogChannels) -> dict[str, str]:
    """What the form shows of the channels that are kept, field by field."""
    told = {one.value: FOLLOW if one not in kept.by_class else str(kept.by_class[one] or NOWHERE) for one in EventClass}
    return {"common": str(kept.common or FOLLOW), **told}


def _channel(text: str) -> ChannelId:
    return ChannelId(int(text)) if text.isascii() and text.isdigit() and len(text) < 20 else ChannelId(0)


def _action(text: str | None) -> Action:
    return Action(text) if text in {one.value for one in words.TOLD} else words.TOLD[0]
