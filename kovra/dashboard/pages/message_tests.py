"""Test messages: whether a log post or a notice arrives, tried from the settings and told on their page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from marshmallow import fields
from werkzeug.wrappers import Response

from kovra.actions.capabilities import Capability
from kovra.dashboard import settings_words as words
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.services import services
from kovra.dashboard.settings_form import SECTIONS, typed
from kovra.guard.log_channels import EventClass
from kovra.guard.message_tests import COMMON, NOTICE, Arrival
from kovra.ids import ChannelId
from kovra.store.guilds import GuildScope
from kovra.store.message_tests import KINDS, LastTest

message_tests = Blueprint("message_tests", __name__)

#: What Discord's refusal means, and what to do (API reference, JSON Error Codes).
_CHANNEL_CLOSED = "Guard may not post there. Give it View Channel, Send Messages and Embed Links in it, and send again."
_YOUR_PRIVACY = "Allow DMs from members of this server in your privacy settings, and send again."
_REFUSALS: Mapping[int, str] = {
    10003: "The channel is gone. Choose another above.",
    50001: _CHANNEL_CLOSED,
    50013: _CHANNEL_CLOSED,
    50007: f"Discord lets no DM through. {_YOUR_PRIVACY}",
    50278: f"You and Guard share no server in which DMs are allowed. {_YOUR_PRIVACY}",
}


@dataclass(frozen=True, kw_only=True)
class Try:
    """One thing that can be tried. ``place``: the channel it goes to; None for a DM to whoever asks."""

    kind: str
    label: str
    place: str | None
    last: LastTest | None
    said: str
    tone: str


@message_tests.get("/g/<int:guild_id>/settings/tests/<kind>")
@policy(in_guild(Capability.SETTINGS))
def index(guild_id: int, kind: str) -> str:
    """What can be tried beside this, and what came of it."""
    return _drawn(kind)


@message_tests.post("/g/<int:guild_id>/settings/tests")
@policy(in_guild(Capability.SETTINGS))
def send(guild_id: int) -> Response:
    """Ask for one."""
    known, viewer = services(), scope()
    kind = typed({"kind": fields.String(load_default="")})["kind"]
    refused = known.message_tests.ask(viewer, kind)
    known.submit.bulletin.ring(viewer.guild_id)
    if request.headers.get("HX-Request") == "true":
        return make_response(_drawn(kind, refused), HTTPStatus.OK)
    part = "notices" if kind.startswith(NOTICE) else "logging"
    action = kind.removeprefix(NOTICE) if part == "notices" else None
    return redirect(url_for(SECTIONS[part][1], guild_id=guild_id, action=action), HTTPStatus.SEE_OTHER)


def _drawn(kind: str, refused: str | None = None) -> str:
    return render_template("settings_tests.html", scope=scope(), problem=refused, **tries_of(scope(), kind))


def tries_of(viewer: GuildScope, kind: str) -> Mapping[str, Any]:
    """The notice of this kind alone; else all that is posted somewhere now, under the name of the first."""
    known = services()
    last = known.message_tests.of(viewer)
    if kind.startswith(NOTICE):
        found = [(kind, None)] if kind in KINDS else []
        return {"tries": _tries(found, last, {}), "tests_of": kind}
    kept = known.settings.log_channels(viewer)
    names = {place.channel_id: place.name for place in known.settings.places(viewer)}
    chosen = [(COMMON, kept.common), *((one.value, kept.by_class.get(one)) for one in EventClass)]
    places = [(one, channel_id) for one, channel_id in chosen if channel_id is not None]
    return {"tries": _tries(places, last, names), "tests_of": COMMON}


def _tries(
    found: Sequence[tuple[str, ChannelId | None]], last: Mapping[str, LastTest], names: Mapping[ChannelId, str]
) -> list[Try]:
    return [
        Try(
            kind=kind,
            label=words.tested(kind),
            place=None if channel_id is None else names.get(channel_id, str(channel_id)),
            last=last.get(kind),
            **_outcome(last.get(kind), names, channel_id),
        )
        for kind, channel_id in found
    ]


def _outcome(last: LastTest | None, names: Mapping[ChannelId, str], now_at: ChannelId | None) -> Mapping[str, str]:
    """What became of the last one, and what to do about it."""
    if last is None:
        return {"said": "", "tone": ""}
    if last.status is Arrival.SENT:
        # It may have gone elsewhere: somebody has chosen another channel since.
        elsewhere = last.channel_id != now_at and last.channel_id in names
        return {"said": f"Sent to #{names[last.channel_id]}" if elsewhere else "Sent", "tone": "t-ok"}
    if last.status is Arrival.SENDING:
        return {"said": "On its way. If it stays so, the page Action queue says whether a worker runs.", "tone": "mid"}
    if last.status is Arrival.REFUSED:
        plain = f"Discord refused it (code {last.code}). The health check may say why."
        return {"said": f"Not sent. {_REFUSALS.get(last.code or 0, plain)}", "tone": "t-ban"}
    said = {
        Arrival.NOWHERE: "Not sent. No channel is chosen for it any more: choose one above and save.",
        Arrival.UNREACHED: "Not sent. Discord could not be reached for a minute: send again later.",
        Arrival.UNKNOWN: "Perhaps sent: Discord gave no answer. Look whether it is there.",
    }[last.status]
    return {"said": said, "tone": "t-warn"}
