"""One page of the case browser's list, as its address asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask import request, url_for

from kovra.actions.capabilities import Capability
from kovra.dashboard import case_query
from kovra.dashboard.case_query import CaseQuery, Chip
from kovra.dashboard.services import services
from kovra.ids import UserId
from kovra.store.case_rows import CaseRow
from kovra.store.case_search import CaseFilter, CaseSort
from kovra.store.guilds import GuildScope
from kovra.store.members import MemberCard

PER_PAGE = 50


@dataclass(frozen=True, kw_only=True)
class View:
    """A view of the list: built in, one's own, or the guild's."""

    name: str
    url: str
    current: bool
    shared: bool = False
    view_id: UUID | None = None
    changeable: bool = False


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One page of the list. ``newer`` and ``older`` are addresses; ``first`` is the page that live rows come into.

    ``rows_url`` draws the table again, ``new_url`` counts what came in above it; ``order_url`` turns the order round.
    """

    rows: Sequence[CaseRow]
    total: int | None
    first: bool
    newer: str | None
    older: str | None
    query: CaseQuery
    chips: Sequence[Chip]
    rows_url: str
    new_url: str
    order_url: str
    clear_url: str
    #: Whose cases these are, when no case says the text and it was a name of theirs.
    called: MemberCard | None = None

    @property
    def by_end(self) -> bool:
        """Whether the list goes by when punishments end."""
        return self.query.sort.by_end


def asked(viewer: GuildScope) -> CaseQuery:
    """What the address of this request asks for."""

    def find_person(name: str) -> UserId | None:
        found = services().members.find(viewer, name, limit=1)
        return found[0].user_id if found else None

    return case_query.read(request.args, find_person)


def listing(viewer: GuildScope) -> Listing:
    """The page of the list at this address."""
    known, query = services(), asked(viewer)
    place = query.place
    found = known.cases.page(viewer, query.wanted, query.sort, place, limit=PER_PAGE)
    called = None if found.rows else once_called(viewer, query)
    if called is not None:
        found = known.cases.page(viewer, of_member(query, called), query.sort, place, limit=PER_PAGE)
    first = place is None or (not found.above and bool(found.rows))
    newer = older = None
    if found.rows and found.above:
        newer = _url(viewer, query.at(found.rows[0], up=True))
    if found.rows and found.below:
        older = _url(viewer, query.at(found.rows[-1], up=False))
    turned = CaseSort.OLDEST if query.sort is CaseSort.NEWEST else CaseSort.NEWEST
    here = query.words if first else {**query.words, **_place_words()}
    return Listing(
        rows=found.rows,
        total=found.total,
        first=first,
        newer=newer,
        older=older,
        query=query,
        chips=case_query.chips(query, lambda user_id: _name_of(viewer, user_id)),
        rows_url=_url(viewer, here, "cases.rows"),
        new_url=_url(viewer, query.words, "cases.new"),
        order_url=_url(viewer, query.sorted_by(turned)),
        clear_url=_url(viewer, {}),
        called=called,
    )


def once_called(viewer: GuildScope, query: CaseQuery) -> MemberCard | None:
    """Whose old name the text is, for a text that no case says: cases keep the name of their time alone."""
    wanted = query.wanted
    return services().members.once_called(viewer, wanted.text) if wanted.text and wanted.target_id is None else None


def of_member(query: CaseQuery, card: MemberCard) -> CaseFilter:
    """The same filters, with this person in the place of the text."""
    return replace(query.wanted, text="", target_id=card.user_id)


def views(viewer: GuildScope, query: CaseQuery) -> Sequence[View]:
    """The views that stand above the list."""
    built_in = case_query.presets(viewer.viewer.user_id, services().clock.now())
    own_way = [View(name=name, url=_url(viewer, words), current=_same(words, query.words)) for name, words in built_in]
    kept = [
        View(
            name=saved.name,
            url=_url(viewer, saved.words),
            current=_same(saved.words, query.words),
            shared=saved.shared,
            view_id=saved.view_id,
            changeable=viewer.may(Capability.SETTINGS) if saved.shared else saved.own,
        )
        for saved in services().views.of(viewer)
    ]
    return [*own_way, *kept]


def _same(words: Mapping[str, Sequence[str]], others: Mapping[str, Sequence[str]]) -> bool:
    return {name: set(values) for name, values in words.items()} == {n: set(values) for n, values in others.items()}


def _url(viewer: GuildScope, words: Mapping[str, Any], endpoint: str = "cases.index") -> str:
    return url_for(endpoint, guild_id=viewer.guild_id, **words)


def _place_words() -> dict[str, str]:
    return {name: request.args[name] for name in ("before", "after") if name in request.args}


def _name_of(viewer: GuildScope, user_id: UserId) -> str | None:
    card = services().members.card(viewer, user_id)
    return card.name if card else None
