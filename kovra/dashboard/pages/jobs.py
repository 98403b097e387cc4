"""One mass action: how far it is, what became of each target, and what people decide of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask import Response as FileResponse
from marshmallow import ValidationError
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import NEEDS, Capability
from kovra.actions.job import Job, JobState
from kovra.actions.request import INVERSE, Action, Source, State
from kovra.dashboard import files, job_words
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.mass import MassDraft
from kovra.dashboard.pages.mass import reviewed_page
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.schemas import ExportForm, ReleaseForm, first_sentences
from kovra.dashboard.services import services
from kovra.dashboard.shell import seen_until, shell
from kovra.errors import Conflict
from kovra.ids import new_request_id
from kovra.store.guilds import GuildScope
from kovra.store.job_control import JobCard, JobTarget

#: What can be shown alone: the word in the address, its label, and the states it stands for.
GROUPS: Mapping[str, tuple[str, frozenset[State]]] = {
    "done": ("Done", frozenset({State.APPLIED, State.DONE})),
    "failed": ("Failed", frozenset({State.FAILED, State.DEAD})),
    "waiting": ("Under way", frozenset({State.ACCEPTED, State.EXECUTING})),
    "rejected": ("Rejected", frozenset({State.REJECTED})),
    "stopped": ("Cancelled", frozenset({State.CANCELLED, State.EXPIRED})),
}
#: Of these it makes sense to ask again.
AGAIN = ("failed", "rejected", "stopped")

jobs = Blueprint("jobs", __name__)


@jobs.get("/g/<int:guild_id>/jobs/<uuid:batch_id>")
@policy(in_guild(Capability.VIEW))
def page(guild_id: int, batch_id: UUID) -> Response:
    """The whole page; it stays live."""
    return _page(scope(), batch_id)


@jobs.get("/g/<int:guild_id>/jobs/<uuid:batch_id>/progress")
@policy(in_guild(Capability.VIEW))
def progress(guild_id: int, batch_id: UUID) -> str:
    """Counts, buttons and targets alone."""
    return render_template("job_progress.html", **_facts(scope(), batch_id))


@jobs.post("/g/<int:guild_id>/jobs/<uuid:batch_id>/pause")
@policy(in_guild(Capability.MASS))
def pause(guild_id: int, batch_id: UUID) -> Response:
    """Begin nothing more of it until somebody lets it go on."""
    return _decide(batch_id, JobState.PAUSED)


@jobs.post("/g/<int:guild_id>/jobs/<uuid:batch_id>/resume")
@policy(in_guild(Capability.MASS))
def resume(guild_id: int, batch_id: UUID) -> Response:
    """Let it go on."""
    return _decide(batch_id, JobState.RUNNING)


@jobs.post("/g/<int:guild_id>/jobs/<uuid:batch_id>/stop")
@policy(in_guild(Capability.MASS))
def stop(guild_id: int, batch_id: UUID) -> Response:
    """Cancel what is left of it, for good."""
    return _decide(batch_id, JobState.CANCELLED)


@jobs.post("/g/<int:guild_id>/jobs/<uuid:batch_id>/release")
@policy(in_guild(Capability.APPROVE))
def release(guild_id: int, batch_id: UUID) -> Response:
    """Ask for the over-budget rest in the name of whoever releases it, on their budget: a job of its own."""
    known, viewer = services(), scope()
    found = known_job(viewer, batch_id)
    try:
        given = ReleaseForm().load(request.form)
    except ValidationError as error:
        return _page(viewer, batch_id, next(iter(first_sentences(error).values())))
    if known.jobs.card(viewer, given["batch_id"]) is not None:
        return _to(viewer, given["batch_id"])
    rest = known.jobs.releasable(known.jobs.targets(viewer, batch_id))
    if not rest:
        return _page(viewer, batch_id, "There is nothing to release: nothing went over a budget, or it was released.")
    job = Job(
        batch_id=given["batch_id"],
        guild_id=viewer.guild_id,
        action=found.action,
        targets=tuple(one.target_id for one in rest),
        moderator_id=viewer.viewer.user_id,
        source=Source.DASHBOARD,
        reason=found.reason,
        issued_at=known.clock.now(),
        params=found.params,
        releases=tuple(one.request_id for one in rest),
    )
    try:
        known.submit_job(job)
    except Conflict:
        return _page(viewer, batch_id, "This button was used for something else meanwhile. Look again and press it.")
    return _to(viewer, job.batch_id)


@jobs.post("/g/<int:guild_id>/jobs/<uuid:batch_id>/export")
@policy(in_guild(Capability.EXPORT))
def export(guild_id: int, batch_id: UUID) -> Response:
    """What became of each target that is shown, as a file. It is on record before it is made."""
    known, viewer = services(), scope()
    known_job(viewer, batch_id)
    try:
        kind = ExportForm().load(request.form)["kind"]
    except ValidationError as error:
        raise BadRequest from error
    shown = _shown()
    facts = {"batch_id": str(batch_id), "kind": kind, "shown": shown.why or shown.group or "all"}
    known.submit.audit.append(
        AuditEntry(guild_id=viewer.guild_id, kind=AuditKind.JOB_EXPORTED, actor_id=viewer.viewer.user_id, facts=facts)
    )
    told = files.of_job(kind, shown.only(known.jobs.targets(viewer, batch_id)))
    named = f"mass-action-{str(batch_id)[-12:]}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{named}"'}
    return FileResponse(told, content_type=files.KINDS[kind][1], headers=headers)


@jobs.post("/g/<int:guild_id>/jobs/<uuid:batch_id>/again")
@policy(in_guild(Capability.MASS))
def again(guild_id: int, batch_id: UUID) -> Response:
    """Review those that are shown for the same act: a new mass action, once it is confirmed."""
    known, viewer = services(), scope()
    found = known_job(viewer, batch_id)
    every = known.jobs.targets(viewer, batch_id)
    shown = _shown().only(every)
    # None of them when the page was drawn before somebody took it all back: its review says what is so now.
    targets = job_words.worth_another(every, shown) or shown
    draft = MassDraft(
        ids="\n".join(dict.fromkeys(str(one.target_id) for one in targets)), action=found.action, reason=found.reason
    )
    params = {name: value for name, value in found.params.items() if name in ("duration_s", "delete_window_s")}
    return reviewed_page(viewer, replace(draft, **params, notice=bool(found.params.get("notice"))))


def _decide(batch_id: UUID, wanted: JobState) -> Response:
    known, viewer = services(), scope()
    known_job(viewer, batch_id)
    if known.jobs.change(viewer, batch_id, wanted) is None:
        raise NoSuchPage
    known.submit_job.bulletin.ring(viewer.guild_id)
    return _to(viewer, batch_id)


def _to(viewer: GuildScope, batch_id: UUID) -> Response:
    return redirect(url_for("jobs.page", guild_id=viewer.guild_id, batch_id=batch_id), HTTPStatus.SEE_OTHER)


def _page(viewer: GuildScope, batch_id: UUID, problem: str | None = None) -> Response:
    since = seen_until(viewer)
    facts = {**shell(viewer, since, "mass"), **_facts(viewer, batch_id)}
    status = HTTPStatus.OK if problem is None else HTTPStatus.UNPROCESSABLE_ENTITY
    return make_response(render_template("job.html", **facts, problem=problem), status)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What of a job the address asks for: a group by state, those for whom one thing stood against it, or all."""

    group: str
    why: str

    @property
    def words(self) -> Mapping[str, str]:
        """The same as the words of an address, and of the record of an export."""
        return {name: word for name, word in (("show", self.group), ("why", self.why)) if word}

    def only(self, targets: Sequence[JobTarget]) -> Sequence[JobTarget]:
        if self.why:
            return [one for one in targets if one.why == self.why]
        return _only(self.group, targets)


def _shown() -> Shown:
    word, why = request.args.get("show", ""), request.args.get("why", "")
    return Shown(group=word if word in GROUPS and not why else "", why=why if why in job_words.WHY else "")


def _only(group: str, targets: Sequence[JobTarget]) -> Sequence[JobTarget]:
    return [one for one in targets if one.state in GROUPS[group][1]] if group else targets


def _facts(viewer: GuildScope, batch_id: UUID) -> Mapping[str, Any]:
    known, card, shown = services(), known_job(viewer, batch_id), _shown()
    targets = known.jobs.targets(viewer, batch_id)
    reasons = job_words.reasons(targets)
    rest = known.jobs.releasable(targets)
    own = card.moderator_id == viewer.viewer.user_id
    return {
        "scope": viewer,
        "job": card,
        "targets": shown.only(targets),
        "shown": shown.group,
        "reasons": reasons,
        "reason": next((one for one in reasons if one.why == shown.why), None),
        "shown_words": shown.words,
        "pace": None if card.state is JobState.PAUSED else job_words.pace(targets, known.clock.now()),
        "took_s": job_words.took_s(targets, card.created_at),
        "groups": [(word, label, len(_only(word, targets))) for word, (label, _) in GROUPS.items()],
        "taken_back": job_words.taken_back(targets),
        "may_ask_again": bool(job_words.worth_another(targets, targets))
        and viewer.may(Capability.MASS)
        and viewer.may(NEEDS[card.action]),
        "again": (bool(shown.why) or shown.group in AGAIN)
        and bool(job_words.worth_another(targets, shown.only(targets))),
        "may_steer": viewer.may(Capability.MASS) and card.state is not JobState.CANCELLED and not card.ended,
        "may_take_back": viewer.may(Capability.REVERSE) and card.action in INVERSE,
        "rest": len(rest),
        "may_release": bool(rest) and viewer.may(Capability.APPROVE) and not own,
        "release_id": new_request_id(),
    }


def known_job(viewer: GuildScope, batch_id: UUID) -> JobCard:
    """A job the viewer may know of."""
    found = services().jobs.card(viewer, batch_id)
    if found is None or (found.action is Action.NOTE and not viewer.may(Capability.VIEW_NOTES)):
        raise NoSuchPage
    return found
