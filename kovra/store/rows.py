"""Any number of rows as one value of a statement, which can then be built and prepared once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
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
    return json.dumps(rows, default=_spelled, separators=(",", ":"))


def _spelled(value: Any) -> Any:
    """As PostgreSQL reads it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no spelling in JSON")
