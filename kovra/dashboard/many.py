"""One act on many cases: which of them it can be done to, why not to the others, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kovra.actions import case_rights
from kovra.actions.capabilities import NEEDS, Person
from kovra.actions.request import INVERSE, Action, ActionRequest, Source, State
from kovra.actions.reverse import Undo, not_reversible, opposite
from kovra.actions.rights import CaseSeen, Standing
from kovra.dashboard.case_draft import ACTS, OF_REVERSAL, REVERSE
from kovra.dashboard.services import Services
from kovra.ids import UserId, derived_request_id
from kovra.store.case_many import Outcome
from kovra.store.case_rows import CaseRow
from kovra.store.guilds import GuildScope

#: What can be done with many at once.
MANY = tuple(act for act, words in ACTS.items() if words.many)


@dataclass(frozen=True, kw_only=True)
class One:
    """One of the cases. ``why_not`` is known beforehand; ``outcome`` once it was asked."""

    row: CaseRow
    why_not: str | None
    request_id: UUID
    undo: Undo | None = None
    outcome: Outcome | None = None

    @property
    def sentence(self) -> str | None:
        """Why it was not, or will not be, done."""
        return self.outcome.sentence if self.outcome is not None else self.why_not

    @property
    def done(self) -> bool:
        return self.outcome is not None and self.outcome.state in (State.APPLIED, State.DONE)

    @property
    def open(self) -> bool:
        return self.outcome is not None and self.outcome.state in (State.ACCEPTED, State.EXECUTING)


def plan(known: Services, viewer: GuildScope, act: str, numbers: Sequence[int], many_id: UUID) -> list[One]:
    """The cases as they stand now, in the order they were ticked."""
    rows = known.cases.some(viewer, numbers)
    undos = {undo.case_no: undo for undo in known.undoing.some(viewer.guild_id, numbers)} if act == REVERSE else {}
    now = known.clock.now()
    made_ms = many_id.int >> 80
    planned = []
    for row in rows:
        undo = undos.get(row.case_no)
        why = _no_reversal(viewer, row, undo) if act == REVERSE else _no_change(viewer, act, row, now)
        request_id = derived_request_id(made_ms, "many", many_id, act, row.case_no)
        planned.append(One(row=row, why_not=why, request_id=request_id, undo=undo))
    return planned


def request_of(viewer: GuildScope, act: str, one: One, reason: str, issued_at: Any) -> ActionRequest:
    """What is asked for one of them. Raises Malformed."""
    common: dict[str, Any] = {
        "request_id": one.request_id,
        "guild_id": viewer.guild_id,
        "moderator_id": viewer.viewer.user_id,
        "source": Source.DASHBOARD,
        "issued_at": issued_at,
    }
    if act == REVERSE:
        assert one.undo is not None  # a plan has a reason against it otherwise
        said = reason or f"Takes back case #{one.row.case_no}."
        return opposite(one.undo, reason=said, params={"of_many": 1}, **common)
    action, params = Action(act), {"case_no": one.row.case_no}
    return ActionRequest(action=action, target_id=one.row.target_id, reason=reason, params=params, **common)


def followed(planned: Sequence[One], outcomes: Mapping[UUID, Outcome]) -> list[One]:
    """The same with what became of each."""
    return [
        One(
            row=one.row,
            why_not=one.why_not,
            request_id=one.request_id,
            undo=one.undo,
            outcome=outcomes.get(one.request_id),
        )
        for one in planned
    ]


def _no_change(viewer: GuildScope, act: str, row: CaseRow, now: Any) -> str | None:
    """What ``case_rights`` says of it; these acts ask nothing of the target."""
    question = ActionRequest(
        request_id=derived_request_id(0, row.case_no),
        guild_id=viewer.guild_id,
        action=Action(act),
        target_id=row.target_id,
        moderator_id=viewer.viewer.user_id,
        source=Source.DASHBOARD,
        reason="-",
        issued_at=now,
        params={"case_no": row.case_no},
    )
    seen = CaseSeen(
        case_no=row.case_no,
        action=row.action,
        target_id=row.target_id,
        moderator_id=row.moderator_id,
        age_s=0,
        voided=row.voided,
    )
    standing = Standing(
        guild_id=viewer.guild_id,
        owner_id=viewer.owner_id,
        guard=Person(user_id=viewer.guard_id, name="Guard", member=True),
        moderator=viewer.viewer,
        target=Person(user_id=UserId(row.target_id), name=row.target_name, member=False),
        grants=viewer.capabilities,
        case=seen,
    )
    refusal = case_rights.check(question, standing)
    return refusal and refusal.sentence


def _no_reversal(viewer: GuildScope, row: CaseRow, undo: Undo | None) -> str | None:
    if undo is None:
        return OF_REVERSAL.format(row.case_no)
    if (why := not_reversible(undo)) is not None:
        return why
    needed = NEEDS[INVERSE[row.action]]
    return None if viewer.may(needed) else f"It takes the capability “{needed}”. Ask an admin of this server."
