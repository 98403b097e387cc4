"""The Action Queue: what waits and runs, what failed and what gave up, how fast it is, and who paused it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from kovra.actions.capabilities import NEEDS, Capability
from kovra.actions.lanes import LaneNow, Letter
from kovra.actions.request import State
from kovra.dashboard import queue_words, toast
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.act_choices import ASKABLE
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.errors import Unavailable
from kovra.store.broken import BrokenRequest
from kovra.store.guilds import GuildScope
from kovra.store.job_control import JobCard
from kovra.store.traffic import Crowd, Speed

PER_PAGE = 50
#: So many dead letters are decided about at once, and no more: each is a decision with an entry of its own on record.
AT_ONCE = 100
#: What ended stays in the list of what is under way for so long.
LATELY = timedelta(minutes=10)
#: The chart looks back over so many points, each so long.
POINTS, STEP = 30, timedelta(minutes=2)

TABS = {"active": "Active", "failed": "Failed", "dead": "Dead letters"}
KEYS: tuple[Keys, ...] = (("Action queue", (("Show new", (".",)),)),)

queue = Blueprint("queue", __name__)
_T = TypeVar("_T")
#: The lane, None while Redis does not answer, and what lies aside of it.
_Lane = tuple[LaneNow | None, Sequence[Letter]]


@queue.get("/g/<int:guild_id>/queue")
@policy(in_guild(Capability.VIEW))
def index(guild_id: int) -> str:
    """The whole page."""
    viewer = scope()
    since = seen_until(viewer)
    # Read once for all three parts, which so say the same.
    crowd, lane, (start, speed) = services().traffic.crowd(viewer), _lane(viewer), _hour(viewer)
    facts = {**_now(viewer, crowd, lane, speed), **_speed(start, speed), **_list(viewer, crowd, lane)}
    return render_template("queue.html", **shell(viewer, since, "queue", KEYS), **facts)


@queue.get("/g/<int:guild_id>/queue/now")
@policy(in_guild(Capability.VIEW))
def now(guild_id: int) -> str:
    """Key numbers and the lane."""
    viewer = scope()
    facts = _now(viewer, services().traffic.crowd(viewer), _lane(viewer), _hour(viewer)[1])
    return render_template("queue_now.html", scope=viewer, **facts)


@queue.get("/g/<int:guild_id>/queue/speed")
@policy(in_guild(Capability.VIEW))
def speed(guild_id: int) -> str:
    """The chart of the last hour, its numbers, and the steps."""
    return render_template("queue_speed.html", scope=scope(), **_speed(*_hour(scope())))


@queue.get("/g/<int:guild_id>/queue/list")
@policy(in_guild(Capability.VIEW))
def rows(guild_id: int) -> str:
    """The rows of the tab that is open."""
    viewer = scope()
    facts = _list(viewer, services().traffic.crowd(viewer), _lane(viewer))
    return render_template("queue_list.html", scope=viewer, **facts)


@queue.get("/g/<int:guild_id>/queue/dead/<uuid:request_id>/<any(retry, discard):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def ask(guild_id: int, request_id: UUID, deed: str) -> str:
    """The dialog that says what would happen."""
    found = services().broken.one(scope(), request_id)
    if found is None or found.state is not State.DEAD or found.discarded_by:
        return render_template("queue_ask.html", scope=scope(), deed=None)
    return render_template(
        "queue_ask.html", scope=scope(), one=found, deed=deed, post_to=_here("decide", deed, request_id)
    )


@queue.post("/g/<int:guild_id>/queue/dead/<uuid:request_id>/<any(retry, discard):deed>")
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


@queue.get("/g/<int:guild_id>/queue/letter/<any(retry, discard):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def ask_letter(guild_id: int, deed: str) -> str:
    """The dialog about one entry that lies aside."""
    found = _letter(request.args.get("letter", ""))
    if found is None:
        return render_template("queue_ask.html", scope=scope(), deed=None)
    post_to = url_for("queue.decide_letter", guild_id=guild_id, deed=deed)
    return render_template("queue_ask.html", scope=scope(), letter=_told(found), deed=deed, post_to=post_to)


@queue.post("/g/<int:guild_id>/queue/letter/<any(retry, discard):deed>")
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


@queue.get("/g/<int:guild_id>/queue/dead/all/<any(retry, discard):deed>")
@policy(in_guild(Capability.QUEUE_OPS))
def ask_all(guild_id: int, deed: str) -> str:
    """The dialog about all of them. What dies while it is open is not meant: the form names those it counted."""
    requests, letters, left = _dead(deed)
    facts = {"requests": requests, "letters": letters, "left": left, "most": AT_ONCE}
    if not requests and not letters:
        return render_template("queue_ask.html", scope=scope(), deed=None)
    return render_template("queue_all.html", scope=scope(), deed=deed, post_to=_here("decide_all", deed), **facts)


@queue.post("/g/<int:guild_id>/queue/dead/all/<any(retry, discard):deed>")
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


@queue.get("/g/<int:guild_id>/queue/<any(pause, resume):deed>")
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


@queue.post("/g/<int:guild_id>/queue/<any(pause, resume):deed>")
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
    return url_for(f"queue.{view}", guild_id=scope().guild_id, deed=deed, request_id=request_id)


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


def _now(viewer: GuildScope, crowd: Crowd, lane: _Lane, speed: Speed) -> Mapping[str, Any]:
    known = services()
    return {
        "crowd": crowd,
        "times": speed.whole,
        "lane": lane[0],
        "pause": known.pauses.of(viewer),
        "jobs": [job for job in known.jobs.recent(viewer) if _shown(viewer, job)],
        "operator": viewer.may(Capability.QUEUE_OPS),
    }


def _shown(viewer: GuildScope, job: JobCard) -> bool:
    return not job.ended and (viewer.may(Capability.VIEW_NOTES) or job.action.value != "note")


def _lane(viewer: GuildScope, most: int = PER_PAGE) -> _Lane:
    """The lane and what lies aside; nothing while Redis does not answer."""
    try:
        return services().lanes.lane(viewer.guild_id), services().lanes.letters(viewer.guild_id, most)
    except Unavailable:
        return None, ()


def _dead(deed: str) -> tuple[Sequence[BrokenRequest], Sequence[Letter], int]:
    """What can be decided about at once, the newest first, and how much more there is."""
    known, viewer = services(), scope()
    found = known.broken.newest(viewer, states={State.DEAD}, limit=AT_ONCE + 1)
    _, aside = _lane(viewer, AT_ONCE + 1)
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


def _start() -> datetime:
    """The beginning of the first point: whole steps of the clock, so that points stay what they were."""
    moment = services().clock.now().astimezone(UTC)
    last = moment - (moment - datetime(2026, 1, 1, tzinfo=UTC)) % STEP
    return last - (POINTS - 1) * STEP


def _hour(viewer: GuildScope) -> tuple[datetime, Speed]:
    """How fast actions were since when."""
    start = _start()
    return start, services().traffic.speed(viewer, start=start, step=STEP)


def _speed(start: datetime, speed: Speed) -> Mapping[str, Any]:
    moments = [start + at * STEP for at in range(POINTS)]
    return {"speed": speed, **queue_words.chart(speed, moments, STEP)}


def _list(viewer: GuildScope, crowd: Crowd, lane: _Lane) -> Mapping[str, Any]:
    known, tab = services(), request.args.get("tab", "")
    tab = tab if tab in TABS else "active"
    letters = lane[1]
    counts = {
        "active": crowd.waiting + crowd.deferred + crowd.running + crowd.finishing,
        "failed": crowd.failed_ever,
        "dead": crowd.dead + len(letters),
    }
    before = _moment(request.args.get("before"))
    broken: Sequence[BrokenRequest] = ()
    if tab != "active":
        state = State.FAILED if tab == "failed" else State.DEAD
        broken = known.broken.newest(viewer, states={state}, before=before, limit=PER_PAGE + 1)
    moving = known.traffic.moving(viewer, lately=LATELY, limit=2 * PER_PAGE) if tab == "active" else ()
    waiting = [one.request_id for one in moving if one.state is State.ACCEPTED]
    address = {"guild_id": viewer.guild_id, "tab": tab}
    older = (
        url_for("queue.index", **address, before=broken[PER_PAGE - 1].done_at.isoformat())
        if len(broken) > PER_PAGE
        else None
    )
    return {
        "tab": tab,
        "tabs": [(key, label, counts[key]) for key, label in TABS.items()],
        "moving": moving,
        "cancellable": known.cancelling.offered(viewer, waiting) if waiting else frozenset(),
        "broken": broken[:PER_PAGE],
        "remedy": queue_words.remedy,
        "letters": [_told(letter) for letter in letters] if tab == "dead" else (),
        "lane_away": lane[0] is None,
        "askable": {action for action in ASKABLE if viewer.may(NEEDS[action])},
        "operator": viewer.may(Capability.QUEUE_OPS),
        "first": before is None,
        "older": older,
        "list_url": url_for("queue.rows", **address, before=before.isoformat() if before else None),
    }


def _letter(letter_id: str) -> Letter | None:
    return next((one for one in services().lanes.letters(scope().guild_id, 1_000) if one.id == letter_id), None)


def _told(letter: Letter) -> Mapping[str, Any]:
    happened, remedy = queue_words.letter(letter.cause)
    return {"letter": letter, "happened": happened, "remedy": remedy}


def _moment(text: str | None) -> datetime | None:
    try:
        read = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return read if read is None or read.tzinfo else None
