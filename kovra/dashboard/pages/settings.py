"""Settings of a server: what keeps Guard from its work, budgets, notices, the log, how long evidence is kept; and how
this browser draws pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from marshmallow import fields
from werkzeug.wrappers import Response

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.dashboard import settings_words as words
from kovra.dashboard import worker_words
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.head_first import head_first
from kovra.dashboard.pages.looks import chosen_density
from kovra.dashboard.pages.message_tests import tries_of
from kovra.dashboard.services import services
from kovra.dashboard.settings_form import kept, section, seen_by, typed
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.guard.message_tests import COMMON, NOTICE
from kovra.guard.notice_texts import VARIABLES, NoticeTexts, default_text
from kovra.guard.notice_tongues import TONGUES, language_of
from kovra.ids import ChannelId
from kovra.store.events import KEPT_FOR
from kovra.store.evidence import LOOSE_FOR
from kovra.store.forgetting import EVIDENCE_DAYS
from kovra.store.guilds import GuildScope
from kovra.store.settings import LONGEST_KEPT, Problems

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
@head_first
def health(guild_id: int) -> Response:
    """Each finding with its remedy."""
    known, viewer = services(), scope()
    stopped = worker_words.standstill(known.workers.now(), known.lanes.shard_of(viewer.guild_id))
    facts = {"stopped": stopped, "findings": known.health.findings(viewer), "checked_at": known.clock.now()}
    return section("health", facts)


@settings.get("/g/<int:guild_id>/settings/budgets")
@policy(in_guild(Capability.SETTINGS))
@head_first
def budgets(guild_id: int) -> Response:
    """Of each moderator, by action and hour; and the caps of what acts without one."""
    own = services().settings.budgets(scope())
    return section("budgets", _limits(own))


@settings.post("/g/<int:guild_id>/settings/budgets")
@policy(in_guild(Capability.SETTINGS))
def keep_budgets(guild_id: int) -> Response:
    """Keep them, all or none."""
    known, viewer = services(), scope()
    own = known.settings.budgets(viewer)
    rows = [one for group in words.limits(own) for one in group]
    sent = typed({one.name: fields.String(load_default="") for one in rows})
    read = {one.name: words.read_limit(sent[one.name], one.default) for one in rows}
    problems: Problems = {name: [why] for name, (_, why) in read.items() if why}
    if not problems:
        wanted = {name: limit for name, (limit, _) in read.items()}
        problems = known.settings.change_budgets(viewer, wanted, seen_by(sent, dict))
    if not problems:
        return kept("budgets")
    return section("budgets", _limits(known.settings.budgets(viewer), sent), problems)


@settings.get("/g/<int:guild_id>/settings/notices")
@policy(in_guild(Capability.SETTINGS))
@head_first
def notices(guild_id: int) -> Response:
    """The text of one action at a time, beside what its reader sees."""
    return section("notices", _texts(services().settings.notices(scope()), _action(request.args.get("action"))))


@settings.post("/g/<int:guild_id>/settings/notices")
@policy(in_guild(Capability.SETTINGS))
def keep_notices(guild_id: int) -> Response:
    """Keep one text and the address for appeals."""
    known, viewer = services(), scope()
    sent = typed({name: fields.String(load_default="") for name in ("action", "text", "appeal_url", "locale")})
    action = _action(sent["action"])
    still = seen_by(sent, lambda texts: _own_text(texts, action))
    written, locale = {action: sent["text"]}, sent["locale"] or None
    problems = known.settings.change_notices(viewer, written, sent["appeal_url"], still, locale=locale)
    if not problems:
        return kept("notices", action=action.value)
    return section("notices", _texts(known.settings.notices(viewer), action, sent), problems)


@settings.get("/g/<int:guild_id>/settings/notices/preview")
@policy(in_guild(Capability.SETTINGS))
def preview(guild_id: int) -> str:
    """What a member would read of the text that is being written."""
    texts, action = services().settings.notices(scope()), _action(request.args.get("action"))
    if "locale" in request.args:
        texts = replace(texts, locale=request.args["locale"] or None)
    lines = words.preview(texts, action, request.args.get("text", "")[:4000].strip(), services().clock.now())
    return render_template("settings_preview.html", lines=lines)


@settings.get("/g/<int:guild_id>/settings/logging")
@policy(in_guild(Capability.SETTINGS))
@head_first
def logging(guild_id: int) -> Response:
    """Where each class is posted."""
    return section("logging", _channels(scope()))


@settings.post("/g/<int:guild_id>/settings/logging")
@policy(in_guild(Capability.SETTINGS))
def keep_logging(guild_id: int) -> Response:
    """Keep the channels, all or none."""
    known, viewer = services(), scope()
    sent = typed({name: fields.String(load_default="") for name in ("common", *(one.value for one in EventClass))})
    chosen = {one: sent[one.value] for one in EventClass if sent[one.value] != FOLLOW}
    by_class = {one: None if text == NOWHERE else _channel(text) for one, text in chosen.items()}
    common = None if sent["common"] == FOLLOW else _channel(sent["common"])
    problems = known.settings.change_log_channels(viewer, common, by_class, seen_by(sent, _by_field))
    return kept("logging") if not problems else section("logging", _channels(viewer, sent), problems)


@settings.get("/g/<int:guild_id>/settings/retention")
@policy(in_guild(Capability.SETTINGS))
@head_first
def retention(guild_id: int) -> Response:
    """How long is kept what is kept."""
    return section("retention", _terms(services().settings.retention(scope())))


@settings.post("/g/<int:guild_id>/settings/retention")
@policy(in_guild(Capability.SETTINGS))
def keep_retention(guild_id: int) -> Response:
    """Keep the term of evidence."""
    known, viewer = services(), scope()
    sent = typed({EVIDENCE_DAYS: fields.String(load_default="")})
    days, why = words.read_term(sent[EVIDENCE_DAYS], LONGEST_KEPT[EVIDENCE_DAYS])
    problems: Problems = {EVIDENCE_DAYS: [why]} if why else {}
    if not problems:
        problems = known.settings.change_retention(viewer, {EVIDENCE_DAYS: days}, seen_by(sent, dict))
    if not problems:
        return kept("retention")
    return section("retention", _terms(known.settings.retention(viewer), sent[EVIDENCE_DAYS]), problems)


@settings.get("/g/<int:guild_id>/settings/appearance")
@policy(in_guild(Capability.VIEW))
@head_first
def appearance(guild_id: int) -> Response:
    """Of this browser alone; whoever may see the server may choose."""
    return section("appearance", {"density": chosen_density() or "regular"})


def _limits(own: Mapping[str, int], typed: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    budgets, caps = words.limits(own, typed)
    return {"budgets": budgets, "caps": caps, "seen": words.fingerprint(own)}


def _terms(own: Mapping[str, int], text: str | None = None) -> Mapping[str, Any]:
    return {
        "days": str(own.get(EVIDENCE_DAYS, "")) if text is None else text,
        "longest": LONGEST_KEPT[EVIDENCE_DAYS],
        "loose": words.span(LOOSE_FOR),
        "events": words.span(KEPT_FOR),
        "seen": words.fingerprint(dict(own)),
    }


def _texts(texts: NoticeTexts, action: Action, typed: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    text = typed["text"] if typed else texts.by_action.get(action, "")
    seen = words.fingerprint(_own_text(texts, action))
    texts = replace(texts, locale=typed["locale"] or None) if typed else texts
    return {
        "action": action,
        "told": words.TOLD,
        "own": frozenset(texts.by_action),
        "text": text,
        "appeal_url": typed["appeal_url"] if typed else texts.appeal_url or "",
        "default": default_text(action, texts.language),
        "variables": VARIABLES,
        "lines": words.preview(texts, action, text.strip(), services().clock.now()),
        "locale": texts.locale or "",
        "languages": {one: tongue.name for one, tongue in TONGUES.items()},
        "spoken": TONGUES[language_of(texts.discord_locale)].name,
        "seen": seen,
        **tries_of(scope(), NOTICE + action.value),
    }


def _own_text(texts: NoticeTexts, action: Action) -> list[str]:
    return [texts.by_action.get(action, ""), texts.appeal_url or "", texts.locale or ""]


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
        **tries_of(viewer, COMMON),
    }


def _by_field(kept: LogChannels) -> dict[str, str]:
    """What the form shows of the channels that are kept, field by field."""
    told = {one.value: FOLLOW if one not in kept.by_class else str(kept.by_class[one] or NOWHERE) for one in EventClass}
    return {"common": str(kept.common or FOLLOW), **told}


def _channel(text: str) -> ChannelId:
    return ChannelId(int(text)) if text.isascii() and text.isdigit() and len(text) < 20 else ChannelId(0)


def _action(text: str | None) -> Action:
    return Action(text) if text in {one.value for one in words.TOLD} else words.TOLD[0]
