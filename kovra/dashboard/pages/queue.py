"""The Action Queue: what waits and runs, what failed and what gave up, how fast it is, who executes and who paused it.

What is decided there (retry, discard, pause) is ``queue_deeds``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, request, url_for

from kovra.actions.capabilities import NEEDS, Capability
from kovra.actions.lanes import LaneNow, Letter
from kovra.actions.request import State
from kovra.dashboard import queue_words, worker_words
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.act_choices import ASKABLE
from kovra.dashboard.head_first import head_first
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.errors import Unavailable
from kovra.store.broken import BrokenRequest
from kovra.store.guilds import GuildScope
from kovra.store.job_control import JobCard
from kovra.store.traffic import Crowd, Speed

PER_PAGE = 50
#: What ended stays in the list of what is under way for so long.
LATELY = timedelta(minutes=10)
#: The chart looks back over so many points, each so long.
POINTS, STEP = 30, timedelta(minutes=2)

TABS = {"active": "Active", "failed": "Failed", "dead": "Dead letters"}
KEYS: tuple[Keys, ...] = (("Action queue", (("Show new", (".",)),)),)

queue = Blueprint("queue", __name__)
#: The lane, None while Redis does not answer, and what lies aside of it.
Lane = tuple[LaneNow | None, Sequence[Letter]]


@queue.get("/g/<int:guild_id>/queue")
@policy(in_guild(Capability.VIEW))
@head_first
def index(guild_id: int) -> str:
    """The whole page."""
    viewer = scope()
    since = seen_until(viewer)
    # Read once for the parts that share it, which so say the same.
    crowd, lane, (start, speed) = services().traffic.crowd(viewer), lane_of(viewer), _hour(viewer)
    facts = {**_now(viewer, crowd, lane, speed), **_speed(start, speed), **_list(viewer, crowd, lane), **_crew(viewer)}
    return render_template("queue.html", **shell(viewer, since, "queue", KEYS), **facts)


@queue.get("/g/<int:guild_id>/queue/now")
@policy(in_guild(Capability.VIEW))
def now(guild_id: int) -> str:
    """Key numbers and the lane."""
    viewer = scope()
    facts = _now(viewer, services().traffic.crowd(viewer), lane_of(viewer), _hour(viewer)[1])
    return render_template("queue_now.html", scope=viewer, **facts)


@queue.get("/g/<int:guild_id>/queue/speed")
@policy(in_guild(Capability.VIEW))
def speed(guild_id: int) -> str:
    """The chart of the last hour, its numbers, and the steps."""
    return render_template("queue_speed.html", scope=scope(), **_speed(*_hour(scope())))


@queue.get("/g/<int:guild_id>/queue/workers")
@policy(in_guild(Capability.VIEW))
def workers(guild_id: int) -> str:
    """Who executes what is asked for here."""
    return render_template("queue_workers.html", scope=scope(), **_crew(scope()))


@queue.get("/g/<int:guild_id>/queue/list")
@policy(in_guild(Capability.VIEW))
def rows(guild_id: int) -> str:
    """The rows of the tab that is open."""
    viewer = scope()
    facts = _list(viewer, services().traffic.crowd(viewer), lane_of(viewer))
    return render_template("queue_list.html", scope=viewer, **facts)


def _now(viewer: GuildScope, crowd: Crowd, lane: Lane, speed: Speed) -> Mapping[str, Any]:
    known = services()
    return {
        "crowd": crowd,
        "times": speed.whole,
        "lane": lane[0],
        "pause": known.pauses.of(viewer),
        "jobs": [job for job in known.jobs.recent(viewer) if _shown(viewer, job)],
        "operator": viewer.may(Capability.QUEUE_OPS),
    }


def _crew(viewer: GuildScope) -> Mapping[str, Any]:
    """The workers. Names of machines, and shards that carry other servers alone, are for those who run the queue."""
    known, operator = services(), viewer.may(Capability.QUEUE_OPS)
    found, lanes = known.workers.of(viewer), known.lanes
    return {"crew": worker_words.crew(found, lanes.shard_of(viewer.guild_id), lanes.shards, operator=operator)}


def _shown(viewer: GuildScope, job: JobCard) -> bool:
    return not job.ended and (viewer.may(Capability.VIEW_NOTES) or job.action.value != "note")


def lane_of(viewer: GuildScope, most: int = PER_PAGE) -> Lane:
    """The lane and what lies aside; nothing while Redis does not answer."""
    try:
        return services().lanes.lane(viewer.guild_id), services().lanes.letters(viewer.guild_id, most)
    except Unavailable:
        return None, ()


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


def _list(viewer: GuildScope, crowd: Crowd, lane: Lane) -> Mapping[str, Any]:
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
        "letters": [told(letter) for letter in letters] if tab == "dead" else (),
        "lane_away": lane[0] is None,
        "askable": {action for action in ASKABLE if viewer.may(NEEDS[action])},
        "operator": viewer.may(Capability.QUEUE_OPS),
        "first": before is None,
        "older": older,
        "list_url": url_for("queue.rows", **address, before=before.isoformat() if before else None),
    }


def told(letter: Letter) -> Mapping[str, Any]:
    happened, remedy = queue_words.letter(letter.cause)
    return {"letter": letter, "happened": happened, "remedy": remedy}


def _moment(text: str | None) -> datetime | None:
    try:
        read = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return read if read is None or read.tzinfo else None
