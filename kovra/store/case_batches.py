"""Writing several cases at once: consecutive numbers of one guild, taken together and written in two statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.audit import GENESIS
from kovra.actions.request import ActionRequest
from kovra.actions.rights import Standing
from kovra.guard.case import Case
from kovra.ids import GuildId
from kovra.store.casebook import sealed_case
from kovra.store.tables import GuildCounters, ModCases


@dataclass(frozen=True, kw_only=True)
class NewCases:
    """Cases that have their numbers and are not yet written; ``first_event`` is the first of the event numbers."""

    cases: tuple[Case, ...]
    rows: tuple[dict[str, Any], ...]
    seal: bytes
    first_event: int
    created_at: datetime


def number_cases(
    session: Session,
    key: bytes,
    guild_id: GuildId,
    done: Sequence[tuple[ActionRequest, Standing]],
    now: ColumnElement[datetime],
    events: int,
) -> NewCases:
    """Take the guild's next case numbers, and ``events`` event numbers for each, and seal the cases in their order.

    A rollback gives all of them back. The counters are held from here until commit.
    """
    counters, n = GuildCounters, len(done)
    bump = (
        insert(counters)
        .values(guild_id=guild_id, last_case=n, last_event=n * events)
        .on_conflict_do_update(
            index_elements=["guild_id"],
            set_={"last_case": counters.last_case + n, "last_event": counters.last_event + n * events},
        )
        .returning(counters.last_case, counters.last_event, counters.case_seal, now.label("now"))
    )
    last_case, last_event, seal, created_at = session.connection().execute(bump).one()
    seal, cases, rows = seal or GENESIS, [], []
    for case_no, (request, standing) in enumerate(done, last_case - n + 1):
        case, row = sealed_case(
            key, request, standing, case_no=case_no, created_at=created_at, ends_at=None, after=seal
        )
        seal = row["seal"]
        cases.append(case)
        rows.append(row)
    return NewCases(
        cases=tuple(cases),
        rows=tuple(rows),
        seal=seal,
        first_event=last_event - n * events + 1,
        created_at=created_at,
    )


def write_cases(session: Session, guild_id: GuildId, new: NewCases, **facts: Any) -> None:
    """Write the cases, each with these facts beside its own, and the head of their chain, in one statement."""
    kept = insert(ModCases).values([row | facts for row in new.rows]).cte("kept")
    head = update(GuildCounters).where(GuildCounters.guild_id == guild_id).values(case_seal=new.seal)
    session.connection().execute(head.add_cte(kept))
