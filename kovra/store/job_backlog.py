"""What the relay brings back of jobs: chunks with requests that nobody carries, or cases that wait for their post."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from kovra.actions.job import JobState
from kovra.actions.request import State
from kovra.ids import GuildId
from kovra.store.backlog import PATIENCE
from kovra.store.database import Database, enter_guild
from kovra.store.tables import ActionRequests, JobChunks
from kovra.store.tables import Jobs as JobRows


@dataclass(frozen=True, kw_only=True)
class OverdueChunk:
    """A chunk to be put on its guild's lane again, with its sealed bytes as they were accepted."""

    guild_id: GuildId
    batch_id: UUID
    number: int
    body: bytes
    kid: str
    sig: str


class JobBacklog:
    """The relay's view of jobs, across all guilds."""

    def __init__(self, database: Database, patience: timedelta = PATIENCE) -> None:
        self._database = database
        self._patience = patience
        row = ActionRequests
        open_somewhere = row.state.in_([State.ACCEPTED.value, State.EXECUTING.value, State.APPLIED.value])
        # Built once, as the relay asks for it four times a second.
        mentioned = select(row.guild_id, row.batch_id, row.chunk).where(row.chunk.is_not(None), open_somewhere)
        self._mentioned = mentioned.distinct()

    def overdue(self) -> list[OverdueChunk]:
        """Chunks that somebody should be carrying on. What is given here is not given again for 2 s."""
        by_guild: dict[GuildId, list[tuple[UUID, int]]] = defaultdict(list)
        for guild_id, batch_id, number in self._database.once(None, self._mentioned):
            by_guild[GuildId(guild_id)].append((batch_id, number))
        if not by_guild:
            return []
        with self._database.transaction(None) as session:
            found: list[OverdueChunk] = []
            for guild_id in sorted(by_guild):
                enter_guild(session, guild_id)
                found += self._in_guild(session, guild_id, by_guild[guild_id])
            return found

    def _in_guild(self, session: Session, guild_id: GuildId, names: list[tuple[UUID, int]]) -> list[OverdueChunk]:
        chunk, now = JobChunks, self._database.now()
        lately = now - self._patience
        wanted = (
            select(chunk.batch_id, chunk.number)
            .join(JobRows, and_(JobRows.batch_id == chunk.batch_id, JobRows.guild_id == guild_id))
            .where(chunk.guild_id == guild_id, tuple_(chunk.batch_id, chunk.number).in_(names))
            .where(or_(chunk.relayed_at.is_(None), chunk.relayed_at < lately))
            .where(self._has_requests(lately))
            .with_for_update(of=chunk, skip_locked=True)
        )
        ids = session.execute(wanted).all()
        if not ids:
            return []
        mark = update(chunk).where(chunk.guild_id == guild_id, tuple_(chunk.batch_id, chunk.number).in_(ids))
        marked = session.execute(
            mark.values(relayed_at=now)
            .returning(chunk.batch_id, chunk.number, chunk.body, chunk.kid, chunk.sig)
            .execution_options(synchronize_session=False)
        )
        return [
            OverdueChunk(
                guild_id=guild_id, batch_id=one.batch_id, number=one.number, body=one.body, kid=one.kid, sig=one.sig
            )
            for one in marked
        ]

    def _has_requests(self, lately: Any) -> Any:
        row, now = ActionRequests, self._database.now()
        goes_on = or_(JobRows.state != JobState.PAUSED.value, row.effect_at.is_not(None), row.expires_at < now)
        waiting = and_(
            row.state == State.ACCEPTED.value,
            goes_on,
            # A due time was chosen on purpose: no patience on top of it.
            or_(
                and_(row.due_at.is_(None), func.coalesce(JobChunks.enqueued_at, row.accepted_at) < lately),
                row.due_at <= now,
            ),
        )
        abandoned = and_(
            row.state.in_([State.EXECUTING.value, State.APPLIED.value]),
            or_(row.claim_until.is_(None), row.claim_until < now),
            or_(row.due_at.is_(None), row.due_at <= now),
        )
        return exists().where(
            row.guild_id == JobChunks.guild_id,
            row.batch_id == JobChunks.batch_id,
            row.chunk == JobChunks.number,
            or_(waiting, abandoned),
        )
