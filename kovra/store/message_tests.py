"""Test messages as rows: one of each kind in a server, which the next of its kind writes over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import Capability
from kovra.guard.log_channels import EventClass
from kovra.guard.message_tests import COMMON, NOTICE, Arrival, MessageTest
from kovra.guard.message_tests import MessageTestLedger as MessageTestLedgerPort
from kovra.guard.notice_texts import TOLD_AFTER, TOLD_BEFORE
from kovra.ids import ChannelId, GuildId, UserId, new_request_id
from kovra.store.audit import AuditLog
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.guilds import GuildScope
from kovra.store.people import name_of
from kovra.store.settings import TAKES_SETTINGS, locked_settings
from kovra.store.tables import MessageTests as Rows

#: Between two of one kind, and how many of a server in a minute: enough to try, too few to fill a channel.
APART, MOST = timedelta(seconds=15), 6

#: How long whoever took one has it to themselves; a second sender is kept from posting twice by the nonce.
_CLAIM_FOR = timedelta(seconds=5)

KINDS = frozenset(
    {COMMON, *(one.value for one in EventClass), *(NOTICE + action.value for action in TOLD_BEFORE | TOLD_AFTER)}
)


@dataclass(frozen=True, kw_only=True)
class LastTest:
    """The newest test of a kind. ``channel_id``: where it went, None until it did."""

    kind: str
    asked_by: UserId
    asked_by_name: str
    asked_at: datetime
    status: Arrival
    code: int | None
    channel_id: ChannelId | None


class AskedTests:
    """Ask for test messages, and read what became of them."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database, self._audit = database, AuditLog(database, audit_key)

    def of(self, scope: GuildScope) -> Mapping[str, LastTest]:
        """The newest of each kind."""
        with self._database.transaction(scope.guild_id) as session:
            rows = session.scalars(select(Rows).where(Rows.guild_id == scope.guild_id)).all()
            names = {one.asked_by: name_of(session, scope.guild_id, UserId(one.asked_by)) for one in rows}
        return {
            one.kind: LastTest(
                kind=one.kind,
                asked_by=UserId(one.asked_by),
                asked_by_name=names[one.asked_by],
                asked_at=one.asked_at,
                status=Arrival(one.status),
                code=one.code,
                channel_id=None if one.channel_id is None else ChannelId(one.channel_id),
            )
            for one in rows
        }

    def ask(self, scope: GuildScope, kind: str) -> str | None:
        """Ask for one, on record; None when a worker will send it, else why not."""
        if not scope.may(Capability.SETTINGS):
            return TAKES_SETTINGS
        if kind not in KINDS:
            return "There is no such test. Open the page anew."
        guild_id, asker = scope.guild_id, scope.viewer.user_id
        with self._database.transaction(guild_id) as session:
            # One after the other: two who ask at once count each other's.
            locked_settings(session, self._database, guild_id)
            now = self._database.read_now(session)
            last = session.get(Rows, (guild_id, kind))
            if last is not None and last.asked_at > now - APART:
                wait_s = int((last.asked_at + APART - now).total_seconds()) + 1
                return f"One was asked for just now. Try again in {wait_s} s."
            lately = select(func.count()).where(Rows.guild_id == guild_id, Rows.asked_at > now - timedelta(minutes=1))
            if session.scalars(lately).one() >= MOST:
                return f"{MOST} were asked for within a minute. Try again in a minute."
            fresh = {"test_id": new_request_id(), "asked_by": asker, "asked_at": now}
            fresh |= {"status": Arrival.SENDING.value}
            fresh |= dict.fromkeys(("code", "channel_id", "first_at", "claim_until", "done_at"))
            write = insert(Rows).values(guild_id=guild_id, kind=kind, **fresh)
            session.connection().execute(write.on_conflict_do_update(index_elements=["guild_id", "kind"], set_=fresh))
            append_event(session, guild_id, EventKind.MESSAGE_TESTED, None, {})
            entry = AuditEntry(guild_id=guild_id, kind=AuditKind.MESSAGE_TESTED, actor_id=asker, facts={"what": kind})
            self._audit.append_in(session, entry)
        return None


class MessageTestLedger(MessageTestLedgerPort):
    """The worker's side. Several may look at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def next_test(self, guild_id: GuildId) -> MessageTest | None:
        """Take the next one, and commit that it is about to be sent."""
        row = Rows
        with self._database.transaction(guild_id) as session:
            now = self._database.read_now(session)
            due = (
                select(row.kind)
                .where(row.guild_id == guild_id, row.status == Arrival.SENDING.value)
                .where(or_(row.claim_until.is_(None), row.claim_until < now))
                .order_by(row.asked_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if (kind := session.scalars(due).one_or_none()) is None:
                return None
            take = update(row).where(row.guild_id == guild_id, row.kind == kind)
            take = take.values(claim_until=now + _CLAIM_FOR, first_at=func.coalesce(row.first_at, now))
            taken = (
                session.connection()
                .execute(take.returning(row.test_id, row.asked_by, row.asked_at, row.first_at))
                .one()
            )
            return MessageTest(
                test_id=taken.test_id,
                guild_id=guild_id,
                kind=kind,
                asked_by=UserId(taken.asked_by),
                asked_by_name=name_of(session, guild_id, UserId(taken.asked_by)),
                asked_at=taken.asked_at,
                first_at=taken.first_at,
                now=now,
            )

    def put_off_test(self, test: MessageTest, *, delay_s: float) -> None:
        """It certainly was not sent, unless an earlier try may be out."""
        values = {"claim_until": self._database.now() + timedelta(seconds=delay_s)}
        if test.first_at == test.now:
            values["first_at"] = None
        self._write(test, values)

    def end_test(self, test: MessageTest, status: Arrival, *, code: int | None, channel_id: ChannelId | None) -> None:
        """What became of it, unless it has been asked for anew meanwhile."""
        end = {"status": status.value, "code": code, "channel_id": channel_id}
        self._write(test, {**end, "claim_until": None, "done_at": self._database.now()}, told=True)

    def _write(self, test: MessageTest, values: Mapping, *, told: bool = False) -> None:
        row = Rows
        mine = update(row).where(row.guild_id == test.guild_id, row.kind == test.kind, row.test_id == test.test_id)
        mine = mine.where(row.status == Arrival.SENDING.value).values(**values)
        with self._database.transaction(test.guild_id) as session:
            if session.connection().execute(mine.returning(row.kind)).one_or_none() is not None and told:
                append_event(session, test.guild_id, EventKind.MESSAGE_TESTED, None, {})
