"""What the relay brings back to the lanes: accepted and not taken, or begun by someone who is gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Uuid,
    all_,
    and_,
    any_,
    bindparam,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from kovra.actions.request import Action, State
from kovra.ids import GuildId, UserId
from kovra.store.database import Database, enter_guild
from kovra.store.tables import ActionRequests

#: An entry that is on its lane is usually claimed sooner; one that is not has been waiting long enough.
PATIENCE = timedelta(seconds=2)

#: One that nobody noted as put on its lane is most likely on none: its door died, or Redis was away.
UNNOTED_PATIENCE = timedelta(seconds=0.5)


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """A request to be put on its guild's lane again, with the sealed bytes as they were accepted."""

    guild_id: GuildId
    request_id: UUID
    action: Action
    target_id: UserId
    body: bytes
    kid: str
    sig: str


class Backlog:
    """The relay's view of the queue of record, across all guilds."""

    def __init__(self, database: Database, patience: timedelta = PATIENCE) -> None:
        self._database = database
        self._patience, self._unnoted = patience, min(patience, UNNOTED_PATIENCE)
        # Built once: a relay looks four times a second, and building them would be most of what a look costs.
        self._late, self._mark = self._looking(), self._marking()

    def overdue(self, limit: int = 200, but: Collection[GuildId] = ()) -> list[Overdue]:
        """Requests that somebody should be executing: first those never given here, then those given longest ago.

        So thousands that wait their turn on a long lane do not hide the one that no lane has. None of the guilds
        ``but``.

        Accepted, due and unclaimed for 2 s, or for half a second when no door noted that it is on its lane; or claimed,
        and the claim was freed or its time is over. Whatever is given here is not given again for 2 s, also to another
        relay.
        """
        rows = self._database.once(None, self._late, {"most": limit, "but": list(but)})
        if not rows:
            return []
        ids = defaultdict(list)
        for found in rows:
            ids[GuildId(found.guild_id)].append(found.request_id)
        with self._database.transaction(None) as session:
            mine: set[UUID] = set()
            for guild_id in sorted(ids):
                # To mark a row is to change it, which takes being in its guild.
                enter_guild(session, guild_id)
                marked = {"in_guild": guild_id, "among": ids[guild_id]}
                mine |= set(session.scalars(self._mark, marked, execution_options={"synchronize_session": False}))
        return [_overdue(found) for found in rows if found.request_id in mine]

    def _looking(self) -> Select[Any]:
        row, now = ActionRequests, self._database.now()
        waiting = and_(
            row.state == State.ACCEPTED.value,
            # A due time was chosen on purpose: no patience on top of it.
            or_(
                and_(row.due_at.is_(None), row.enqueued_at < now - self._patience),
                and_(row.due_at.is_(None), row.enqueued_at.is_(None), row.accepted_at < now - self._unnoted),
                row.due_at <= now,
            ),
        )
        abandoned = and_(
            row.state.in_([State.EXECUTING.value, State.APPLIED.value]),
            or_(row.claim_until.is_(None), row.claim_until < now),
            or_(row.due_at.is_(None), row.due_at <= now),
        )
        return (
            select(row.guild_id, row.request_id, row.action, row.target_id, row.body, row.kid, row.sig)
            # What belongs to a job travels in its chunk.
            .where(row.chunk.is_(None), or_(waiting, abandoned), self._not_lately())
            .where(row.guild_id != all_(bindparam("but", type_=ARRAY(BigInteger))))
            .order_by(row.relayed_at.nulls_first(), row.created_at)
            .limit(bindparam("most", type_=Integer))
        )

    def _marking(self) -> ReturningUpdate[Any]:
        row, guild_id = ActionRequests, bindparam("in_guild", type_=BigInteger)
        free = select(row.request_id).where(
            row.guild_id == guild_id,
            row.request_id == any_(bindparam("among", type_=ARRAY(Uuid))),
            self._not_lately(),
        )
        mark = update(row).where(row.guild_id == guild_id)
        mark = mark.where(row.request_id.in_(free.with_for_update(skip_locked=True)))
        return mark.values(relayed_at=self._database.now()).returning(row.request_id)

    def _not_lately(self) -> ColumnElement[bool]:
        row = ActionRequests
        return or_(row.relayed_at.is_(None), row.relayed_at < self._database.now() - self._patience)


def _overdue(row: Any) -> Overdue:
    return Overdue(
        guild_id=GuildId(row.guild_id),
        request_id=row.request_id,
        action=Action(row.action),
        target_id=UserId(row.target_id),
        body=row.body,
        kid=row.kid,
        sig=row.sig,
    )
