"""The sealed record of a guild: appending, reading, verifying, pruning, and the quarantine of refused entries."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import CTE, BigInteger, LargeBinary, Row, bindparam, delete, literal, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from kovra.actions import audit
from kovra.actions.audit import GENESIS, AuditEntry, AuditKind
from kovra.actions.ports import AuditLog as AuditLogPort
from kovra.actions.request import ActionRequest
from kovra.guard.ports import Quarantine as QuarantinePort
from kovra.ids import GuildId, UserId
from kovra.store.database import Database, end_with, run
from kovra.store.prepared import Prepared
from kovra.store.tables import ActionRequests, AuditAnchors, AuditHeads, AuditLogRows

if TYPE_CHECKING:
    from kovra.store.guilds import GuildScope

log = logging.getLogger(__name__)

_KINDS = frozenset(kind.value for kind in AuditKind)

#: Rows read at a time while verifying.
_PAGE = 1_000
#: How much of a refused entry is kept to look at.
_EXCERPT = 500

# Built once: every action appends. Entry and head are one statement, for the head is held meanwhile.
_IN_GUILD = bindparam("in_guild", type_=BigInteger)
_ENTRY = insert(AuditLogRows).values(
    guild_id=_IN_GUILD,
    number=bindparam("numbered"),
    kind=bindparam("of_kind"),
    actor_id=bindparam("by_actor"),
    facts=bindparam("with_facts"),
    written_at=bindparam("written"),
    digest=bindparam("as_digest"),
    seal=bindparam("new_seal"),
)
_WRITE = Prepared(
    update(AuditHeads)
    .where(AuditHeads.guild_id == _IN_GUILD)
    .values(seal=bindparam("new_seal"))
    .add_cte(_ENTRY.cte("entry"))
)


@dataclass(frozen=True, kw_only=True)
class StoredEntry:
    """An audit entry as it stands in the record."""

    number: int
    kind: str
    actor_id: UserId | None
    facts: Mapping[str, Any]
    written_at: datetime


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A point of the chain, signed. Kept outside the database, it shows when the end of the record was cut off."""

    guild_id: GuildId
    number: int
    seal: bytes
    signature: bytes


class AuditLog(AuditLogPort):
    """Append to and read the record. ``audit_key`` is kept outside the database."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._key = audit_key
        self._bump = Prepared(self._bumped(insert(AuditHeads).values(guild_id=_IN_GUILD, last_number=1, seal=GENESIS)))

    def append(self, entry: AuditEntry) -> None:
        """Append in a transaction of its own."""
        with self._database.transaction(entry.guild_id) as session:
            self.append_in(session, entry)

    def append_in(self, session: Session, entry: AuditEntry) -> int:
        """Append as part of the caller's transaction; gives the entry's number.

        Holds the guild's head until commit, so that the chain has one order: call it last.
        """
        connection = session.connection()
        number, previous, now = run(connection, self._bump, {"in_guild": entry.guild_id}).one()
        run(connection, _WRITE, self._sealed(entry, number, previous, now))
        return number

    def append_all_in(self, session: Session, entries: Sequence[AuditEntry]) -> None:
        """Append several entries of one guild as part of the caller's transaction, in two trips to PostgreSQL."""
        if not entries:
            return
        guild_id, connection = entries[0].guild_id, session.connection()
        bump = (
            insert(AuditHeads)
            .values(guild_id=guild_id, last_number=len(entries), seal=GENESIS)
            .on_conflict_do_update(
                index_elements=["guild_id"], set_={"last_number": AuditHeads.last_number + len(entries)}
            )
            .returning(AuditHeads.last_number, AuditHeads.seal, self._database.now())
        )
        last, seal, now = connection.execute(bump).one()
        rows = []
        for number, entry in enumerate(entries, last - len(entries) + 1):
            facts = _storable(dict(entry.facts))
            entry = AuditEntry(guild_id=guild_id, kind=entry.kind, actor_id=entry.actor_id, facts=facts)
            digest = audit.digest(entry, number, now)
            seal = audit.chain(self._key, seal, digest)
            row = {"guild_id": guild_id, "number": number, "kind": entry.kind.value, "actor_id": entry.actor_id}
            rows.append(row | {"facts": facts, "written_at": now, "digest": digest, "seal": seal})
        written = insert(AuditLogRows).values(rows).cte("entries")
        connection.execute(update(AuditHeads).where(AuditHeads.guild_id == guild_id).values(seal=seal).add_cte(written))

    def numbered_after(self, rows: CTE) -> CTE:
        """Take the guild's next number for the one row, or none, of a larger statement: for :meth:`end_with_entry`."""
        numbers = select(rows.c.guild_id, literal(1, BigInteger), literal(GENESIS, LargeBinary))
        return self._bumped(insert(AuditHeads).from_select(["guild_id", "last_number", "seal"], numbers)).cte("entered")

    def end_with_entry(self, session: Session, entry: AuditEntry, numbered: Row[Any]) -> None:
        """Append under a number that was taken, as the end of the caller's transaction."""
        number, previous, now = numbered
        end_with(session, _WRITE, self._sealed(entry, number, previous, now))

    def _bumped(self, head: Insert) -> ReturningInsert[Any]:
        return head.on_conflict_do_update(
            index_elements=["guild_id"], set_={"last_number": AuditHeads.last_number + 1}
        ).returning(AuditHeads.last_number, AuditHeads.seal, self._database.now().label("entered_at"))

    def _sealed(self, entry: AuditEntry, number: int, previous: bytes, now: datetime) -> dict[str, Any]:
        """What the statement that writes asks for."""
        entry = replace(entry, facts=_storable(dict(entry.facts)))
        digest = audit.digest(entry, number, now)
        return {
            "in_guild": entry.guild_id,
            "numbered": number,
            "of_kind": entry.kind.value,
            "by_actor": entry.actor_id,
            "with_facts": dict(entry.facts),
            "written": now,
            "as_digest": digest,
            "new_seal": audit.chain(self._key, previous, digest),
        }

    def entries(self, scope: GuildScope, before: int | None = None, limit: int = 50) -> list[StoredEntry]:
        """A page of the record, newest first; ``before`` is the number of the last entry of the page before."""
        page = select(AuditLogRows).where(AuditLogRows.guild_id == scope.guild_id)
        if before is not None:
            page = page.where(AuditLogRows.number < before)
        with self._database.transaction(scope.guild_id) as session:
            rows = session.scalars(page.order_by(AuditLogRows.number.desc()).limit(limit))
            return [_stored(row) for row in rows]

    def verify(self, guild_id: GuildId, key: bytes | None = None, witness: Anchor | None = None) -> int | None:
        """Walk the chain and give the number of the first entry that was altered, removed or inserted; None: whole.

        Entries cut off at the end show when the head still knows of them, or when a ``witness`` kept outside does.
        """
        key = key or self._key
        with self._database.transaction(guild_id) as session:
            number, seal = self._start(session, guild_id, key)
            expected = number
            while True:
                for row in _rows_after(session, guild_id, number):
                    number += 1
                    if not _whole(row, number, seal, key):
                        return number
                    seal = row.seal
                    if witness and witness.number == number and not hmac.compare_digest(witness.seal, seal):
                        return number
                if number < expected:
                    return number + 1
                # Others append while we read: the head may have moved on, and then its entries are there too.
                head_number, head_seal = self._head(session, guild_id)
                if head_number <= number:
                    break
                expected = head_number
        if witness and witness.number > number:
            return number + 1
        return None if (head_number, head_seal) == (number, seal) else head_number + 1

    def anchor(self, guild_id: GuildId) -> Anchor:
        """The end of the chain as it stands now, signed, to be kept outside the database."""
        with self._database.transaction(guild_id) as session:
            number, seal = self._head(session, guild_id)
        return Anchor(
            guild_id=guild_id, number=number, seal=seal, signature=_signature(self._key, guild_id, number, seal)
        )

    def prune(self, guild_id: GuildId, through: int) -> int:
        """Remove the entries up to ``through`` and leave a signed anchor, so that the rest still verifies.

        Only the owner of the database may. Says how many entries were removed.
        """
        with self._database.transaction(guild_id) as session:
            last = session.get(AuditLogRows, (guild_id, through))
            if last is None:
                return 0
            signature = _signature(self._key, guild_id, through, last.seal)
            session.execute(
                insert(AuditAnchors).values(
                    guild_id=guild_id,
                    number=through,
                    seal=last.seal,
                    signature=signature,
                    anchored_at=self._database.now(),
                )
            )
            gone = delete(AuditLogRows).where(AuditLogRows.guild_id == guild_id, AuditLogRows.number <= through)
            return session.execute(gone.execution_options(synchronize_session=False)).rowcount

    @staticmethod
    def _head(session: Session, guild_id: GuildId) -> tuple[int, bytes]:
        head = select(AuditHeads.last_number, AuditHeads.seal).where(AuditHeads.guild_id == guild_id)
        found = session.execute(head).one_or_none()
        return (found.last_number, found.seal) if found else (0, GENESIS)

    def _start(self, session: Session, guild_id: GuildId, key: bytes) -> tuple[int, bytes]:
        """Where the kept chain begins: at the newest anchor with a good signature, else at the very beginning."""
        newest = select(AuditAnchors).where(AuditAnchors.guild_id == guild_id).order_by(AuditAnchors.number.desc())
        for row in session.scalars(newest):
            if hmac.compare_digest(row.signature, _signature(key, guild_id, row.number, row.seal)):
                return row.number, row.seal
        return 0, GENESIS


class Quarantine(QuarantinePort):
    """Where lane entries go that must not be executed. The good row is never touched by a bad entry."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)

    def refuse(self, *, lane: GuildId, body: bytes, cause: str, request: ActionRequest | None = None) -> None:
        facts: dict[str, Any] = {
            "cause": cause,
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "excerpt": body[:_EXCERPT].decode("utf-8", "replace"),
        }
        if request is not None:
            facts["request_id"] = str(request.request_id)
        entry = AuditEntry(guild_id=lane, kind=AuditKind.ENVELOPE_REFUSED, actor_id=None, facts=facts)
        self._audit.append(entry)

    def unreadable(self, lane: str, body: bytes, cause: str) -> None:
        """An entry that the queue could not even read as a message. ``lane`` is text, as the queue knows it.

        A lane that is no guild's has no record to write to; such an entry is only logged.
        """
        if not (lane.isascii() and lane.isdigit() and 0 < int(lane) < 1 << 63):
            log.error("an unreadable entry came on the lane %.40r: %s", lane, cause)
            return
        self.refuse(lane=GuildId(int(lane)), body=body, cause=cause)

    def replayed(self, *, lane: GuildId, request: ActionRequest) -> None:
        row = ActionRequests
        count = update(row).where(row.guild_id == lane, row.request_id == request.request_id)
        with self._database.transaction(lane) as session:
            session.execute(count.values(replays=row.replays + 1).execution_options(synchronize_session=False))


def _rows_after(session: Session, guild_id: GuildId, number: int) -> Iterator[AuditLogRows]:
    row = AuditLogRows
    while True:
        page = select(row).where(row.guild_id == guild_id, row.number > number).order_by(row.number).limit(_PAGE)
        rows = session.scalars(page).all()
        yield from rows
        if len(rows) < _PAGE:
            return
        number = rows[-1].number
        session.expunge_all()


def _whole(row: AuditLogRows, number: int, previous: bytes, key: bytes) -> bool:
    if row.number != number or row.kind not in _KINDS:
        return False
    actor_id = UserId(row.actor_id) if row.actor_id is not None else None
    entry = AuditEntry(guild_id=GuildId(row.guild_id), kind=AuditKind(row.kind), actor_id=actor_id, facts=row.facts)
    digest = audit.digest(entry, number, row.written_at)
    seal = audit.chain(key, previous, digest)
    return hmac.compare_digest(row.digest, digest) and hmac.compare_digest(row.seal, seal)


def _signature(key: bytes, guild_id: GuildId, number: int, seal: bytes) -> bytes:
    text = f"{guild_id}|{number}|".encode()
    return hmac.new(key, b"kovra.audit.anchor.v1\0" + text + seal, hashlib.sha256).digest()


def _storable(value: Any) -> Any:
    """What PostgreSQL can keep of a JSON value: no NUL and no half characters, which a forged entry may well hold."""
    if isinstance(value, str):
        return value.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_storable(name): _storable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(item) for item in value]
    return value


def _stored(row: AuditLogRows) -> StoredEntry:
    return StoredEntry(
        number=row.number,
        kind=row.kind,
        actor_id=UserId(row.actor_id) if row.actor_id is not None else None,
        facts=MappingProxyType(row.facts),
        written_at=row.written_at,
    )
