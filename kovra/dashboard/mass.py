"""What a mass action would do to whom, before it is confirmed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from kovra.actions.job import MAX_TARGETS, Job, decide
from kovra.actions.request import MAX_DELETE_WINDOW_S, Action, Source
from kovra.actions.rights import NEEDS
from kovra.dashboard.draft import HOUR_S
from kovra.dashboard.services import Services
from kovra.errors import Malformed
from kovra.ids import UserId, new_request_id, parse_snowflake
from kovra.store.guilds import GuildScope

#: What may be done to many at once, in the order offered.
OFFERED = (Action.BAN, Action.KICK, Action.MUTE, Action.WARN, Action.NOTE, Action.UNBAN)

#: What of a reason or a pasted word a page repeats.
_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class Line:
    """One pasted id. ``why`` is empty for one that will be acted on."""

    text: str
    name: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class MassDraft:
    """The form as far as it has been filled in, and the review of it when there is one."""

    ids: str = ""
    action: Action = Action.BAN
    reason: str = ""
    duration_s: int = HOUR_S
    delete_window_s: int = MAX_DELETE_WINDOW_S
    notice: bool = False
    batch_id: UUID = field(default_factory=new_request_id)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    review: Review | None = None

    @property
    def params(self) -> dict[str, int]:
        """The parameters of each request, as far as the action has them."""
        told = {"notice": 1} if self.notice and self.action not in (Action.NOTE, Action.UNBAN) else {}
        if self.action is Action.BAN:
            return {"delete_window_s": self.delete_window_s, **told}
        return {"duration_s": self.duration_s, **told} if self.action is Action.MUTE else told


@dataclass(frozen=True, kw_only=True)
class Review:
    """The pasted ids, sorted: will run, over the budget, skipped. ``targets`` are the first two, as they are asked for.

    ``budget`` says what of it is used, when it is too small.
    """

    run: Sequence[Line]
    over: Sequence[Line]
    skipped: Sequence[Line]
    targets: tuple[UserId, ...]
    budget: str = ""

    @property
    def total(self) -> int:
        return len(self.run) + len(self.over) + len(self.skipped)


def offered(viewer: GuildScope) -> list[Action]:
    """What this viewer may do to many."""
    return [action for action in OFFERED if viewer.may(NEEDS[action])]


def review(known: Services, viewer: GuildScope, draft: MassDraft, now: datetime) -> Review:
    """Sort what was pasted, by the rights and the budget as they are now; what counts is decided at the confirmation.

    Raises:
        Malformed: more than 500, no id at all, or what no request could be.
    """
    found, skipped = _read(draft.ids)
    if len(found) > MAX_TARGETS:
        raise Malformed(f"A mass action takes at most {MAX_TARGETS} targets, not {len(found)}. Paste fewer at a time.")
    if not found:
        raise Malformed("There is no ID in what you pasted. An ID is 17 to 20 digits; a mention works too.")
    job = job_of(viewer, draft, tuple(found), now)
    standings = known.roster.standings(viewer.guild_id, job.moderator_id, job.targets)
    banned = known.jobs.banned_among(viewer, job.targets) if draft.action is Action.BAN else frozenset()
    open_still: list[tuple[UserId, Line]] = []
    for request, refusal in decide(job, standings):
        target = standings[request.target_id].target
        line: dict[str, Any] = {"text": str(target.user_id), "name": target.name}
        if refusal:
            skipped.append(Line(**line, why=refusal.sentence))
        elif target.user_id in banned:
            skipped.append(Line(**line, why="Banned already."))
        else:
            open_still.append((target.user_id, Line(**line)))
    given = known.requests.budget(viewer, draft.action)
    left = len(open_still) if given is None else max(0, given.limit - given.used)
    return Review(
        run=[line for _, line in open_still[:left]],
        over=[line for _, line in open_still[left:]],
        skipped=skipped,
        targets=tuple(user_id for user_id, _ in open_still),
        budget=f"{given.used} of {given.limit} are used this hour." if given and len(open_still) > left else "",
    )


def job_of(viewer: GuildScope, draft: MassDraft, targets: tuple[UserId, ...], now: datetime) -> Job:
    """The mass action as it would be asked for."""
    return Job(
        batch_id=draft.batch_id,
        guild_id=viewer.guild_id,
        action=draft.action,
        targets=targets,
        moderator_id=viewer.viewer.user_id,
        source=Source.DASHBOARD,
        reason=draft.reason.replace("\r\n", "\n"),
        issued_at=now,
        params=draft.params,
    )


def _read(pasted: str) -> tuple[dict[UserId, None], list[Line]]:
    """The ids of a pasted text, each once, and the words that are none."""
    found: dict[UserId, None] = {}
    skipped = []
    for word in re.split(r"[\s,;]+", pasted.strip()):
        if not word:
            continue
        try:
            user_id = UserId(parse_snowflake(word))
        except Malformed:
            skipped.append(Line(text=word[:_SHOWN], name=word[:_SHOWN], why="Not an ID: an ID is 17 to 20 digits."))
            continue
        if user_id in found:
            skipped.append(Line(text=str(user_id), name=str(user_id), why="Named twice; the first mention counts."))
        found[user_id] = None
    return found, skipped
