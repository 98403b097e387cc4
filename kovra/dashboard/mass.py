"""What a mass action would do to whom, before it is confirmed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from kovra.actions.capabilities import NEEDS, capabilities
from kovra.actions.job import MAX_TARGETS, Job
from kovra.actions.request import MAX_DELETE_WINDOW_S, Action, Refusal, RefusalKind, Source
from kovra.actions.rights import Standing
from kovra.dashboard.draft import HOUR_S
from kovra.dashboard.id_list import Ids, read_ids
from kovra.dashboard.services import Services
from kovra.errors import Malformed
from kovra.ids import UserId, new_request_id
from kovra.store.guilds import GuildScope
from kovra.store.member_list import Face

#: What may be done to many at once, in the order offered.
OFFERED = (Action.BAN, Action.KICK, Action.MUTE, Action.WARN, Action.NOTE, Action.UNBAN)


class Outcome(StrEnum):
    """What would happen to one line."""

    RUN = "run"
    OVER = "over"
    SKIPPED = "skipped"


class Kind(StrEnum):
    """Who or what a line is, as far as it matters here; in the order shown."""

    MEMBER = "member"
    AWAY = "away"
    STAFF = "staff"
    BOT = "bot"
    ALREADY = "already"
    ABOVE = "above"
    ABOVE_GUARD = "above_guard"
    YOURSELF = "yourself"
    AGAIN = "again"
    UNREAD = "unread"
    OTHER = "other"


LABELS: Mapping[Kind, str] = {
    Kind.MEMBER: "Members",
    Kind.AWAY: "Not here",
    Kind.STAFF: "Staff",
    Kind.BOT: "Bots",
    Kind.ALREADY: "Banned already",
    Kind.ABOVE: "Above you",
    Kind.ABOVE_GUARD: "Above Guard",
    Kind.YOURSELF: "Yourself",
    Kind.AGAIN: "Named twice",
    Kind.UNREAD: "Not an ID",
    Kind.OTHER: "Refused",
}

_KINDS: Mapping[RefusalKind, Kind] = {
    RefusalKind.SELF: Kind.YOURSELF,
    RefusalKind.OWNER: Kind.ABOVE,
    RefusalKind.OUTRANKED: Kind.ABOVE,
    RefusalKind.GUARD: Kind.ABOVE_GUARD,
    RefusalKind.GUARD_OUTRANKED: Kind.ABOVE_GUARD,
    RefusalKind.TARGET_ADMINISTRATOR: Kind.ABOVE_GUARD,
    RefusalKind.NOT_A_MEMBER: Kind.AWAY,
    RefusalKind.BOT_TARGET: Kind.BOT,
    RefusalKind.ALREADY: Kind.ALREADY,
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of what was given: an id, or what is none. ``why`` says why it is skipped."""

    number: int
    text: str
    outcome: Outcome
    kind: Kind
    why: str = ""
    user_id: UserId | None = None
    name: str = ""
    face: Face | None = None


@dataclass(frozen=True, kw_only=True)
class MassDraft:
    """The form as far as it has been filled in, with its review when there is one. ``told``: how a file was read."""

    ids: str = ""
    action: Action = Action.BAN
    reason: str = ""
    duration_s: int = HOUR_S
    delete_window_s: int = MAX_DELETE_WINDOW_S
    notice: bool = False
    batch_id: UUID = field(default_factory=new_request_id)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    told: str | None = None
    review: Review | None = None

    @property
    def params(self) -> dict[str, int]:
        """The parameters of each request, as far as the action has them."""
        told = {"notice": 1} if self.notice and self.action not in (Action.NOTE, Action.UNBAN) else {}
        if self.action is Action.BAN:
            return {"delete_window_s": self.delete_window_s, **told}
        return {"duration_s": self.duration_s, **told} if self.action is Action.MUTE else told

    @property
    def mark(self) -> str:
        """Whom and what this form asks for, in 32 letters: what is confirmed must be what was reviewed."""
        asked = [self.action.value, sorted(self.params.items()), list(read_ids(self.ids).found)]
        return hashlib.sha256(repr(asked).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Review:
    """What was given, line by line in its order. ``targets`` are those that run or are over the budget, members first.

    ``budget`` says what of it is used, when it is too small.
    """

    action: Action
    lines: Sequence[Line]
    targets: tuple[UserId, ...]
    budget: str = ""

    @property
    def outcomes(self) -> Counter[Outcome]:
        return Counter(line.outcome for line in self.lines)

    @property
    def kinds(self) -> list[tuple[Kind, str, int]]:
        """The kinds that are among the lines, with their labels and how many each are."""
        counts = Counter(line.kind for line in self.lines)
        labels = LABELS if self.action is Action.BAN else {**LABELS, Kind.ALREADY: "Nothing to lift"}
        return [(kind, labels[kind], counts[kind]) for kind in Kind if counts[kind]]


def offered(viewer: GuildScope) -> list[Action]:
    """What this viewer may do to many."""
    return [action for action in OFFERED if viewer.may(NEEDS[action])]


def review(known: Services, viewer: GuildScope, draft: MassDraft, now: datetime) -> Review:
    """Sort what was given, by the rights and the budget as they are now; what counts is decided at the confirmation.

    Raises:
        Malformed: more than 500, no id at all, or what no request could be.
    """
    read = read_ids(draft.ids)
    if len(read.found) > MAX_TARGETS:
        raise Malformed(f"A mass action takes at most {MAX_TARGETS} targets, not {len(read.found):,}. Take fewer.")
    if not read.found:
        raise Malformed("There is no ID in what you gave. An ID is 17 to 20 digits; a mention works too.")
    job = job_of(viewer, draft, tuple(read.found), now)
    decided = [(request.target_id, refusal) for request, refusal in known.submit_job.decided(job)]
    standings = known.roster.standings(viewer.guild_id, job.moderator_id, job.targets)
    banned = known.jobs.banned_among(viewer, job.targets) if draft.action is Action.BAN else frozenset()
    # In a list it is enough to say that they are: what one could do about a single ban is no answer for a hundred.
    refusals = {target: _BANNED if target in banned else refusal for target, refusal in decided}
    targets = tuple(target for target, _ in decided if refusals[target] is None)
    given = known.requests.budget(viewer, draft.action)
    left = len(targets) if given is None else max(0, given.limit - given.used)
    over = frozenset(targets[left:])
    faces = known.member_list.faces(viewer, job.targets)
    lines = [
        _line(number, standings[target], refusals[target], target in over, faces.get(target))
        for target, number in read.found.items()
    ]
    return Review(
        action=draft.action,
        lines=sorted([*lines, *_left_over(read)], key=lambda line: line.number),
        targets=targets,
        budget=f"{given.used} of {given.limit} are used this hour." if given and over else "",
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


#: The mirror has a ban of theirs; whether it stands, Discord says when their turn would come.
_BANNED = Refusal(kind=RefusalKind.ALREADY, sentence="Banned already.")


def _line(number: int, standing: Standing, refusal: Refusal | None, over: bool, face: Face | None) -> Line:
    target = standing.target
    outcome = Outcome.SKIPPED if refusal else Outcome.OVER if over else Outcome.RUN
    kind = _KINDS.get(refusal.kind, Kind.OTHER) if refusal else _who(standing)
    return Line(
        number=number,
        text=str(target.user_id),
        outcome=outcome,
        kind=kind,
        why=refusal.sentence if refusal else "",
        user_id=target.user_id,
        name=target.name,
        face=face,
    )


def _who(standing: Standing) -> Kind:
    target = standing.target
    if target.bot:
        return Kind.BOT
    if not target.member:
        return Kind.AWAY
    return Kind.STAFF if capabilities(target, standing.owner_id, {}) else Kind.MEMBER


def _left_over(read: Ids) -> list[Line]:
    """The lines that name nobody, or somebody once more."""
    again = [
        Line(
            number=number,
            text=str(user_id),
            user_id=user_id,
            name=str(user_id),
            outcome=Outcome.SKIPPED,
            kind=Kind.AGAIN,
            why=f"The same as line {first}.",
        )
        for number, user_id, first in read.again
    ]
    return again + [
        Line(number=one.line, text=one.text, name=one.text, outcome=Outcome.SKIPPED, kind=Kind.UNREAD, why=one.why)
        for one in read.unread
    ]
