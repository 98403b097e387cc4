"""Which cases a reader asked for: filters, words, order, and the place in the list.

Only numbers are found here, in the view ``case_search``, which applies the guild itself and lets PostgreSQL use every
index (row-level security would keep it from the text indexes); the rows themselves are read under row-level security.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Exists,
    Select,
    Text,
    Uuid,
    and_,
    column,
    exists,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    table,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action, Source, State
from kovra.guard.case import NoticeStatus
from kovra.guard.endings import LIFTED_BY, EndState
from kovra.ids import UserId
from kovra.store.guilds import GuildScope
from kovra.store.holding import REPLACED_BY, replaced
from kovra.store.tables import ScheduledEnds

#: Above every case number.
PAST_ALL = 1 << 62
#: The longest text that is searched for.
MAX_TEXT = 200
#: A clock that was set back puts a later number at an earlier time. By more than this it would be noticed elsewhere.
_CLOCK_SLACK = timedelta(hours=1)

_SIMPLE = literal_column("'simple'::regconfig")

found = table(
    "case_search",
    column("guild_id", BigInteger),
    column("case_no", BigInteger),
    column("request_id", Uuid),
    column("batch_id", Uuid),
    column("action", Text),
    column("target_id", BigInteger),
    column("moderator_id", BigInteger),
    column("source", Text),
    column("state", Text),
    column("told", Text),
    column("voided_at", DateTime(timezone=True)),
    column("params", JSONB),
    column("created_at", DateTime(timezone=True)),
    column("ends_at", DateTime(timezone=True)),
    column("phrase", Text),
    column("words", TSVECTOR),
)
#: What :func:`reads` looks at.
READ = (found.c.case_no, found.c.target_id, found.c.moderator_id, found.c.phrase, found.c.words)


class CaseSort(StrEnum):
    """The order of the list. By expiry only cases that have one are listed."""

    NEWEST = "newest"
    OLDEST = "oldest"
    ENDS_FIRST = "ends"
    ENDS_LAST = "-ends"

    @property
    def by_end(self) -> bool:
        """Whether the end of a punishment decides, and not the number."""
        return self in (CaseSort.ENDS_FIRST, CaseSort.ENDS_LAST)

    @property
    def falling(self) -> bool:
        """Whether the highest comes first."""
        return self in (CaseSort.NEWEST, CaseSort.ENDS_LAST)


@dataclass(frozen=True, kw_only=True)
class CaseFilter:
    """What a reader wants to see; empty asks for everything. ``holds``: what was begun and is active, or is over.

    ``numbers``: these cases and no others.
    """

    actions: frozenset[Action] = frozenset()
    sources: frozenset[Source] = frozenset()
    states: frozenset[State] = frozenset()
    notices: frozenset[NoticeStatus] = frozenset()
    moderator_id: UserId | None = None
    target_id: UserId | None = None
    batch_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    voided: bool = False
    holds: bool | None = None
    numbers: frozenset[int] = frozenset()
    text: str = ""

    @property
    def begun(self) -> frozenset[Action] | None:
        """The actions that can fit: what holds or is over was begun by a ban or a mute. None is any."""
        if self.holds is None:
            return self.actions or None
        return self.actions & set(REPLACED_BY) if self.actions else frozenset(REPLACED_BY)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A row in the list: what comes after it is further down, or further up. ``ends_at`` when ends decide the order."""

    case_no: int
    up: bool = False
    ends_at: datetime | None = None


def visible(scope: GuildScope) -> Select[Any]:
    """The numbers a viewer may see at all: notes are for holders of ``view_notes``."""
    numbers = select(found.c.case_no, found.c.ends_at).where(found.c.guild_id == scope.guild_id)
    return numbers if scope.may(Capability.VIEW_NOTES) else numbers.where(found.c.action != Action.NOTE.value)


def of_kinds(listed: Select[Any], wanted: CaseFilter) -> Select[Any]:
    """Those of the wanted actions, sources and results of the DM."""
    actions = wanted.begun
    listed = listed if actions is None else listed.where(found.c.action.in_(sorted(actions)))
    return _among(_among(listed, "source", wanted.sources), "told", wanted.notices)


def _among(listed: Select[Any], name: str, values: frozenset[Any]) -> Select[Any]:
    return listed.where(found.c[name].in_(sorted(value.value for value in values))) if values else listed


def between(session: Session, scope: GuildScope, wanted: CaseFilter) -> tuple[int, int]:
    """Numbers between which all cases of the wanted time are.

    Times rise with numbers, so a time is looked up once and its number bounds the search.
    """
    here = select(found.c.case_no).where(found.c.guild_id == scope.guild_id).limit(1)
    before = after = None
    if wanted.since is not None:
        earlier = here.where(found.c.created_at < wanted.since - _CLOCK_SLACK)
        before = session.scalars(earlier.order_by(found.c.created_at.desc())).one_or_none()
    if wanted.until is not None:
        later = here.where(found.c.created_at >= wanted.until + _CLOCK_SLACK)
        after = session.scalars(later.order_by(found.c.created_at)).one_or_none()
    return 0 if before is None else before + 1, PAST_ALL if after is None else after - 1


def fitting(scope: GuildScope, wanted: CaseFilter, sort: CaseSort, now: ColumnElement[datetime]) -> Select[Any]:
    """The numbers that fit the other filters, whatever their kind and their words."""
    listed = _among(visible(scope), "state", wanted.states)
    for name, value in (
        ("moderator_id", wanted.moderator_id),
        ("target_id", wanted.target_id),
        ("batch_id", wanted.batch_id),
    ):
        if value is not None:
            listed = listed.where(found.c[name] == value)
    if wanted.since is not None:
        listed = listed.where(found.c.created_at >= wanted.since)
    if wanted.until is not None:
        listed = listed.where(found.c.created_at < wanted.until)
    if wanted.voided:
        listed = listed.where(found.c.voided_at.is_not(None))
    if wanted.numbers:
        listed = listed.where(found.c.case_no.in_(sorted(wanted.numbers)))
    if wanted.holds is not None:
        listed = listed.where(_held(scope, now) if wanted.holds else not_(_held(scope, now)))
    return listed.where(found.c.ends_at.is_not(None)) if sort.by_end else listed


def ordered(listed: Select[Any], sort: CaseSort, place: Place | None) -> Select[Any]:
    """From this place on, in this order; further up the order is turned round, so that the nearest come first."""
    up = place is not None and place.up
    keys = (found.c.ends_at, found.c.case_no) if sort.by_end else (found.c.case_no,)
    falls = sort.falling is not up
    listed = listed.order_by(*(key.desc() if falls else key.asc() for key in keys))
    if place is None:
        return listed
    here = tuple_(place.ends_at, place.case_no) if sort.by_end else place.case_no
    row: Any = tuple_(*keys) if sort.by_end else found.c.case_no
    return listed.where(row < here if falls else row > here)


def running(scope: GuildScope, wanted: CaseFilter, sort: CaseSort, now: ColumnElement[datetime]) -> Select[Any]:
    """Of what :func:`fitting` finds the bans and mutes that hold and will end later: few, and the index of ends knows
    them.
    """
    others = fitting(scope, replace(wanted, holds=None), sort, now)
    return others.where(found.c.ends_at > now, not_(_lifted(scope)))


def waiting(scope: GuildScope, wanted: CaseFilter, sort: CaseSort, now: ColumnElement[datetime]) -> Select[Any]:
    """Of what :func:`fitting` finds those that should have ended by now and were not lifted yet."""
    others = fitting(scope, replace(wanted, holds=None), sort, now)
    end = ScheduledEnds
    late = select(end.request_id).where(
        end.guild_id == scope.guild_id, end.state == EndState.OPEN.value, end.ends_at <= now
    )
    lasting = found.c.action.in_([action.value for action in LIFTED_BY])
    return others.where(found.c.ends_at <= now, lasting, found.c.request_id.in_(late), not_(_lifted(scope)))


def _held(scope: GuildScope, now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Bans and mutes that hold; the same rule as a row's ``active``."""
    waits = and_(
        found.c.action.in_([action.value for action in LIFTED_BY]),
        _end(scope).where(ScheduledEnds.state == EndState.OPEN.value),
    )
    return and_(or_(found.c.ends_at.is_(None), found.c.ends_at > now, waits), not_(_lifted(scope)))


def _lifted(scope: GuildScope) -> ColumnElement[bool]:
    settled = _end(scope).where(ScheduledEnds.state.in_((EndState.CANCELLED.value, EndState.ENDED.value)))
    return or_(settled, _REPLACED)


#: Built once: its comparisons take as long to write as the rest of a search.
_REPLACED = replaced(found.c, found.alias("later").c)


def _end(scope: GuildScope) -> Exists:
    return exists().where(ScheduledEnds.guild_id == scope.guild_id, ScheduledEnds.request_id == found.c.request_id)


def reads(text: str, parts: bool, case: Any = found.c) -> ColumnElement[bool]:
    """All of these words; or, as ``parts``, the text anywhere, inside of words too. A number is also somebody's id.

    ``case`` has the columns :data:`READ`; the view's, unless others are given.
    """
    number = re.fullmatch(r"#?(\d{1,18})", text)
    if number and text.startswith("#"):
        return case.case_no == int(number[1])
    if number and int(number[1]) >= 1 << 42:
        return or_(case.target_id == int(number[1]), case.moderator_id == int(number[1]))
    words = re.findall(r"\w+", text.casefold())
    if parts and any(len(word) > 2 for word in words):
        # Three letters are the least that the index of parts can look up.
        part = re.sub(r"([%_/])", r"/\1", text)
        return case.phrase.ilike(f"%{part}%", escape="/")
    if parts or not words:
        return false()
    return case.words.bool_op("@@")(func.plainto_tsquery(_SIMPLE, " ".join(words)))
