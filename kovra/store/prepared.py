"""Statements that a connection parses and plans once: for those that every action runs.

Reading the text of such a statement and planning it (each table has its policies) takes PostgreSQL three times as long
as running it, and others wait meanwhile for the counters that it holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Executable
from sqlalchemy.dialects.postgresql import asyncpg

# PREPARE wants $1 and the type of each parameter: SQLAlchemy writes so for asyncpg, which need not be there for it.
_DIALECT = asyncpg.dialect()


class _Given(NamedTuple):
    """Where the value of one parameter comes from: handed in under this key, else the statement's own."""

    key: str
    bind: BindParameter[Any]
    convert: Callable[[Any], Any] | None


class Prepared:
    """A statement with a name in each connection that has run it.

    It asks for the same values as the statement, and reads the clock when it runs. No list of varying length may be in
    it (``in_`` of values); ``any_`` of an array may.
    """

    def __init__(self, statement: Executable) -> None:
        compiled = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
        self.text = str(compiled)
        if "POSTCOMPILE" in self.text:
            raise ValueError("a list whose length is known only when the statement runs cannot be prepared")
        # By its text: whoever prepares the same in the same connection means the same.
        self.name = f"kovra_{hashlib.sha256(self.text.encode()).hexdigest()[:20]}"
        self._parameters = [_given(compiled.binds[name]) for name in compiled.positiontup or ()]
        # psycopg2 reads the text for places of values, and a single % would be one.
        self.prepare = f"PREPARE {self.name} AS {self.text}".replace("%", "%%")
        places = ", ".join(["%s"] * len(self._parameters))
        self.call = f"EXECUTE {self.name}({places})" if places else f"EXECUTE {self.name}"

    @property
    def asks_for(self) -> frozenset[str]:
        """The values that must be handed in."""
        return frozenset(key for key, bind, _ in self._parameters if bind.required)

    def values(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """The values in the order of :attr:`call`.

        Raises:
            KeyError: one that must be handed in is missing.
        """
        values = []
        for key, bind, convert in self._parameters:
            value = given[key] if bind.required or key in given else bind.effective_value
            values.append(value if convert is None else convert(value))
        return tuple(values)


def _given(bind: BindParameter[Any]) -> _Given:
    return _Given(bind.key, bind, bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
