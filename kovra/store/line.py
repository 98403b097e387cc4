"""A connection to PostgreSQL that makes no trip of its own to begin a transaction, or to say in whose name."""

from __future__ import annotations

from typing import Any

from psycopg2 import BINARY
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor, new_type, register_type

BEGIN = "BEGIN;"

#: What psycopg2 would hand over as memory that is still its own.
_BYTES = new_type(BINARY.values, "BYTES", lambda value, cursor: None if value is None else bytes(BINARY(value, cursor)))


class Line(connection):
    """psycopg2's connection, but a transaction begins in the same trip as its first statement.

    psycopg2 makes a trip for BEGIN, and naming the guild would be another: together half of the trips of a short
    transaction. PostgreSQL takes several statements at once and answers with the last. Under READ COMMITTED each has
    a snapshot of its own, as if they had come one by one.
    """

    #: Goes before the first statement of the next transaction, and is forgotten with its end.
    opening: str = BEGIN
    #: Goes behind the next statement.
    closing: str = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What psycopg2 calls a transaction stays closed; ours are told apart by the server's own word.
        self.autocommit = True
        self.cursor_factory = _Cursor
        register_type(_BYTES, self)
        #: The names of the statements that were prepared in it.
        self.prepared: set[str] = set()

    def open_with(self, settings: str, *, alone: bool) -> None:
        """Say what the next transaction begins with.

        Args:
            settings: statements, each with its semicolon.
            alone: the next statement is the whole transaction: PostgreSQL commits before it answers.
        """
        if not self.autocommit:
            # Somebody used this connection with an isolation of their own, which switches psycopg2's BEGIN back on.
            self.autocommit = True
        self.opening = settings if alone else BEGIN + settings

    def end_with_next(self) -> None:
        """Let the commit travel with the next statement; PostgreSQL leaves it out when the statement fails."""
        self.closing = ";COMMIT"

    def cursor(self, name: str | None = None, **how: Any) -> cursor:
        """A cursor; one with a name is read in portions."""
        # Where it knows of no transaction psycopg2 allows portions only of a cursor that may outlive one. Closed before
        # the commit, as SQLAlchemy does, it never has to.
        return super().cursor(**how) if name is None else super().cursor(name, withhold=True, **how)

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def _end(self, word: str) -> None:
        if self.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            with self.cursor() as ending:
                ending.execute(word)
        self.opening = BEGIN


class _Cursor(cursor):
    def execute(self, query: str, variables: Any = None) -> None:
        if self.connection.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            if self.name is None:
                query = self.connection.opening + query
            else:
                self._open()
        query, self.connection.closing = query + self.connection.closing, ""
        super().execute(query, variables)

    def executemany(self, query: str, variables: Any) -> None:
        if self.connection.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            self._open()
        super().executemany(query, variables)

    def _open(self) -> None:
        # A text that becomes part of a DECLARE, or is sent many times, has no room for another before it.
        with self.connection.cursor() as first:
            first.execute("SELECT 1")
