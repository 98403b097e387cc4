"""One engine per process: transactions under one guild, the clock, and what to make of a PostgreSQL that is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg2
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    CursorResult,
    DateTime,
    Executable,
    Row,
    bindparam,
    create_engine,
    event,
    func,
    make_url,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError, TimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolProxiedConnection

from kovra.actions.ports import Clock
from kovra.errors import Unavailable
from kovra.ids import GuildId
from kovra.store.line import Line
from kovra.store.prepared import Prepared

#: A statement that takes longer is broken off: a greenlet that is gone must not leave its query running.
STATEMENT_TIMEOUT_MS = 5_000
#: Nothing waits for the network inside a transaction; one that stays open this long belongs to a hung process.
IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000
CONNECT_TIMEOUT_S = 5
#: A server that went away without a word is noticed within about this; the system's own time-outs are a quarter of an
#: hour for what was sent, and two hours for a connection at rest.
SILENT_NETWORK_S = 20
#: How long one waits for a connection of this process. Longer than a statement may take: when all are busy, because an
#: outage has just ended, whoever waits gets one after a while, and that is better than to be sent away.
POOL_TIMEOUT_S = 10

_ASK_CLOCK_EVERY_S = 10.0
_MOMENT_S = 0.5

#: libpq's words for it; they mean nothing on a Unix socket.
_ALIVE = {
    "tcp_user_timeout": SILENT_NETWORK_S * 1000,
    "keepalives_idle": SILENT_NETWORK_S // 2,
    "keepalives_interval": SILENT_NETWORK_S // 4,
    "keepalives_count": 2,
}

#: SQLSTATE of a write sent to a server that has become a standby (PostgreSQL, error codes, class 25).
_READ_ONLY_SERVER = "25006"


def sqlalchemy_url(url: str) -> URL:
    """Read an address as platforms hand it out; ``postgres://`` is not known to SQLAlchemy."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            url = "postgresql+psycopg2://" + url.removeprefix(prefix)
    return make_url(url)


class Database:
    """PostgreSQL as one process uses it. Building one opens nothing.

    Args:
        url: as in ``DATABASE_URL``.
        role: the role whose rights the process works with (``kovra_web``, ``kovra_worker``, ``kovra_bot``); None is
            the owner, for migrations.
        clock: replaces PostgreSQL's clock; tests set the time with it.
    """

    def __init__(
        self,
        url: str,
        *,
        role: str | None,
        pool_size: int = 5,
        max_overflow: int = 10,
        clock: Clock | None = None,
    ) -> None:
        address = sqlalchemy_url(url)
        self._connect = _connect_arguments(address, role)
        self._url = address.difference_update_query(["options"])
        self._clock = clock
        self.engine = create_engine(
            self._url,
            connect_args={**self._connect, "connection_factory": Line},
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=POOL_TIMEOUT_S,
            pool_use_lifo=True,  # the one that rested least: what it has prepared and read is still at hand
        )
        event.listen(self.engine, "checkin", _rested)
        event.listen(self.engine, "checkout", _ping_after_a_rest)

    @contextmanager
    def transaction(
        self, guild_id: GuildId | None, *, wait_for_disk: bool = True, first: str = ""
    ) -> Iterator[Session]:
        """One transaction, which sees and writes the rows of this guild only.

        Without a guild only tables that belong to no guild are in reach (sessions, gateway shards), and what a role's
        own policies allow (the worker's relay).

        ``wait_for_disk=False`` is for what may be lost when PostgreSQL's machine dies within the next half second:
        never a numbered event, which readers may have seen, nor an intent. The next commit that waits for the disk
        waits for this one too. ``first`` is SQL that travels with the first statement and is done before it.

        Raises:
            Unavailable: PostgreSQL did not answer, or a limit of time was hit. Nothing was kept.
        """
        with self.unavailable_when_away(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            _line(session.connection()).open_with(_settings(guild_id, wait_for_disk) + first, alone=False)
            yield session

    @contextmanager
    def plain_transaction(self, guild_id: GuildId, *, first: str = "") -> Iterator[Connection]:
        """A :meth:`transaction` without a session around it, which costs as much Python as two statements.

        For prepared statements behind which others wait.
        """
        with self.unavailable_when_away(), self.engine.connect() as connection, connection.begin():
            _line(connection).open_with(_settings(guild_id, wait_for_disk=True) + first, alone=False)
            yield connection

    def once(
        self,
        guild_id: GuildId | None,
        statement: Executable | Prepared,
        values: Mapping[str, Any] | None = None,
        *,
        wait_for_disk: bool = True,
        first: str = "",
    ) -> Sequence[Row[Any]]:
        """One statement that is a whole :meth:`transaction`, in one trip; gives its rows. ``first`` as there.

        Raises:
            Unavailable: as ``transaction``.
        """
        with self.unavailable_when_away(), self.engine.connect() as connection:
            _line(connection).open_with(_settings(guild_id, wait_for_disk) + first, alone=True)
            found = run(connection, statement, values)
            return found.all() if found.returns_rows else []

    def open_connections(self, count: int) -> None:
        """Fill the pool with this many connections, before they are needed."""
        with self.unavailable_when_away(), ExitStack() as held:
            for _ in range(count):
                held.enter_context(self.engine.connect())

    def connect_alone(self) -> Connection:
        """A connection outside the pool that commits by itself, for locks that live as long as a process."""
        with self.unavailable_when_away():
            engine = create_engine(
                self._url, connect_args=self._connect, poolclass=NullPool, isolation_level="AUTOCOMMIT"
            )
            return engine.connect()

    @property
    def clocked(self) -> bool:
        """Whether a test sets the time."""
        return self._clock is not None

    def now(self) -> ColumnElement[datetime]:
        """The present moment as an SQL expression: PostgreSQL's clock, which all processes agree on."""
        if self._clock is None:
            return func.clock_timestamp(type_=DateTime(timezone=True))
        # Asked when the statement runs, so that a statement may be built once and kept.
        return bindparam(None, callable_=self._clock.now, type_=DateTime(timezone=True), unique=True)

    def read_now(self, session: Session) -> datetime:
        """The present moment, read in this transaction."""
        if self._clock is not None:
            return self._clock.now()
        return session.connection().exec_driver_sql("SELECT clock_timestamp()").scalar_one()

    def steady_now(self) -> ColumnElement[datetime]:
        """As :meth:`now`, but one moment for all of a statement: an index can be asked for what is after it."""
        return func.statement_timestamp(type_=DateTime(timezone=True)) if self._clock is None else self.now()

    def moment(self, told: datetime) -> datetime:
        """The present moment of a statement that told ``clock_timestamp()``: that, unless a test sets the time."""
        return told if self._clock is None else self._clock.now()

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @staticmethod
    @contextmanager
    def unavailable_when_away() -> Iterator[None]:
        """Turn what a missing or overloaded PostgreSQL raises into Unavailable."""
        try:
            yield
        except (OperationalError, InterfaceError, TimeoutError) as error:
            raise Unavailable(f"the database does not answer: {_first_line(error)}") from error
        except DBAPIError as error:
            if error.connection_invalidated or getattr(error.orig, "pgcode", None) == _READ_ONLY_SERVER:
                raise Unavailable(f"the database does not answer: {_first_line(error)}") from error
            raise


class PostgresClock(Clock):
    """The one clock all processes agree on, to within the milliseconds of one question.

    PostgreSQL is asked every ten seconds; in between its answer is carried on by a clock that never jumps.
    """

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database, self._monotonic = database, monotonic
        self._asked: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Raises Unavailable when PostgreSQL must be asked and does not answer."""
        asked, here = self._asked, self._monotonic()
        if asked is None or here - asked[1] > _ASK_CLOCK_EVERY_S or self._database.clocked:
            with self._database.transaction(None) as session:
                asked = (self._database.read_now(session), self._monotonic())
            self._asked = asked
        return asked[0] if self._database.clocked else asked[0] + timedelta(seconds=self._monotonic() - asked[1])


def enter_guild(session: Session, guild_id: GuildId) -> None:
    """Let the rest of the transaction see and write the rows of this guild, and of no other."""
    session.connection().exec_driver_sql(_settings(guild_id, wait_for_disk=True))


def run(
    connection: Connection, statement: Executable | Prepared, values: Mapping[str, Any] | None = None
) -> CursorResult[Any]:
    """Run a statement in the transaction of this connection."""
    if not isinstance(statement, Prepared):
        return connection.execute(statement, values)
    _prepare(connection, statement)
    return connection.exec_driver_sql(statement.call, statement.values(values or {}))


def end_with(on: Session | Connection, statement: Executable | Prepared, values: Mapping[str, Any]) -> None:
    """The last statement of a transaction, whose commit travels with it. It gives no rows.

    For what others wait behind: they wait a trip less.
    """
    connection = on.connection() if isinstance(on, Session) else on
    if isinstance(statement, Prepared):
        _prepare(connection, statement)
    _line(connection).end_with_next()
    run(connection, statement, values)


def _prepare(connection: Connection, statement: Prepared) -> None:
    """Prepare a statement where this connection has not: a trip of its own, once. A rollback does not undo it."""
    line = _line(connection)
    if statement.name not in line.prepared:
        connection.exec_driver_sql(statement.prepare)
        line.prepared.add(statement.name)


def _settings(guild_id: GuildId | None, wait_for_disk: bool) -> str:
    """What a transaction is to begin with. Text, not parameters: SET takes none; a number cannot be anything else."""
    entered = "" if guild_id is None else f"SET LOCAL kovra.guild = '{int(guild_id)}';"
    return entered if wait_for_disk else entered + "SET LOCAL synchronous_commit = off;"


def _line(connection: Connection) -> Line:
    line = connection.connection.driver_connection
    assert isinstance(line, Line)
    return line


def _rested(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    record.info["rested_since"] = time.monotonic()


def _ping_after_a_rest(connection: Line, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
    """Look whether PostgreSQL is still there, unless it was a moment ago: a restart takes longer than that moment.

    Asking before every transaction would be a tenth of the cost of an action.
    """
    if time.monotonic() - record.info.get("rested_since", 0.0) < _MOMENT_S:
        return
    try:
        connection.open_with("", alone=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()  # no trip: nothing is open; it forgets what the next one would begin with
    except psycopg2.Error as error:
        raise DisconnectionError from error


def _connect_arguments(address: URL, role: str | None) -> dict[str, object]:
    settings = {
        "timezone": "UTC",
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_MS,
        # Pinned: under REPEATABLE READ the snapshot of a budget is older than the lock that guards it, and twenty
        # moderators' tabs would be granted more than the budget holds.
        "default_transaction_isolation": r"read\ committed",
        # What is prepared finds its rows by their keys: the values make no other plan better.
        "plan_cache_mode": "force_generic_plan",
    }
    if role is not None and address.username != role:
        settings["role"] = role
    given = address.query.get("options", "")
    options = " ".join([str(given), *(f"-c {name}={value}" for name, value in settings.items())]).strip()
    about = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": role or "kovra"}
    return {"options": options, **about, **_ALIVE}


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
