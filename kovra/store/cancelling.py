"""The one writer of ``cancelled``: a person ends what still waits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from kovra.actions import cancel
from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import Person
from kovra.actions.request import Action, Source, State
from kovra.ids import GuildId, UserId
from kovra.store.audit import AuditLog
from kovra.store.database import Database
from kovra.store.events import EventKind, append_events
from kovra.store.guilds import GuildScope
from kovra.store.people import name_of, people
from kovra.store.requests import FACT_COLUMNS, row_facts
from kovra.store.tables import ActionRequests

_CANCEL = text("SELECT kovra_cancel_waiting(:ids, :by_id, :moment)").bindparams(bindparam("ids", type_=ARRAY(Uuid)))


@dataclass(frozen=True, kw_only=True)
class Cancellation:
    """What came of asking to cancel. ``sentence`` says why it was not; None: it is cancelled."""

    request_id: UUID
    action: Action
    target_name: str
    state: State
    sentence: str | None = None


class Cancelling:
    """Cancel requests. Asked for what is cancelled already, it says that it is."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)

    def cancel(self, scope: GuildScope, request_id: UUID) -> Cancellation | None:
        """Cancel one request of this guild, if it still waits and the viewer may; None when there is no such request.

        Raises:
            Unavailable: nothing was changed.
        """
        with self._database.transaction(scope.guild_id) as session:
            row = _asked(session, scope.guild_id, request_id)
            if row is None:
                return None
            sentence, state = _refusal(session, self._database, scope, row), State(row.state)
            if sentence is None and state is not State.CANCELLED:
                done = cancel_waiting(
                    session, self._database, self._audit, scope.guild_id, [request_id], _viewer(scope)
                )
                # It may have begun, or ended, between the look and the write.
                now = _asked(session, scope.guild_id, request_id)
                state = State(now.state) if now is not None else state
                if not done and state is not State.CANCELLED:
                    sentence = cancel.too_late(Action(row.action), state, _name(session, scope, row.target_id))
            return Cancellation(
                request_id=request_id,
                action=Action(row.action),
                target_name=_name(session, scope, row.target_id),
                state=state,
                sentence=sentence,
            )

    def may(self, scope: GuildScope, request_id: UUID) -> bool:
        """Whether the viewer could cancel this request now: whether a page offers it."""
        return request_id in self.offered(scope, [request_id])

    def offered(self, scope: GuildScope, request_ids: Collection[UUID]) -> frozenset[UUID]:
        """Those of these requests that the viewer could cancel now, at the cost of one."""
        row = ActionRequests
        waiting = select(row.request_id, row.action, row.source, row.moderator_id).where(
            row.guild_id == scope.guild_id,
            row.request_id.in_(request_ids),
            row.state == State.ACCEPTED.value,
            row.effect_at.is_(None),
        )
        with self._database.transaction(scope.guild_id) as session:
            found = session.execute(waiting).all()
            askers = {UserId(one.moderator_id) for one in found}
            who = people(session, scope.guild_id, askers, self._database.read_now(session)) if askers else {}
        return frozenset(one.request_id for one in found if _refused(scope, one, who[UserId(one.moderator_id)]) is None)


def cancel_waiting(
    session: Session,
    database: Database,
    audit: AuditLog,
    guild_id: GuildId,
    request_ids: Iterable[UUID],
    by_id: UserId,
) -> Sequence[UUID]:
    """Cancel those of these requests that still wait, in the caller's transaction; says which.

    Each gets its event and its audit entry. One that has begun is not touched, nor one that waits because nobody knows
    whether it was done. The rights of whoever asks are the caller's to check. Takes the guild's counters: call it late.
    """
    asked = {"ids": list(request_ids), "by_id": by_id, "moment": database.read_now(session)}
    cancelled = session.scalars(_CANCEL, asked).all()
    row = ActionRequests
    mine = select(*FACT_COLUMNS).where(row.guild_id == guild_id, row.request_id.in_(cancelled))
    told, entries = [], []
    for found in session.execute(mine.order_by(row.request_id)).all():
        facts_of = row_facts(found)
        state = {"state": State.CANCELLED.value}
        told.append((EventKind.ACTION_CANCELLED, found.request_id, facts_of | state))
        entries.append(AuditEntry(guild_id=guild_id, kind=AuditKind.ACTION_CANCELLED, actor_id=by_id, facts=facts_of))
    append_events(session, guild_id, told)
    audit.append_all_in(session, entries)
    return cancelled


def _asked(session: Session, guild_id: GuildId, request_id: UUID) -> Row[Any] | None:
    row = ActionRequests
    columns = select(row.action, row.source, row.state, row.target_id, row.moderator_id, row.effect_at)
    return session.execute(columns.where(row.guild_id == guild_id, row.request_id == request_id)).one_or_none()


def _refusal(session: Session, database: Database, scope: GuildScope, row: Row[Any]) -> str | None:
    asker_id, now = UserId(row.moderator_id), database.read_now(session)
    return _refused(scope, row, people(session, scope.guild_id, [asker_id], now)[asker_id])


def _refused(scope: GuildScope, row: Row[Any], asker: Person) -> str | None:
    return cancel.refusal(
        action=Action(row.action),
        source=Source(row.source),
        asker=asker,
        canceller=scope.viewer,
        owner_id=scope.owner_id,
        held=scope.capabilities,
    )


def _viewer(scope: GuildScope) -> UserId:
    return scope.viewer.user_id


def _name(session: Session, scope: GuildScope, user_id: int) -> str:
    return name_of(session, scope.guild_id, UserId(user_id))
