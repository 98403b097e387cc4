"""The mirror's statements, each built once and prepared in its connection: the gateway tells of every act of Guard.

All rows of a page travel as one JSON value: to write out a parameter for each field of 50,000 members takes half a
minute, and one statement serves any number of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, Insert, insert

from kovra.store.bygone import former_names
from kovra.store.prepared import Prepared
from kovra.store.tables import Bans, Base, Members

#: A page of members is about a megabyte.
_ROWS_AT_ONCE = 5_000

_MOMENT = DateTime(timezone=True)
#: The guild of the rows, where they do not tell it themselves.
IN_GUILD = bindparam("in_guild", type_=BigInteger)
_EVEN_FREED = bindparam("even_freed", type_=Boolean)

#: The ban of ``user_id`` was lifted.
LIFT_BAN = Prepared(delete(Bans).where(Bans.guild_id == IN_GUILD, Bans.user_id == bindparam("user_id")))


def pages(rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows as the statements here ask for them.

    The last of several rows of one key counts: a statement may touch a row once.
    """
    unique = list({tuple(row[name] for name in key): row for row in rows}.values())
    for start in range(0, len(unique), _ROWS_AT_ONCE):
        some = unique[start : start + _ROWS_AT_ONCE]
        yield {"page": json.dumps(some, default=datetime.isoformat), "rows": len(some)}


def put(
    table: type[Base],
    key: Sequence[str],
    told: Sequence[str],
    said: Mapping[str, ColumnElement[Any]] | None = None,
    kept: Sequence[str] = (),
) -> Prepared:
    """Insert rows or bring them up to date.

    Args:
        told: the columns that come with the rows.
        said: what is the same for all of them.
        kept: what is known stays where a row does not tell it.
    """
    return Prepared(_put(table, key, _told(table, told), said or {}, kept))


def put_members(now: ColumnElement[datetime]) -> Prepared:
    """Members as they are now, and the names that they had until now.

    Gives those whose time-out somebody has lifted: it would hold still, they never left, and Discord shows none now.
    (Who left and came back is none of them: they are muted again.) For their sake more has to be written, in one
    transaction: unless ``even_freed`` is true, nothing at all is written when there are some.
    """
    row, key = Members, ("guild_id", "user_id")
    columns = [one.name for one in row.__table__.c if one.name not in ("guild_id", "mirrored_at", "gone_at")]
    told = _told(row, columns)
    freed = (
        select(row.user_id)
        .join(told, told.c.user_id == row.user_id)
        .where(
            row.guild_id == IN_GUILD,
            row.gone_at.is_(None),
            row.timed_out_until > now,
            func.coalesce(told.c.timed_out_until, now) <= now,
            row.joined_at.is_not_distinct_from(told.c.joined_at),
        )
        .cte("freed")
    )
    may = or_(_EVEN_FREED, ~select(literal(1)).select_from(freed).exists())
    said = {"guild_id": IN_GUILD, "mirrored_at": now, "gone_at": cast(null(), _MOMENT)}
    names = former_names(told, IN_GUILD, now, may).cte("named")
    written = _put(row, key, told, said, (), may).cte("written")
    return Prepared(select(freed.c.user_id).add_cte(names, written))


def part_members(now: ColumnElement[datetime]) -> Prepared:
    """These ``user_ids`` have left."""
    listed = Members.user_id == any_(bindparam("user_ids", type_=ARRAY(BigInteger)))
    left = and_(Members.guild_id == IN_GUILD, listed, Members.gone_at.is_(None))
    return Prepared(update(Members).where(left).values(gone_at=now))


def _told(table: type[Base], names: Sequence[str]) -> CTE:
    columns: list[ColumnElement[Any]] = [column(name, _column(table, name).type) for name in names]
    page = cast(bindparam("page", type_=Text), JSONB)
    read = func.jsonb_to_recordset(page).table_valued(*columns, name="read").render_derived(with_types=True)
    # Planned once, for whatever comes: a limit that is not known yet lets PostgreSQL think of few rows, and it looks
    # each of them up by its key rather than read the whole table for one.
    return select(*read.c).limit(bindparam("rows", type_=Integer)).cte("told")


def _put(
    table: type[Base],
    key: Sequence[str],
    told: CTE,
    said: Mapping[str, ColumnElement[Any]],
    kept: Sequence[str],
    may: ColumnElement[bool] | None = None,
) -> Insert:
    rows: Select[Any] = select(*told.c, *said.values())
    if may is not None:
        rows = rows.where(may)
    names = [*(one.name for one in told.c), *said]
    statement = insert(table).from_select(names, rows)
    changed: dict[str, ColumnElement[Any]] = {name: statement.excluded[name] for name in names if name not in key}
    changed |= {name: func.coalesce(statement.excluded[name], _column(table, name)) for name in kept}
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed)


def _column(table: type[Base], name: str) -> Column[Any]:
    return table.__table__.c[name]
