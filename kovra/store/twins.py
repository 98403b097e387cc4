"""Why a constraint would not take a request: the same is under way already, or the case is being taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from kovra.actions.request import ActionRequest, Refusal, RefusalKind, State
from kovra.ids import UserId
from kovra.store.people import names_of
from kovra.store.tables import ActionRequests

_STANDING = {State.ACCEPTED: "queued", State.EXECUTING: "running"}
_TAKES_BACK = (State.ACCEPTED, State.EXECUTING, State.APPLIED, State.DONE)


def running_twin(session: Session, request: ActionRequest, now: datetime) -> Refusal | None:
    """The refusal of one request for its twin; None when it has none."""
    return running_twins(session, [request], now).get(request.request_id)


def running_twins(session: Session, requests: Sequence[ActionRequest], now: datetime) -> dict[UUID, Refusal]:
    """As :func:`running_twin`, by request, for many of one guild at the cost of one. Who has none is left out."""
    taken_back = _taken_back(session, requests)
    refusals = {
        one.request_id: Refusal(
            kind=RefusalKind.REVERSED,
            sentence=f"Case #{one.reverses} is being taken back already, or was. Nothing was added.",
        )
        for one in requests
        if one.reverses in taken_back
    }
    open_still = [one for one in requests if one.request_id not in refusals]
    return refusals | (_live_twins(session, open_still, now) if open_still else {})


def _taken_back(session: Session, requests: Sequence[ActionRequest]) -> set[int | None]:
    """Those of the cases that these requests take back which another request takes back, or has."""
    row, numbers = ActionRequests, [one.reverses for one in requests if one.reverses is not None]
    if not numbers:
        return set()
    counts = row.state.in_([state.value for state in _TAKES_BACK])
    mine = row.guild_id == requests[0].guild_id, row.reverses.in_(numbers)
    return set(session.scalars(select(row.reverses).where(*mine, counts)))


def _live_twins(session: Session, requests: Sequence[ActionRequest], now: datetime) -> dict[UUID, Refusal]:
    row, guild_id = ActionRequests, requests[0].guild_id
    live = select(row.action, row.target_id, row.request_id, row.moderator_id, row.state).where(
        row.guild_id == guild_id,
        row.action.in_({one.action.value for one in requests}),
        row.target_id.in_({one.target_id for one in requests}),
        row.state.in_([state.value for state in _STANDING]),
    )
    twins = {(found.action, found.target_id): found for found in session.execute(live)}
    whom = {UserId(found.target_id) for found in twins.values()} | {UserId(one.moderator_id) for one in twins.values()}
    names, refusals = names_of(session, guild_id, whom, now), {}
    for one in requests:
        twin = twins.get((one.action.value, one.target_id))
        if twin is None:
            continue
        article = "An" if one.action.noun[0] in "aeiou" else "A"
        target, state = names[one.target_id], _STANDING[State(twin.state)]
        by = "you" if twin.moderator_id == one.moderator_id else names[UserId(twin.moderator_id)]
        sentence = (
            f"{article} {one.action.noun} of {target} is already {state}, asked for by {by} "
            f"(request {twin.request_id}). Nothing was added; wait for its result."
        )
        refusals[one.request_id] = Refusal(kind=RefusalKind.RUNNING, sentence=sentence)
    return refusals
