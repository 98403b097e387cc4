"""Finding people of a guild by what somebody typed: a part of a name, an id, or a name with a typing error in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Select,
    and_,
    any_,
    case,
    column,
    func,
    literal,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import Session
from sqlalchemy.sql.util import ClauseAdapter

from kovra.ids import GuildId

#: How alike a name must be to what was typed, when nobody goes by exactly that: 1 is the same, 0 has nothing of it.
ALIKE = 0.45
#: With less there is nothing to be alike to.
LEAST_FOR_TYPOS = 3
#: Of so many that go by the same the likeliest is looked for.
SORTED = 150
#: Letters with a meaning in a pattern.
_MEANING = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
_STARS = re.compile(r"\*+")
#: Snowflakes of today's Discord have these many digits.
_DIGITS = range(17, 20)

#: Travels with the first statement of a search.
FIRST = f"SET LOCAL pg_trgm.word_similarity_threshold = {ALIKE};"

#: A view in which members are found; rows are read under row-level security, as ever.
SEARCHED = table(
    "member_search",
    *(column(name) for name in ("guild_id", "user_id", "username", "global_name", "nick", "gone_at", "names")),
    *(column(name, DateTime(timezone=True)) for name in ("joined_at", "timed_out_until")),
    column("pending", Boolean),
    column("role_ids", ARRAY(BigInteger)),
)
_FORMER = table("former_name_search", *(column(name) for name in ("guild_id", "user_id", "name", "until_at", "names")))


def find_people(session: Session, guild_id: GuildId, typed: str, limit: int) -> dict[int, str | None]:
    """The users that go by this, the likeliest first, and those who left last; then who was once called so, each with
    that name. Begin the transaction with FIRST.
    """
    wanted = typed_name(typed)
    if not wanted:
        return {}
    found: dict[int, str | None] = dict.fromkeys(session.scalars(_by_part(guild_id, wanted, limit)))
    if len(found) < limit:
        found |= once_called(session, guild_id, typed, limit - len(found))
    if found or not may_be_mistyped(wanted):
        return found
    return dict.fromkeys(session.scalars(_alike(guild_id, wanted, limit)))


def once_called(
    session: Session, guild_id: GuildId, typed: str, limit: int, among: Sequence[int] | None = None
) -> dict[int, str]:
    """Who had such a name and has none like it now, each with the latest; ``among`` these only."""
    wanted = typed_name(typed)
    if not wanted:
        return {}
    was, now, pattern = _FORMER.c, SEARCHED.c, _patterns(wanted)[-1]
    some = select(was.user_id, was.name, was.until_at).where(was.guild_id == guild_id)
    some = some.where(was.names.like(pattern, escape="\\"))
    if among is not None:
        some = some.where(was.user_id == any_(literal(list(among), ARRAY(BigInteger))))
    named = some.limit(SORTED).cte("named").prefix_with("MATERIALIZED")
    still = select(now.user_id).where(
        now.guild_id == guild_id, now.user_id == named.c.user_id, now.names.like(pattern, escape="\\")
    )
    latest = select(named).where(~still.exists()).order_by(named.c.user_id, named.c.until_at.desc())
    each = latest.ext(distinct_on(named.c.user_id)).subquery("each")
    found = session.execute(select(each.c.user_id, each.c.name).order_by(each.c.until_at.desc()).limit(limit))
    return {row.user_id: row.name for row in found}


def typed_name(typed: str) -> str:
    """What was typed, as names are compared; empty for what nobody can be called."""
    wanted = " ".join(typed.strip().removeprefix("@").casefold().split())
    return "" if "\x00" in wanted else wanted


def going_by(guild_id: GuildId, wanted: str) -> ColumnElement[bool]:
    """Whether they go by this ``typed_name`` or once did: by a part of a name, or the beginning of an id."""
    row, was = SEARCHED.c, _FORMER.c
    # The widest pattern alone: whoever goes by a narrower one goes by it too.
    pattern = _patterns(wanted)[-1]
    once = select(was.user_id).where(was.guild_id == guild_id, was.names.like(pattern, escape="\\"))
    # As an array, which is read once and looked up in the index of ids, as the pattern is in that of names.
    once_called_so = row.user_id == any_(func.array(once.scalar_subquery(), type_=ARRAY(BigInteger)))
    return or_(row.names.like(pattern, escape="\\"), *_ids(wanted), once_called_so)


def going_nearly_by(wanted: str) -> ColumnElement[bool]:
    """Whether they have a name like this ``typed_name``, which :func:`may_be_mistyped`."""
    return literal(wanted).op("<%")(SEARCHED.c.names)


def called(pattern: str) -> ColumnElement[bool]:
    """Whether one of their names is exactly this pattern: ``*`` stands for any letters, ``?`` for one.

    Without either it is a part of a name. Nobody is found by likeness: what is picked by it is acted on. A pattern
    becomes LIKE's, whose cost grows with the lengths of pattern and name and with nothing else.
    """
    row, part = SEARCHED.c, part_of(_STARS.sub("*", pattern.strip()))
    if not {"*", "?"} & set(part):
        part = f"*{part}*"
    wanted = part.replace("*", "%").replace("?", "_")
    # The index knows the names in one text. What matches across two names is no name.
    somewhere = row.names.like(func.lower(f"%{wanted}%"), escape="\\")
    each = [func.lower(one).like(func.lower(wanted), escape="\\") for one in (row.username, row.global_name, row.nick)]
    return and_(somewhere, or_(*each))


def part_of(wanted: str) -> str:
    """The same as a part of a pattern."""
    return wanted.translate(_MEANING)


def may_be_mistyped(wanted: str) -> bool:
    """Whether a name may be like this: it is long enough, and no number."""
    return len(wanted) >= LEAST_FOR_TYPOS and not wanted.isdigit()


def _patterns(wanted: str) -> list[str]:
    """Patterns of names, from the narrowest to the widest."""
    part = part_of(wanted)
    patterns = [f"% {part} %", f"% {part}%"]
    if len(wanted) >= LEAST_FOR_TYPOS:
        # Fewer letters are somewhere in nearly every name, and no index knows them.
        patterns.append(f"%{part}%")
    return patterns


def _by_part(guild_id: GuildId, wanted: str, limit: int) -> Select[tuple[int]]:
    row, patterns = SEARCHED.c, _patterns(wanted)
    wholly, begins, *_ = (row.names.like(pattern, escape="\\") for pattern in patterns)
    found = [_some(guild_id, row.names.like(pattern, escape="\\")) for pattern in patterns]
    found += [_some(guild_id, ids) for ids in _ids(wanted)]
    shown = func.coalesce(row.nick, row.global_name, row.username)
    return (
        select(row.user_id)
        .where(row.guild_id == guild_id, row.user_id.in_(found[0].union_all(*found[1:])))
        .order_by(
            case((row.gone_at.is_(None), 0), else_=1),
            case((wholly, 0), (begins, 1), else_=2),
            func.length(shown),
            func.lower(shown),
            row.user_id,
        )
        .limit(limit)
    )


def _alike(guild_id: GuildId, wanted: str, limit: int) -> Select[tuple[int]]:
    row = SEARCHED.c
    found = _some(guild_id, literal(wanted).op("<%")(row.names))
    return (
        select(row.user_id)
        .where(row.guild_id == guild_id, row.user_id.in_(found))
        .order_by(
            case((row.gone_at.is_(None), 0), else_=1),
            func.word_similarity(wanted, row.names).desc(),
            func.length(row.names),
            row.user_id,
        )
        .limit(limit)
    )


def _some(guild_id: GuildId, goes_by: ColumnElement[bool]) -> Select[tuple[int]]:
    """Some who go by this, in no order: sorting all the Robins of a large guild would take longer than one may wait."""
    inner = SEARCHED.alias("some")
    goes_by = ClauseAdapter(inner).traverse(goes_by)
    few = select(inner.c.user_id).where(inner.c.guild_id == guild_id, goes_by).limit(SORTED)
    return select(few.subquery().c.user_id)


def _ids(wanted: str) -> list[ColumnElement[bool]]:
    """Ids that begin with these digits, as ranges that the primary key knows."""
    if not (wanted.isascii() and wanted.isdigit()) or wanted[0] == "0":
        return []
    ranges = []
    for digits in _DIGITS:
        if len(wanted) <= digits:
            size = 10 ** (digits - len(wanted))
            first = int(wanted) * size
            if first < 1 << 63:
                ranges.append(SEARCHED.c.user_id.between(first, min(first + size, 1 << 63) - 1))
    return ranges
