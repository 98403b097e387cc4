"""The clock's own hand: requests that nobody could even begin end when they are no longer wanted.

A request that is claimed in time or late is expired by its executor. This is for the rest: a row under a key that no
worker knows, or one whose bytes no longer verify, would otherwise be brought back for ever.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select, update

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.request import State
from kovra.errors import Unavailable
from kovra.ids import GuildId, UserId
from kovra.store.audit import AuditLog
from kovra.store.database import Database, enter_guild
from kovra.store.events import EventKind, append_events
from kovra.store.requests import FACT_COLUMNS, row_facts
from kovra.store.tables import ActionRequests

log = logging.getLogger(__name__)

#: How often to look, and how long an executor has to do it itself.
TICK_S = 5.0
GRACE = timedelta(minutes=1)

#: So many in one transaction; the rest comes with the next look.
_MOST = 200


class Expiry:
    """One loop in each worker; two at once share the rows between them."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop. A database that is away is waited for."""
        while not stop.wait(TICK_S):
            try:
                if ended := self.expire():
                    log.warning("%d requests expired that no worker could begin", ended)
            except Unavailable:
                log.warning("requests that are no longer wanted wait: the database does not answer")

    def expire(self) -> int:
        """End what has waited past its time, in every guild; says how many."""
        row = ActionRequests
        late = (
            row.state == State.ACCEPTED.value,
            row.expires_at < self._database.now() - GRACE,
            # What may have been done is settled by looking, not by the clock.
            row.effect_at.is_(None),
        )
        with self._database.transaction(None) as session:
            guilds = session.scalars(select(row.guild_id).where(*late).distinct().limit(_MOST)).all()
        ended = 0
        for guild_id in map(GuildId, sorted(guilds)):
            with self._database.transaction(None) as session:
                enter_guild(session, guild_id)
                mine = select(row.request_id).where(row.guild_id == guild_id, *late)
                mine = mine.order_by(row.request_id).limit(_MOST).with_for_update(skip_locked=True)
                end = update(row).where(row.guild_id == guild_id, row.request_id.in_(mine))
                end = end.values(state=State.EXPIRED.value, done_at=self._database.now(), due_at=None)
                found = session.connection().execute(end.returning(*FACT_COLUMNS)).all()
                state = {"state": State.EXPIRED.value}
                told = [(EventKind.ACTION_EXPIRED, one.request_id, row_facts(one) | state) for one in found]
                append_events(session, guild_id, told)
                self._audit.append_all_in(session, [_entry(guild_id, one) for one in found])
                ended += len(found)
        return ended


def _entry(guild_id: GuildId, row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        guild_id=guild_id,
        kind=AuditKind.ACTION_EXPIRED,
        actor_id=UserId(row.moderator_id),
        facts=row_facts(row),
    )
