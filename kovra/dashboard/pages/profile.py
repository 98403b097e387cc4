"""One person to a server: what was done to them, what holds, who they were and how they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from marshmallow import ValidationError

from kovra.actions.capabilities import Capability
from kovra.actions.reverse import MOST_MINUTES
from kovra.dashboard import charts, wording
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.act_choices import QUICK
from kovra.dashboard.draft import choices_for
from kovra.dashboard.pages.act import person_of
from kovra.dashboard.pages.palette import KEYS as ACT_KEYS
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.schemas import LinkForm, first_sentences
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.ids import UserId
from kovra.store.bygone import DayCount, JoinSignals
from kovra.store.guilds import GuildScope
from kovra.store.profiles import Profile

#: Cases on one page of the history; notes beside it; days of the chart.
CASES, NOTES, DAYS = 20, 5, 30
NEW_ACCOUNT = timedelta(days=7)

KEYS: tuple[Keys, ...] = (
    ("Member", (("Warn", ("W",)), ("Mute", ("M",)), ("Ban", ("B",)), ("Note", ("N",)), ("Copy ID", ("C",)))),
)

profile = Blueprint("profile", __name__)


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One thing that stands out. ``hot``: it asks for a look."""

    text: str
    hot: bool = False


@profile.get("/g/<int:guild_id>/members/<int:user_id>")
@policy(in_guild(Capability.VIEW))
def page(guild_id: int, user_id: int) -> str:
    """The whole page; also for somebody who is no member, when a ban or a case tells of them."""
    viewer = scope()
    since = seen_until(viewer)
    facts = _facts(viewer, user_id)
    return render_template("profile.html", **shell(viewer, since, "members", KEYS), **facts)


@profile.get("/g/<int:guild_id>/members/<int:user_id>/now")
@policy(in_guild(Capability.VIEW))
def now(guild_id: int, user_id: int) -> str:
    """Everything but the frame, after something about them has changed."""
    return render_template("profile_now.html", scope=scope(), **_facts(scope(), user_id))


@profile.post("/g/<int:guild_id>/members/<int:user_id>/links")
@policy(in_guild(Capability.NOTE))
def link(guild_id: int, user_id: int) -> Response:
    """Link this account to another one of the same person, or take a link back."""
    viewer, who = scope(), UserId(user_id)
    problem = _linked(viewer, who) if user_id < 1 << 63 else "There is no such account."
    if problem is None and request.headers.get("HX-Request") != "true":
        return redirect(url_for("profile.page", guild_id=guild_id, user_id=user_id), HTTPStatus.SEE_OTHER)
    links = services().account_links.of(viewer, who) if user_id < 1 << 63 else []
    drawn = render_template(
        "profile_links.html", scope=viewer, user_id=user_id, links=links, problem=problem, typed=request.form
    )
    return Response(drawn, HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK)


def _linked(viewer: GuildScope, who: UserId) -> str | None:
    """Do what the form says; gives the sentence that says why not."""
    known = services()
    try:
        given = LinkForm().load(request.form)
    except ValidationError as error:
        return next(iter(first_sentences(error).values()))
    other = person_of(viewer, given["other"]) or next(iter(known.members.find(viewer, given["other"], 1)), None)
    if other is None:
        return "Nobody here goes by that. A whole ID works for people who are not in this server."
    if other.user_id == who:
        return "That is this account itself."
    if given["unlink"]:
        return None if known.account_links.unlink(viewer, who, other.user_id) else "That link was taken back already."
    linked = known.account_links.link(viewer, who, other.user_id, " ".join(given["why"].split()))
    return None if linked else "These two are linked already."


def _facts(viewer: GuildScope, user_id: int) -> Mapping[str, Any]:
    known = services()
    before = request.args.get("before", type=int)
    before = before if before and 0 < before < 1 << 62 else None
    found = known.profiles.of(viewer, UserId(user_id), before, CASES + 1, NOTES) if user_id < 1 << 63 else None
    if found is None:
        raise NoSuchPage
    who, moment = found.card.user_id, known.clock.now()
    past = known.bygone.of(viewer, who, moment.date() - timedelta(days=DAYS - 1))
    offers = choices_for(viewer, found.card, frozenset(case.action.value for case in found.holding))
    return {
        "profile": found,
        "card": found.card,
        "cases": found.cases[:CASES],
        "before": before,
        "older": found.cases[CASES - 1].case_no if len(found.cases) > CASES else None,
        "by_hand": _by_hand(found, moment),
        "offers": [action for action in offers if action in QUICK],
        # Whoever has just lost their roles is the one whose last acts are taken back: roles do not tell.
        "acted": viewer.may(Capability.REVERSE) and _lately(found.acted_at, moment),
        "more": any(action not in QUICK for action in offers),
        "keys": ACT_KEYS,
        "names": past.names,
        "joinings": past.joinings,
        "came": past.signals,
        "signals": _signals(found, past.signals, moment),
        "written": _written(past.messages, moment.date()),
        "links": known.account_links.of(viewer, who) if viewer.may(Capability.VIEW_NOTES) else [],
        "user_id": who,
        "now": moment,
    }


def _lately(acted_at: datetime | None, moment: datetime) -> bool:
    return acted_at is not None and acted_at > moment - timedelta(minutes=MOST_MINUTES)


def _by_hand(found: Profile, moment: datetime) -> Sequence[str]:
    """What holds them without a case of it: it was so before Guard came, or nobody told."""
    held = {case.action.value for case in found.holding}
    said = []
    if found.card.banned and "ban" not in held:
        said.append(f"Banned in Discord{f': {found.card.ban_reason}' if found.card.ban_reason else ''}")
    if wording.muted(found.card, moment) and "mute" not in held and found.card.timed_out_until is not None:
        said.append(f"Timed out in Discord, {wording.left(found.card.timed_out_until, moment)}")
    return said


def _signals(found: Profile, came: JoinSignals, moment: datetime) -> list[Signal]:
    """What stands out, as far as it is known."""
    if found.card.bot:
        return []
    shown = []
    if moment - came.account_made_at < NEW_ACCOUNT:
        shown.append(Signal(text=f"New account: {wording.ago(came.account_made_at, moment)} old", hot=True))
    elif came.age_at_join is not None and timedelta() <= came.age_at_join < NEW_ACCOUNT:
        age = wording.ago(moment - came.age_at_join, moment)
        shown.append(Signal(text=f"Account was {'new' if age == 'now' else age + ' old'} when they came"))
    if came.joined_times > 1:
        shown.append(Signal(text=f"Joined {came.joined_times} times"))
    if came.pending:
        shown.append(Signal(text="Has not accepted the rules"))
    if came.same_invite:
        others = wording.count(came.same_invite, "other")
        shown.append(Signal(text=f"{others} by the same invite within an hour", hot=came.same_invite >= 5))
    if came.same_invite_banned:
        shown.append(Signal(text=f"{came.same_invite_banned} of those by this invite are banned", hot=True))
    return shown


@dataclass(frozen=True, kw_only=True)
class Written:
    """Messages per day as a chart and as numbers, the latest day first."""

    chart: charts.Bars
    sentence: str
    days: Sequence[tuple[str, int]]
    total: int


def _written(counts: Sequence[DayCount], today: date) -> Written:
    by_day = {one.day: one.messages for one in counts}
    days = [today - timedelta(days=DAYS - 1 - at) for at in range(DAYS)]
    total = sum(by_day.get(day, 0) for day in days)
    columns = []
    for day in days:
        label = "Today" if day == today else f"{day.day} {day:%b}"
        said = f"{day:%a} {day.day} {day:%b}: {wording.count(by_day.get(day, 0), 'message')}"
        columns.append((label, said, {"line": by_day.get(day, 0)}))
    most = max(days, key=lambda day: by_day.get(day, 0))
    sentence = (
        f"{wording.count(total, 'message')} in {DAYS} days, most on {most:%a} {most.day} {most:%b}: "
        f"{by_day.get(most, 0):,}. The same numbers are in the table."
        if total
        else f"No messages in {DAYS} days."
    )
    return Written(
        chart=charts.bars(columns, ("line",), range(DAYS - 1, -1, -7)),
        sentence=sentence,
        days=[(f"{day:%a} {day.day} {day:%b}", by_day.get(day, 0)) for day in reversed(days)],
        total=total,
    )
