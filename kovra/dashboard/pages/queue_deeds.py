"""What is decided on the page of the Action Queue: about dead letters, each or all at once, and about the lane."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from kovra.actions.capabilities import Capability
from kovra.actions.lanes import Letter
from kovra.actions.request import State
from kovra.dashboard import toast
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.pages.queue import lane_of, told
from kovra.dashboard.services import services
from kovra.store.broken import BrokenRequest

#: So many dead letters are decided about at once, and no more: each is a decision with an entry of its own on record.
AT_ONCE = 100

queue_deeds = Blueprint("queue_deeds", __name__)
_T = TypeVar("_T")


@queue_deeds.get("/g/<int:guild_id>/queue/dead/<uuid:request_id>/<any(retry, discard):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def ask(guild_id: int, request_id: UUID, deed: str) -> str:
    """The dialog that says what would happen."""
    found = services().broken.one(scope(), request_id)
    if found is None or found.state is not State.DEAD or found.discarded_by:
        return render_template("queue_ask.html", scope=scope(), deed=None)
    return render_template(
        "queue_ask.html", scope=scope(), one=found, deed=deed, post_to=_here("decide", deed, request_id)
    )


@queue_deeds.post("/g/<int:guild_id>/queue/dead/<uuid:request_id>/<any(retry, discard):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def decide(guild_id: int, request_id: UUID, deed: str) -> Response:
    """Want a dead request again, or see to it."""
    known, viewer = services(), scope()
    refused = getattr(known.broken, deed)(viewer, request_id)
    if refused is not None:
        return _refused(refused)
    known.submit.bulletin.ring(viewer.guild_id)
    status = known.requests.status(viewer, request_id)
    assert status is not None
    said = (
        toast.of_status(status)
        if deed == "retry"
        else toast.said("Discarded", "It stays dead. The audit log has who discarded it.")
    )
    return _kept(render_template("toast.html", scope=viewer, toast=said))


@queue_deeds.get("/g/<int:guild_id>/queue/letter/<any(retry, discard):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def ask_letter(guild_id: int, deed: str) -> str:
    """The dialog about one entry that lies aside."""
    found = _letter(request.args.get("letter", ""))
    if found is None:
        return render_template("queue_ask.html", scope=scope(), deed=None)
    post_to = url_for("queue_deeds.decide_letter", guild_id=guild_id, deed=deed)
    return render_template("queue_ask.html", scope=scope(), letter=told(found), deed=deed, post_to=post_to)


@queue_deeds.post("/g/<int:guild_id>/queue/letter/<any(retry, discard):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def decide_letter(guild_id: int, deed: str) -> Response:
    """Put an entry back on the lane, or throw it away."""
    known, viewer = services(), scope()
    refused = getattr(known.lanes, deed)(viewer, request.form.get("letter", "")[:200])
    if refused is not None:
        return _refused(refused)
    known.pauses.touched(viewer)
    known.submit.bulletin.ring(viewer.guild_id)
    words = {
        "retry": ("Put back", "The entry lies on the lane again and is checked like any other."),
        "discard": ("Discarded", "The entry is gone. The audit log has who discarded it."),
    }
    return _kept(render_template("toast.html", scope=viewer, toast=toast.said(*words[deed])))


@queue_deeds.get("/g/<int:guild_id>/queue/dead/all/<any(retry, discard):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def ask_all(guild_id: int, deed: str) -> str:
    """The dialog about all of them. What dies while it is open is not meant: the form names those it counted."""
    requests, letters, left = _dead(deed)
    facts = {"requests": requests, "letters": letters, "left": left, "most": AT_ONCE}
    if not requests and not letters:
        return render_template("queue_ask.html", scope=scope(), deed=None)
    return render_template("queue_all.html", scope=scope(), deed=deed, post_to=_here("decide_all", deed), **facts)


@queue_deeds.post("/g/<int:guild_id>/queue/dead/all/<any(retry, discard):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def decide_all(guild_id: int, deed: str) -> Response:
    """Each is decided about alone, with its own entry on record; one that cannot be leaves the others."""
    known, viewer = services(), scope()
    requests, letters = _named("requests", _uuid), _named("letters", str)
    if len(requests) + len(letters) > AT_ONCE or request.form.get("count") != str(len(requests) + len(letters)):
        return _refused("Nothing was done: type the number of dead letters, exactly as the dialog shows it.")
    refused = [getattr(known.broken, deed)(viewer, request_id) for request_id in requests]
    refused += [getattr(known.lanes, deed)(viewer, letter_id) for letter_id in letters]
    if letters:
        known.pauses.touched(viewer)
    known.submit.bulletin.ring(viewer.guild_id)
    said = toast.of_many(deed, len(refused), [why for why in refused if why is not None])
    return _kept(render_template("toast.html", scope=viewer, toast=said))


@queue_deeds.get("/g/<int:guild_id>/queue/<any(pause, resume):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def ask_lane(guild_id: int, deed: str) -> str:
    """The dialog that says what a pause changes."""
    return render_template(
        "queue_ask.html",
        scope=scope(),
        deed=deed,
        post_to=_here("steer", deed),
        crowd=services().traffic.crowd(scope()),
    )


@queue_deeds.post("/g/<int:guild_id>/queue/<any(pause, resume):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def steer(guild_id: int, deed: str) -> Response:
    """Pause the lane of this server, or open it."""
    known, viewer, paused = services(), scope(), deed == "pause"
    refused = known.pauses.change(viewer, paused)
    if refused is not None:
        return _refused(refused)
    # When Redis does not answer, a worker tells the lane once it does: what was decided is a row.
    known.lanes.pause(viewer.guild_id, paused)
    known.submit.bulletin.ring(viewer.guild_id)
    words = (
        ("Queue paused", "What is asked for is accepted and waits.")
        if paused
        else ("Queue resumed", "What waited runs now.")
    )
    return _kept(render_template("toast.html", scope=viewer, toast=toast.said(*words)))


def _here(view: str, deed: str, request_id: UUID | None = None) -> str:
    return url_for(f"queue_deeds.{view}", guild_id=scope().guild_id, deed=deed, request_id=request_id)


def _kept(drawn: str) -> Response:
    """A toast; the dialog goes away, and the page looks again at once."""
    made = make_response(drawn)
    made.headers["HX-Trigger"] = json.dumps({"act:kept": {"target": "#act"}, "live:lane": {"target": "body"}})
    return made


def _refused(sentence: str) -> Response:
    """Why not, said in the dialog; somebody else may have decided meanwhile, so the page looks again."""
    drawn = render_template("queue_refused.html", sentence=sentence)
    made = make_response(drawn, HTTPStatus.CONFLICT)
    made.headers["HX-Retarget"], made.headers["HX-Reswap"] = "#ask-problem", "innerHTML"
    made.headers["HX-Trigger"] = json.dumps({"live:lane": {"target": "body"}})
    return made


def _dead(deed: str) -> tuple[Sequence[BrokenRequest], Sequence[Letter], int]:
    """What can be decided about at once, the newest first, and how much more there is."""
    known, viewer = services(), scope()
    found = known.broken.newest(viewer, states={State.DEAD}, limit=AT_ONCE + 1)
    _, aside = lane_of(viewer, AT_ONCE + 1)
    letters = [one for one in aside if deed == "discard" or one.message_id is not None]
    requests = found[:AT_ONCE]
    letters_too = letters[: AT_ONCE - len(requests)]
    everything = max(known.traffic.crowd(viewer).dead or 0, len(found)) + len(letters)
    return requests, letters_too, everything - len(requests) - len(letters_too)


def _named(name: str, read: Callable[[str], _T | None]) -> list[_T]:
    """The ids that a form names, each once; what is none is left out and so fails the count."""
    words = dict.fromkeys(request.form.get(name, "").split()[: AT_ONCE + 1])
    return [found for word in words if (found := read(word[:200])) is not None]


def _uuid(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None


def _letter(letter_id: str) -> Letter | None:
    return next((one for one in services().lanes.letters(scope().guild_id, 1_000) if one.id == letter_id), None)
