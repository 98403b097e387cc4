"""Which worker processes there are: each says every two seconds that it lives, and pages read who does.

A row proves nothing about claims, which hang on the lock of :mod:`kovra.store.liveness`: it is what people look at.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.types import Interval

from kovra.actions.request import State
from kovra.errors import Unavailable
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.tables import ActionRequests
from kovra.store.tables import Workers as Rows

log = logging.getLogger(__name__)

#: How often a worker says that it lives, in seconds.
BEAT_S = 2.0

#: Who was not heard for this long counts as silent: four beats, so that a busy machine accuses nobody.
SILENT_AFTER = timedelta(seconds=8)

#: A silent one is shown for so long; then the next worker that lives takes its row away.
FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class WorkerNow:
    """One worker process as it stands now.

    ``alive``: it was heard lately; ``listening``: Redis lets it look into its lanes, without which it takes nothing.
    ``in_hand``: requests of the reader's server that it has claimed and that are not done; of others nothing is told.
    """

    key: int
    owner: str
    shards: frozenset[int]
    started_at: datetime
    heard_at: datetime
    alive: bool
    listening: bool
    in_hand: int = 0

    def serves(self, shard: int) -> bool:
        """Whether what lies in this shard is taken by it now."""
        return self.alive and self.listening and shard in self.shards


class Presence:
    """A worker's own row: written while it lives, gone when it stops in order.

    Args:
        owner: machine and process, for people who look for it.
        shards: those whose lanes it serves.
        unheard_s: how many seconds ago Redis last let it look into its lanes; None: never yet.
    """

    def __init__(
        self,
        database: Database,
        *,
        owner: str,
        claim_key: int,
        shards: Collection[int],
        unheard_s: Callable[[], float | None],
    ) -> None:
        self._database, self._unheard_s, self._key = database, unheard_s, claim_key
        now = database.now()
        # Cast: PostgreSQL cannot tell the type of a NULL.
        heard = now - cast(bindparam("unheard", type_=Interval), Interval)
        row = {"claim_key": claim_key, "owner": owner, "shards": sorted(shards), "started_at": now}
        written = insert(Rows).values(**row, heard_at=now, lanes_heard_at=heard)
        again = {"heard_at": written.excluded.heard_at, "lanes_heard_at": written.excluded.lanes_heard_at}
        self._say = written.on_conflict_do_update(index_elements=["claim_key"], set_=again)
        self._forget = delete(Rows).where(Rows.heard_at < now - FORGOTTEN_AFTER)

    def beat(self) -> None:
        """Say that this process lives; forget who was silent for long.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        ago_s = self._unheard_s()
        unheard = None if ago_s is None else timedelta(seconds=ago_s)
        with self._database.transaction(None, wait_for_disk=False) as session:
            session.execute(self._say, {"unheard": unheard})
            session.execute(self._forget)

    def leave(self) -> None:
        """Take the row away: this process ends in order. Raises Unavailable."""
        self._database.once(None, delete(Rows).where(Rows.claim_key == self._key))

    def run(self, stop: threading.Event) -> None:
        """Beat until told to stop, then leave. A database that is away is waited for."""
        away = False
        while True:
            try:
                self.beat()
                away = False
            except Unavailable as error:
                if not away:
                    log.warning("this worker cannot say that it lives: %s", error)
                away = True
            if stop.wait(BEAT_S):
                break
        try:
            self.leave()
        except Unavailable as error:
            log.warning("this worker's row stays until another takes it away: %s", error)


class Workers:
    """Who lives, for pages. Each method raises Unavailable when PostgreSQL does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        row = Rows
        patience = bindparam("patience", SILENT_AFTER, type_=Interval)
        listens = and_(row.lanes_heard_at.is_not(None), row.heard_at - row.lanes_heard_at < patience)
        self._all = select(row, row.heard_at > database.now() - patience, listens).order_by(
            row.started_at, row.claim_key
        )

    def of(self, scope: GuildScope) -> list[WorkerNow]:
        """All of them, the oldest first, with what each has in hand of this server."""
        row, open_ones = ActionRequests, [State.EXECUTING.value, State.APPLIED.value]
        held = select(row.claim_key, func.count()).where(row.guild_id == scope.guild_id, row.state.in_(open_ones))
        with self._database.transaction(scope.guild_id) as session:
            found = session.execute(self._all).all()
            in_hand = dict(session.execute(held.group_by(row.claim_key)).all())
        return _workers(found, in_hand)

    def now(self) -> list[WorkerNow]:
        """All of them, without what they have in hand."""
        with self._database.transaction(None) as session:
            return _workers(session.execute(self._all).all(), {})


def _workers(found: Sequence, in_hand: Mapping[int | None, int]) -> list[WorkerNow]:
    return [
        WorkerNow(
            key=row.claim_key,
            owner=row.owner,
            shards=frozenset(row.shards),
            started_at=row.started_at,
            heard_at=row.heard_at,
            alive=alive,
            listening=listening,
            in_hand=in_hand.get(row.claim_key, 0),
        )
        for row, alive, listening in found
    ]
