"""Many cases by their numbers at once, and what became of many requests at once, for acts on all that are ticked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Uuid, any_, bindparam, select
from sqlalchemy.orm import Session

from kovra.actions.request import State
from kovra.store.guilds import GuildScope
from kovra.store.tables import ActionRequests


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Where one request stands. ``sentence`` is the refusal's or the failure's, ``made`` the case that came of it."""

    state: State
    sentence: str | None
    made: int | None


def outcomes_of(session: Session, scope: GuildScope, request_ids: Sequence[UUID]) -> Mapping[UUID, Outcome]:
    """What became of these requests, without those that were never asked."""
    row = ActionRequests
    wanted = select(row.request_id, row.state, row.refusal_sentence, row.failure_sentence, row.case_no).where(
        row.guild_id == bindparam("guild", scope.guild_id, type_=BigInteger),
        row.request_id == any_(bindparam("ids", list(request_ids), type_=ARRAY(Uuid))),
    )
    return {
        found.request_id: Outcome(
            state=State(found.state), sentence=found.refusal_sentence or found.failure_sentence, made=found.case_no
        )
        for found in session.execute(wanted)
    }
