"""Many requests of one moderator, each for itself, accepted in one transaction: what is asked of all that is ticked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions import budget
from kovra.actions.audit import AuditKind
from kovra.actions.budget import DEFAULT_LIMITS
from kovra.actions.envelope import Sealed
from kovra.actions.job import Asked
from kovra.actions.request import Action, ActionRequest, Receipt, Refusal, State
from kovra.actions.submit_many import ManyRequests
from kovra.errors import Unavailable
from kovra.ids import GuildId
from kovra.store.audit import AuditLog
from kovra.store.budgets import budget_left, lock_many, lock_moderator
from kovra.store.database import Database
from kovra.store.events import EventKind, append_events
from kovra.store.requests import audit_entry, new_row, refuse_taken_ids, request_facts, same_wish
from kovra.store.tables import ActionRequests
from kovra.store.twins import running_twins

#: Rows written by one statement.
_AT_ONCE = 100

#: A twin that ends between our insert and our look makes room for us; it will not happen this often in a row.
_TRIES = 5


class Together(ManyRequests):
    """Ask for many. ``limits`` are the budgets of guilds that have not changed theirs."""

    def __init__(self, database: Database, audit_key: bytes, limits: Mapping[Action, int] = DEFAULT_LIMITS) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)
        self._limits = limits

    def accept(self, asked: Asked) -> list[Receipt]:
        """Keep them all: budgets, rows, events and audit entries, in the order of ``asked``.

        Those that were kept before come first, and are given back as they stand now.

        Raises:
            Conflict: an id was used for another wish.
        """
        first = asked[0][0].request
        with self._database.transaction(first.guild_id) as session:
            lock_many(session, first.guild_id)
            lock_moderator(session, first.guild_id, first.moderator_id)
            receipts = self._earlier(session, [sealed.request for sealed, _ in asked])
            new = [(sealed, refusal) for sealed, refusal in asked if sealed.request.request_id not in receipts]
            refusals = {sealed.request.request_id: refusal for sealed, refusal in new if refusal}
            now = self._database.read_now(session)
            by_action: dict[Action, list[Sealed]] = {}
            for sealed, refusal in new:
                if refusal is None:
                    by_action.setdefault(sealed.request.action, []).append(sealed)
            for some in by_action.values():
                refusals |= self._keep(session, some, now)
            rejected = [sealed for sealed, _ in new if sealed.request.request_id in refusals]
            rows = [new_row(sealed, refusals[sealed.request.request_id], now) for sealed in rejected]
            written = _write(session, rows)
            refuse_taken_ids(session, [row["request_id"] for row in rows if row["request_id"] not in written])
            self._announce(session, [sealed.request for sealed, _ in new], refusals)
            receipts |= {
                sealed.request.request_id: Receipt.of(sealed.request, refusals.get(sealed.request.request_id))
                for sealed, _ in new
            }
            return [receipts[sealed.request.request_id] for sealed, _ in asked]

    def mark_enqueued(self, guild_id: GuildId, request_ids: Sequence[UUID]) -> None:
        """Note that the lane took these. Best effort."""
        row, ids = ActionRequests, bindparam("ids", list(request_ids), type_=ARRAY(Uuid))
        mark = update(row).where(row.guild_id == guild_id, row.request_id == any_(ids), row.enqueued_at.is_(None))
        try:
            # Lost, the relay brings entries twice and the claims see to it; nothing waits for this moment.
            self._database.once(guild_id, mark.values(enqueued_at=self._database.now()), wait_for_disk=False)
        except Unavailable:
            return

    @staticmethod
    def _earlier(session: Session, requests: Sequence[ActionRequest]) -> dict[UUID, Receipt]:
        """Those that were kept before, as they stand now."""
        row, asked = ActionRequests, {one.request_id: one for one in requests}
        ids = bindparam("ids", list(asked), type_=ARRAY(Uuid))
        kept = session.scalars(select(row).where(row.guild_id == requests[0].guild_id, row.request_id == any_(ids)))
        return {found.request_id: same_wish(found, asked[found.request_id]) for found in kept}

    def _keep(self, session: Session, sealed: Sequence[Sealed], now: datetime) -> dict[UUID, Refusal]:
        """Write those of one action that may run and that the budget holds, in this order; why not, of the others."""
        first, count = sealed[0].request, len(sealed)
        given = budget_left(session, first.guild_id, first.moderator_id, first.action, self._limits, now, asked=count)
        left, open_still, refusals = count if given is None else given.granted, list(sealed), {}
        tries = dict.fromkeys((one.request.request_id for one in sealed), _TRIES)
        while left and open_still:
            at_once = min(left, _AT_ONCE)
            some, open_still = open_still[:at_once], open_still[at_once:]
            written = _write(session, [new_row(one, None, now) for one in some])
            left -= len(written)
            # Their place in the budget goes to the next.
            taken = [one for one in some if one.request.request_id not in written]
            refusals |= _taken(session, [one.request for one in taken], now)
            again = [one for one in taken if one.request.request_id not in refusals]
            for one in again:
                tries[one.request.request_id] -= 1
                if not tries[one.request.request_id]:
                    sentence = f"{one.request.target_id} is being acted on again and again; nothing was kept"
                    raise Unavailable(sentence)
            open_still = again + open_still
        if open_still and given is not None:
            spent = replace(given, used=given.used + given.granted - left)
            refusals |= {one.request.request_id: budget.refusal(first.action, spent) for one in open_still}
        return refusals

    def _announce(self, session: Session, requests: Sequence[ActionRequest], refusals: Mapping[UUID, Refusal]) -> None:
        """Events and audit entries, after everything that may wait or fail: they hold the guild's counters."""
        told, entries = [], []
        for request in requests:
            refusal = refusals.get(request.request_id)
            state = State.REJECTED if refusal else State.ACCEPTED
            event = EventKind.ACTION_REJECTED if refusal else EventKind.ACTION_QUEUED
            told.append((event, request.request_id, request_facts(request, state)))
            kind = AuditKind.ACTION_REJECTED if refusal else AuditKind.ACTION_ACCEPTED
            entries.append(audit_entry(kind, request, refusal))
        if requests:
            append_events(session, requests[0].guild_id, told)
            self._audit.append_all_in(session, entries)


def _write(session: Session, rows: Sequence[Mapping[str, object]]) -> set[UUID]:
    """Write these rows; gives the ids of those that no constraint was against."""
    written: set[UUID] = set()
    for start in range(0, len(rows), _AT_ONCE):
        some = insert(ActionRequests).values(rows[start : start + _AT_ONCE])
        kept = some.on_conflict_do_nothing().returning(ActionRequests.request_id)
        written |= set(session.connection().execute(kept).scalars())
    return written


def _taken(session: Session, requests: Sequence[ActionRequest], now: datetime) -> dict[UUID, Refusal]:
    """Why a constraint would not take these; who is left out has lost what stood against it meanwhile."""
    if not requests:
        return {}
    refuse_taken_ids(session, [one.request_id for one in requests])
    return running_twins(session, requests, now)
