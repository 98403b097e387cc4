"""Cases one after the other, as many as there are: for files.

Each part is a transaction of its own, cut where the last one ended. So a reader who takes an hour holds no snapshot and
no connection meanwhile, and memory holds one part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from kovra.ids import UserId
from kovra.store.case_finding import SEARCHING, Search
from kovra.store.case_search import CaseFilter, CaseSort, Place
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.tables import ModCases

#: So many cases are held at a time.
PART = 500


@dataclass(frozen=True, kw_only=True)
class CaseLine:
    """One case as a file holds it. ``state`` is the word that is filtered by."""

    case_no: int
    action: str
    target_id: UserId
    target_name: str
    moderator_id: UserId
    moderator_name: str
    source: str
    reason: str
    state: str
    notice: str | None
    created_at: datetime
    ends_at: datetime | None
    batch_id: UUID | None
    request_id: UUID


_COLUMNS = (
    *(ModCases.case_no, ModCases.action, ModCases.target_id, ModCases.target_name, ModCases.moderator_id),
    *(ModCases.moderator_name, ModCases.source, ModCases.reason, ModCases.state, ModCases.notice_status),
    *(ModCases.created_at, ModCases.ends_at, ModCases.batch_id, ModCases.request_id, ModCases.voided_at),
)


def parts_of(
    database: Database, scope: GuildScope, wanted: CaseFilter, sort: CaseSort, part: int
) -> Iterator[Sequence[CaseLine]]:
    """The cases that fit, in order, part by part. What arrives meanwhile at the end one has passed is not in it."""
    place: Place | None = None
    while True:
        with database.transaction(scope.guild_id, first=SEARCHING) as session:
            search = Search(database=database, session=session, scope=scope, wanted=wanted, sort=sort)
            numbers = search.numbers(place, part)
            rows = session.execute(
                select(*_COLUMNS).where(ModCases.guild_id == scope.guild_id, ModCases.case_no.in_(numbers))
            )
            known = {row.case_no: row for row in rows}
        lines = [_line(known[number]) for number in numbers if number in known]
        if lines:
            yield lines
        if len(numbers) < part:
            return
        place = Place(case_no=lines[-1].case_no, ends_at=lines[-1].ends_at)


def _line(row: object) -> CaseLine:
    values = dict(row._mapping)  # type: ignore[attr-defined]
    voided = values.pop("voided_at") is not None
    values["notice"] = values.pop("notice_status")
    return CaseLine(**values | {"state": "void" if voided else values["state"]})
