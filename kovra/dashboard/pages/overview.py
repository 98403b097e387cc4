"""The front page of a server: what happens, what waits for somebody, and how Guard is. It stays live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from kovra.actions.capabilities import GUARD_NEEDS, NEEDS, Capability, effective_permissions, permission_names
from kovra.actions.request import Action
from kovra.dashboard import charts, wording, worker_words
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.head_first import head_first
from kovra.dashboard.services import services
from kovra.dashboard.shell import home, seen_until, shell
from kovra.dashboard.worker_words import Trouble
from kovra.ids import GuildId
from kovra.store.guilds import GuildScope
from kovra.store.lane_pauses import LanePause
from kovra.store.overview import Activity, Pulse

LATEST = 8
#: Guard's gateway beats far more often; after this, pages say that it is away.
SILENT_AFTER = timedelta(seconds=60)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

#: The actions of one colour, from the bottom of a bar up.
SERIES: Mapping[str, tuple[str, frozenset[str]]] = {
    "warn": ("Warn", frozenset({"warn"})),
    "mute": ("Mute", frozenset({"mute"})),
    "note": ("Note", frozenset({"note"})),
    "kick": ("Kick", frozenset({"kick"})),
    "ban": ("Ban", frozenset({"ban", "softban"})),
    "lift": ("Lifted", frozenset({"unban", "unmute"})),
}
OTHER = "other"
#: What the front page offers at once.
QUICK = (Action.WARN, Action.MUTE, Action.BAN, Action.NOTE)

overview = Blueprint("overview", __name__)


@dataclass(frozen=True, kw_only=True)
class Span:
    """A length of time to look back over."""

    key: str
    label: str
    days: int

    @property
    def by_hour(self) -> bool:
        return self.days == 1


SPANS = {
    span.key: span
    for span in (
        Span(key="24h", label="24 h", days=1),
        Span(key="7d", label="7 days", days=7),
        Span(key="30d", label="30 days", days=30),
        Span(key="90d", label="90 days", days=90),
    )
}


@overview.get("/g/<int:guild_id>/")
@policy(in_guild(Capability.VIEW))
def front(guild_id: int) -> Response:
    return redirect(home(GuildId(guild_id)), HTTPStatus.SEE_OTHER)


@overview.get("/g/<int:guild_id>/overview")
@policy(in_guild(Capability.VIEW))
@head_first
def index(guild_id: int) -> str:
    """The whole page."""
    viewer = scope()
    since = seen_until(viewer)
    return render_template("overview.html", **shell(viewer, since, "overview"), **_facts(viewer), **_charts(viewer))


@overview.get("/g/<int:guild_id>/overview/now")
@policy(in_guild(Capability.VIEW))
def now(guild_id: int) -> str:
    """Key numbers, what needs attention, Guard, the latest cases."""
    return render_template("overview_now.html", scope=scope(), **_facts(scope()))


@overview.get("/g/<int:guild_id>/overview/charts")
@policy(in_guild(Capability.VIEW))
def activity(guild_id: int) -> str:
    """The charts and the table of moderators."""
    return render_template("overview_charts.html", scope=scope(), **_charts(scope()))


def _span() -> Span:
    return SPANS.get(request.args.get("span", ""), SPANS["30d"])


def _facts(viewer: GuildScope) -> Mapping[str, Any]:
    known = services()
    pulse = known.overview.pulse(viewer)
    latest = known.cases.page(viewer, limit=LATEST).rows
    silent = pulse.heard_at is None or pulse.now - pulse.heard_at > SILENT_AFTER
    missing = _missing(viewer)
    stopped = worker_words.standstill(known.workers.now(), known.lanes.shard_of(viewer.guild_id))
    pause = known.pauses.of(viewer)
    return {
        "pulse": pulse,
        "latest": latest,
        "silent": silent,
        "missing": missing,
        "stopped": stopped,
        "pause": pause,
        "attention": _attention(viewer, pulse, silent, missing, stopped, pause),
        "spans": tuple(SPANS.values()),
        "quick": [action for action in QUICK if viewer.may(NEEDS[action])],
    }


def _missing(viewer: GuildScope) -> list[str]:
    """The Discord permissions that Guard needs for its actions and does not have."""
    standing = services().roster.standing(viewer.guild_id, viewer.viewer.user_id, viewer.guard_id)
    held = effective_permissions(standing.guard, standing.owner_id)
    lacking = {needed for needed in GUARD_NEEDS.values() if not held & needed.value}
    return sorted(permission_names(needed) for needed in lacking)


@dataclass(frozen=True, kw_only=True)
class Concern:
    """Something that waits for a person."""

    title: str
    text: str
    icon: str
    kind: str
    href: str | None


def _attention(
    viewer: GuildScope,
    pulse: Pulse,
    silent: bool,
    missing: Sequence[str],
    stopped: Trouble | None,
    pause: LanePause | None,
) -> list[Concern]:
    concerns = []
    if stopped:
        href = url_for("queue.index", guild_id=viewer.guild_id)
        concerns.append(Concern(title=stopped.title, text=stopped.text, icon="offline", kind="a-ban", href=href))
    if pause:
        text = f"By {pause.paused_by_name}, {wording.utc(pause.paused_at)}. {worker_words.WAITS}"
        href = url_for("queue.index", guild_id=viewer.guild_id)
        concerns.append(Concern(title="The Action Queue is paused", text=text, icon="pause", kind="a-warn", href=href))
    if silent:
        said = "It has not been heard yet." if pulse.heard_at is None else f"Last heard {wording.utc(pulse.heard_at)}."
        text = f"{said} Actions wait; who is who may be out of date."
        concerns.append(Concern(title="Guard is away", text=text, icon="offline", kind="a-ban", href=None))
    if missing:
        text = f"Missing in Discord: {', '.join(missing)}"
        concerns.append(Concern(title="Guard cannot do everything", text=text, icon="lock", kind="a-ban", href=None))
    if pulse.failed:
        title = f"{wording.count(pulse.failed, 'action')} failed"
        href = url_for("queue.index", guild_id=viewer.guild_id)
        concerns.append(Concern(title=title, text=pulse.failed_why or "", icon="queue", kind="a-ban", href=href))
    if pulse.overdue:
        title = f"{wording.count(pulse.overdue, 'punishment')} overdue"
        href = url_for("cases.index", guild_id=viewer.guild_id, case=pulse.overdue_case)
        text = f"The first is case #{pulse.overdue_case}. Guard goes on trying to lift it."
        concerns.append(Concern(title=title, text=text, icon="clock", kind="a-warn", href=href))
    for one in pulse.used_up:
        title = f"{one.name} used all {one.bans_limit} bans of the hour"
        text = "Further bans are refused; they free up one by one."
        concerns.append(Concern(title=title, text=text, icon="key", kind="a-mute", href=None))
    return concerns


def _charts(viewer: GuildScope) -> Mapping[str, Any]:
    span, moment = _span(), services().clock.now()
    start, step = _start(span, moment)
    length = timedelta(days=span.days)
    found = services().overview.activity(viewer, start=start, length=length, by_hour=span.by_hour)
    moments = [start + at * step for at in range(24 if span.by_hour else span.days)]
    used = [key for key in (*SERIES, OTHER) if any(_series_of(column).get(key) for column in found.columns.values())]
    return {
        "span": span,
        "activity": found,
        "covers": f"{_day(moments[0])} to {_day(moment)}" if not span.by_hour else "The last 24 hours",
        "chart": _bars(found, moments, span),
        "numbers": [(_full_label(at, span), _series_of(found.columns.get(at, {}))) for at in reversed(moments)],
        "legend": [(key, _series_label(key)) for key in used],
        "sentence": _sentence(found, moments, span),
        "heat": (heat := _heat(found)),
        "fields": _fields(heat),
        "days": DAYS,
        "busiest": _busiest(found),
    }


def _start(span: Span, moment: datetime) -> tuple[datetime, timedelta]:
    """The first hour or day shown, and how far the next one is."""
    if span.by_hour:
        return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=23), timedelta(
            hours=1
        )
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=span.days - 1), timedelta(days=1)


def _bars(found: Activity, moments: Sequence[datetime], span: Span) -> charts.Bars:
    every = {1: 4, 7: 1, 30: 5, 90: 15}[span.days]
    # Counted from now, so that the newest is always named.
    labelled = range(len(moments) - 1, -1, -every)
    columns = []
    for at in moments:
        values = _series_of(found.columns.get(at, {}))
        said = ", ".join(f"{number} {_series_label(key).lower()}" for key, number in values.items()) or "no cases"
        columns.append((_label(at, span, moments[-1]), f"{_full_label(at, span)}: {said}", values))
    return charts.bars(columns, (*SERIES, OTHER), labelled)


def _series_of(actions: Mapping[Action, int]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for action, number in actions.items():
        key = next((key for key, (_, those) in SERIES.items() if action.value in those), OTHER)
        counted[key] = counted.get(key, 0) + number
    return counted


def _series_label(key: str) -> str:
    return SERIES[key][0] if key in SERIES else "Other"


def _sentence(found: Activity, moments: Sequence[datetime], span: Span) -> str:
    """The chart in one sentence, for those who cannot see it."""
    totals = {at: sum(found.columns.get(at, {}).values()) for at in moments}
    highest = max(totals, key=lambda at: totals[at])
    if not totals[highest]:
        return "No cases in this time."
    unit = "hour" if span.by_hour else "day"
    return (
        f"{wording.count(found.total, 'case')}. Busiest {unit}: {_full_label(highest, span)} with {totals[highest]:,}. "
        "The same numbers are in the table."
    )


def _heat(found: Activity) -> list[list[int]]:
    """For each weekday and hour the number of cases."""
    return [[found.hours.get((day, hour), 0) for hour in range(24)] for day in range(7)]


def _fields(heat: Sequence[Sequence[int]]) -> list[charts.Field]:
    highest = max(map(max, heat))
    return charts.fields(
        [
            [
                (charts.shade(number, highest), f"{day} {hour:02}:00: {wording.count(number, 'case')}")
                for hour, number in enumerate(hours)
            ]
            for day, hours in zip(DAYS, heat, strict=True)
        ]
    )


def _busiest(found: Activity) -> str | None:
    if not found.hours:
        return None
    day, hour = max(found.hours, key=lambda place: found.hours[place])
    return f"Busiest: {DAYS[day]}, {hour:02}:00 to {(hour + 1) % 24:02}:00"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b}"


def _label(at: datetime, span: Span, last: datetime) -> str:
    if span.by_hour:
        return f"{at:%H:%M}"
    return "Today" if at == last else _day(at)


def _full_label(at: datetime, span: Span) -> str:
    return f"{at:%H:%M} to {at + timedelta(hours=1):%H:%M}" if span.by_hour else f"{at:%a} {_day(at)}"
