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
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from kovra.actions.request import Action
from kovra.ids import GuildId, UserId
from kovra.store.database import Database, enter_guild, run
from kovra.store.prepared import Prepared
from kovra.store.tables import ActionRequests

#: An entry that is on its lane is usually claimed sooner; one that is not has been waiting long enough.
PATIENCE = timedelta(seconds=2)

#: One that nobody noted as put on its lane is most likely on none: its door died, or Redis was away.
UNNOTED_PATIENCE = timedelta(seconds=0.5)

#: So many are given at once. Written out, so that PostgreSQL knows that few of many are wanted.
MOST = 200
_AT_MOST: ColumnElement[int] = literal_column(str(MOST))

#: It guesses that few are overdue, reads all of them and sorts them. In an outage all are: go along the index.
_ALONG_THE_INDEX = "SET LOCAL enable_sort = off;"

#: Written out too: an index of some states is no help to a plan that does not know the state.
_ACCEPTED = ActionRequests.state == literal_column("'accepted'")
_BEGUN = or_(ActionRequests.state == literal_column("'executing'"), ActionRequests.state == literal_column("'applied'"))


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

    def overdue(self, limit: int = MOST, but: Collection[GuildId] = ()) -> list[Overdue]:
        """Requests that somebody should be executing: first those never given here, then those given longest ago.

        So thousands that wait their turn on a long lane do not hide the one that no lane has. None of the guilds
        ``but``.

        Accepted, due and unclaimed for 2 s, or for half a second when no door noted that it is on its lane; or claimed,
        and the claim was freed or its time is over. Whatever is given here is not given again for 2 s, also to another
        relay.
        """
        asked = {"most": limit, "but": list(but)}
        rows = self._database.once(None, self._late, asked, first=_ALONG_THE_INDEX)
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
                mine |= set(run(session.connection(), self._mark, marked).scalars())
        return [_overdue(found) for found in rows if found.request_id in mine]

    def _looking(self) -> Prepared:
        """Three looks, each along an index and no further than is wanted: how much waits does not matter.

        Those never given here as long as they wait (behind them stand only those of the last seconds, which are not
        overdue yet), those given longest ago, and what somebody began.
        """
        row = ActionRequests
        # Read once: what a clock says anew for each row cannot be looked up.
        now = select(self._database.now()).scalar_subquery()
        since = func.coalesce(row.due_at, row.accepted_at)
        first = self._found(
            _ACCEPTED,
            row.relayed_at.is_(None),
            since <= now,
            or_(
                # A due time was chosen on purpose: no patience on top of it.
                row.due_at.is_not(None),
                row.enqueued_at < now - self._patience,
                and_(row.enqueued_at.is_(None), row.accepted_at < now - self._unnoted),
            ),
        ).order_by(row.relayed_at, since)
        again = self._found(_ACCEPTED, row.relayed_at < now - self._patience, since <= now).order_by(
            row.relayed_at, since
        )
        abandoned = self._found(
            _BEGUN,
            or_(row.claim_until.is_(None), row.claim_until < now),
            or_(row.due_at.is_(None), row.due_at <= now),
            self._not_lately(),
        )
        found = union_all(*(look.limit(_AT_MOST) for look in (first, again, abandoned))).subquery("found")
        order = (found.c.relayed_at.nulls_first(), found.c.created_at)
        return Prepared(select(found).order_by(*order).limit(bindparam("most", type_=Integer)))

    @staticmethod
    def _found(*wanted: ColumnElement[bool]) -> Select[Any]:
        row = ActionRequests
        columns = (row.guild_id, row.request_id, row.action, row.target_id, row.body, row.kid, row.sig)
        # What belongs to a job travels in its chunk.
        look = select(*columns, row.relayed_at, row.created_at).where(row.chunk.is_(None), *wanted)
        return look.where(row.guild_id != all_(bindparam("but", type_=ARRAY(BigInteger))))

    def _marking(self) -> Prepared:
        row, guild_id = ActionRequests, bindparam("in_guild", type_=BigInteger)
        free = select(row.request_id).where(
            row.guild_id == guild_id,
            row.request_id == any_(bindparam("among", type_=ARRAY(Uuid))),
            self._not_lately(),
        )
        mark = update(row).where(row.guild_id == guild_id)
        mark = mark.where(row.request_id.in_(free.with_for_update(skip_locked=True)))
        return Prepared(mark.values(relayed_at=self._database.now()).returning(row.request_id))

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
