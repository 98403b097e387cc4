"""Proof that a worker lives, and the release of what a dead one held.

A worker holds an advisory lock of PostgreSQL on a connection of its own. The lock goes when the process dies, however
it dies; so a claim whose lock is free has a dead owner, and nobody has to wait for its time to run out.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection
from types import TracebackType

from sqlalchemy import ARRAY, BigInteger, Connection, bindparam, func, select, text, update
from sqlalchemy.exc import DBAPIError

from kovra.actions.request import State
from kovra.errors import Unavailable
from kovra.ids import GuildId
from kovra.store.database import Database, enter_guild
from kovra.store.tables import ActionRequests

log = logging.getLogger(__name__)

#: A dead worker's claims are free within this and the relay's patience.
TICK_S = 0.5

#: A PostgreSQL that was away took everybody's lock with it: who has lost theirs gives the others this long to come
#: back before it takes a free lock for a death.
COME_BACK_S = 3.0


def new_claim_key() -> int:
    """A fresh key for one process: 62 random bits, apart from every other lock of Kovra."""
    return secrets.randbits(62) | 1 << 62


class Liveness:
    """Holds this process's lock. Needs a connection straight to PostgreSQL, not through a transaction pooler.

    ``free_left`` frees what this very process let go of while PostgreSQL was away.
    """

    def __init__(
        self,
        database: Database,
        claim_key: int,
        monotonic: Callable[[], float] = time.monotonic,
        free_left: Callable[[], int] = lambda: 0,
    ) -> None:
        self._database = database
        self._free_left = free_left
        self._monotonic = monotonic
        self._key = claim_key
        self._connection: Connection | None = None
        self._turn = threading.Lock()
        self._trusts_from = float("-inf")
        row = ActionRequests
        # Built once: it is asked twice a second.
        self._held_by_others = (
            select(row.claim_key)
            .where(row.state.in_([State.EXECUTING.value, State.APPLIED.value]), row.claim_key.is_not(None))
            .where(row.claim_key != claim_key)
            .distinct()
        )

    def __enter__(self) -> Liveness:
        self.hold()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def start(self) -> None:
        """Take the lock; before this nothing may be claimed under its key."""
        self.hold()

    def run(self, stop: threading.Event) -> None:
        """Keep the lock and free what nobody works on, until told to stop. A database that is away is waited for."""
        while not stop.wait(TICK_S):
            try:
                freed = self._free_left() + self.free_dead_claims()
            except Unavailable:
                log.warning("claims that nobody works on wait: the database does not answer")
            else:
                if freed:
                    log.info("freed %d claims that nobody worked on", freed)

    def close(self) -> None:
        """As release."""
        self.release()

    def hold(self) -> None:
        """Take the lock, again when its connection was lost meanwhile.

        Raises:
            Unavailable: PostgreSQL does not answer, or another process holds this key.
        """
        with self._turn:
            if self._connection is not None and self._still_there(self._connection):
                return
            if self._connection is not None:
                self._trusts_from = self._monotonic() + COME_BACK_S
            self._drop()
            connection = self._database.connect_alone()
            with self._database.unavailable_when_away():
                # No time limits here: this connection is idle for as long as the process lives.
                connection.execute(text("SET idle_session_timeout = 0"))
                taken = connection.scalar(select(func.pg_try_advisory_lock(self._key)))
            if not taken:
                connection.close()
                raise Unavailable("another process holds this claim key; after a lost connection it frees up by itself")
            self._connection = connection

    def release(self) -> None:
        """Let the lock go, so that others see at once that this process claims nothing any more."""
        with self._turn:
            self._drop()

    def free_dead_claims(self) -> int:
        """Free the claims of dead owners, in every guild; says how many. Their epoch still fences late writes."""
        self.hold()
        if self._monotonic() < self._trusts_from:
            return 0
        return sum(self._free(key) for (key,) in self._database.once(None, self._held_by_others))

    def dead(self, keys: Collection[int]) -> set[int]:
        """Which of these keys nobody holds: their processes are dead.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        if self._monotonic() < self._trusts_from:
            return set()
        asked = func.unnest(bindparam("keys", list(keys), type_=ARRAY(BigInteger))).column_valued("key")
        with self._database.transaction(None) as session:
            return set(session.scalars(select(asked).where(func.pg_try_advisory_xact_lock(asked))))

    def _free(self, key: int) -> int:
        """Free the claims of one owner, if its lock can be had: that proves its death until the transaction ends."""
        row = ActionRequests
        claimed = select(row.guild_id).where(
            row.state.in_([State.EXECUTING.value, State.APPLIED.value]), row.claim_key == key
        )
        freed = 0
        with self._database.transaction(None) as session:
            if not session.scalars(select(func.pg_try_advisory_xact_lock(key))).one():
                return 0
            for guild_id in session.scalars(claimed.distinct().order_by(row.guild_id)).all():
                enter_guild(session, GuildId(guild_id))
                free = update(row).where(row.guild_id == guild_id, row.claim_key == key)
                free = free.where(row.state.in_([State.EXECUTING.value, State.APPLIED.value]))
                free = free.values(claim_owner=None, claim_key=None, claim_until=None)
                freed += session.execute(free.execution_options(synchronize_session=False)).rowcount
        return freed

    def _still_there(self, connection: Connection) -> bool:
        try:
            with self._database.unavailable_when_away():
                connection.scalar(select(1))
        except (Unavailable, DBAPIError):
            return False
        return not connection.invalidated

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
