"""Any number of rows as one value of a statement, which can then be built and prepared once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Text, bindparam, cast, column, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB

#: How many at most. A plan is made before the rows are known; PostgreSQL would go by a hundred, and read whole tables.
MOST = 16


def rows_of(name: str, *columns: ColumnElement[Any]) -> CTE:
    """Rows in their order, handed in under this name as :func:`as_rows` spells them."""
    given = cast(bindparam(name, type_=Text), JSONB)
    typed = [column(one.name, one.type) for one in columns]
    rows = func.jsonb_to_recordset(given).table_valued(*typed, name=f"{name}_read").render_derived(with_types=True)
    return select(*rows.c).limit(literal_column(str(MOST))).cte(name)


def as_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as :func:`rows_of` takes them; what a row does not name is NULL."""
    if len(rows) > MOST:
        raise ValueError(f"{len(rows)} rows at once; {MOST} are planned for")
    return _ENCODE(rows)


#: As PostgreSQL reads them.
_SPELLINGS: Mapping[type, Callable[[Any], Any]] = {
    datetime: datetime.isoformat,
    bytes: lambda value: f"\\x{value.hex()}",
    UUID: str,
    MappingProxyType: dict,
}


def _spelled(value: Any) -> Any:
    spelling = _SPELLINGS.get(type(value))
    if spelling is None:
        raise TypeError(f"{type(value).__name__} has no spelling in JSON")
    return spelling(value)


# Made once: json.dumps would make one for each call.
_ENCODE = json.JSONEncoder(default=_spelled, separators=(",", ":")).encode
