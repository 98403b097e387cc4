"""Cases as pages show them: the list, one row, one case in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, true

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.ids import UserId
from kovra.store.case_detail import CaseDetail, detail_of
from kovra.store.case_export import PART, CaseLine, parts_of
from kovra.store.case_finding import COUNTED, SEARCHING, Search
from kovra.store.case_many import Outcome, outcomes_of
from kovra.store.case_rows import CaseRow, earlier_of, rows_of
from kovra.store.case_search import CaseFilter, CaseSort, Place
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.tables import ModCases

#: The filter that lets everything through.
EVERYTHING = CaseFilter()


@dataclass(frozen=True, kw_only=True)
class CasePage:
    """A page of the list. ``above`` and ``below``: there are more.

    ``total`` is at most 1,001, which means more than 1,000; None when it was not counted.
    """

    rows: list[CaseRow]
    total: int | None
    above: bool
    below: bool


class Cases:
    """Read the cases of a guild. Notes are for holders of ``view_notes`` only, in lists and counts too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        scope: GuildScope,
        wanted: CaseFilter = EVERYTHING,
        sort: CaseSort = CaseSort.NEWEST,
        place: Place | None = None,
        limit: int = 50,
    ) -> CasePage:
        """The cases that fit, from a place on.

        Pages are cut by what the order goes by, so they stay where they are while new cases arrive.
        """
        up = place is not None and place.up
        with self._database.transaction(scope.guild_id, first=SEARCHING) as session:
            search = Search(database=self._database, session=session, scope=scope, wanted=wanted, sort=sort)
            found = search.page(place, limit)
            rows = rows_of(self._database, session, scope, found.numbers)
            if up:
                rows.reverse()
            behind = found.behind
            if place is not None and behind is None:
                edge = _edge(rows, not up) if rows else replace(place, up=not up)
                behind = bool(search.numbers(edge, 1))
            above, below = (found.beyond, bool(behind)) if up else (bool(behind), found.beyond)
            return CasePage(rows=rows, total=found.total, above=above, below=below)

    def newer(self, scope: GuildScope, wanted: CaseFilter, than: int) -> int:
        """How many cases that fit have a higher number; at most 1,001."""
        with self._database.transaction(scope.guild_id, first=SEARCHING) as session:
            search = Search(database=self._database, session=session, scope=scope, wanted=wanted, sort=CaseSort.NEWEST)
            return len(search.numbers(Place(case_no=than, up=True), COUNTED))

    def parts(
        self, scope: GuildScope, wanted: CaseFilter, sort: CaseSort, part: int = PART
    ) -> Iterator[Sequence[CaseLine]]:
        """All the cases that fit, for a file: see ``case_export``."""
        return parts_of(self._database, scope, wanted, sort, part)

    def moderators(self, scope: GuildScope) -> list[tuple[UserId, str]]:
        """Everybody who ever made a case here, by name."""
        with self._database.transaction(scope.guild_id) as session:
            found = session.execute(_moderators(scope)).all()
        return sorted(((UserId(row.moderator_id), row.moderator_name) for row in found), key=lambda one: one[1].lower())

    def row(self, scope: GuildScope, case_no: int) -> CaseRow | None:
        """One line of the list."""
        with self._database.transaction(scope.guild_id) as session:
            return next(iter(rows_of(self._database, session, scope, [case_no])), None)

    def some(self, scope: GuildScope, numbers: Sequence[int]) -> list[CaseRow]:
        """The lines of these cases, in this order, without those the viewer may not see."""
        with self._database.transaction(scope.guild_id) as session:
            return rows_of(self._database, session, scope, numbers)

    def outcomes(self, scope: GuildScope, request_ids: Sequence[UUID]) -> Mapping[UUID, Outcome]:
        """What became of these requests, without those that were never asked."""
        with self._database.transaction(scope.guild_id) as session:
            return outcomes_of(session, scope, request_ids)

    def detail(self, scope: GuildScope, case_no: int, earlier: int = 0) -> CaseDetail | None:
        """One case in full, with so many earlier ones of the person; None when the guild has no such case, or the
        viewer may not see it.
        """
        with self._database.transaction(scope.guild_id) as session:
            return detail_of(self._database, session, scope, case_no, earlier)

    def latest(self, scope: GuildScope, limit: int) -> list[CaseRow]:
        """The newest cases of the guild, newest first; for a list that is not searched."""
        newest = _visible(scope).with_only_columns(ModCases.case_no).order_by(ModCases.case_no.desc()).limit(limit)
        with self._database.transaction(scope.guild_id) as session:
            return rows_of(self._database, session, scope, session.scalars(newest).all())

    def earlier(self, scope: GuildScope, target_id: UserId, before_no: int | None, limit: int = 10) -> list[CaseRow]:
        """A person's cases before this one, newest first; all of them without a number."""
        with self._database.transaction(scope.guild_id) as session:
            return earlier_of(self._database, session, scope, target_id, before_no, limit)


def _visible(scope: GuildScope) -> Select[tuple[ModCases]]:
    cases = select(ModCases).where(ModCases.guild_id == scope.guild_id)
    return cases if scope.may(Capability.VIEW_NOTES) else cases.where(ModCases.action != Action.NOTE.value)


def _moderators(scope: GuildScope) -> Select[Any]:
    """Hops from one moderator to the next in the index, so that it costs what there are moderators, not cases."""
    here = ModCases.guild_id == scope.guild_id
    hop = select(func.min(ModCases.moderator_id).label("moderator_id")).where(here).cte("hop", recursive=True)
    following = select(func.min(ModCases.moderator_id)).where(here, ModCases.moderator_id > hop.c.moderator_id)
    hop = hop.union_all(select(following.scalar_subquery()).where(hop.c.moderator_id.is_not(None)))
    latest = (
        select(ModCases.moderator_id, ModCases.moderator_name)
        .where(here, ModCases.moderator_id == hop.c.moderator_id)
        .order_by(ModCases.case_no.desc())
        .limit(1)
        .lateral("latest")
    )
    return select(latest.c.moderator_id, latest.c.moderator_name).select_from(hop.join(latest, true()))


def _edge(rows: Sequence[CaseRow], up: bool) -> Place:
    """Past the first row further up, or past the last further down."""
    row = rows[0] if up else rows[-1]
    return Place(case_no=row.case_no, up=up, ends_at=row.ends_at)
