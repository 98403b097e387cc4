"""Accounts that staff takes for one person's. A link joins two; whoever is linked to one of them is linked to both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Row, any_, bindparam, delete, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.ids import UserId
from kovra.store.audit import AuditLog
from kovra.store.database import Database, run
from kovra.store.guilds import GuildScope
from kovra.store.people import people
from kovra.store.prepared import Prepared
from kovra.store.tables import AccountLinks as Rows

#: So many accounts of one person are shown; nobody links more by hand.
MOST = 50


@dataclass(frozen=True, kw_only=True)
class LinkedAccount:
    """One other account. ``direct``: linked to this one itself, and not through a third."""

    user_id: UserId
    name: str
    member: bool
    direct: bool
    why: str
    linked_by: str
    linked_at: datetime


class AccountLinks:
    """Link accounts and read the links. Every change is in the audit log, in its own transaction."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database, self._audit = database, AuditLog(database, audit_key)

    def of(self, scope: GuildScope, user_id: UserId) -> list[LinkedAccount]:
        """All that are linked to this account, through however many others; the nearest first."""
        with self._database.transaction(scope.guild_id) as session:
            found: dict[int, Row[Any]] = {}
            nearest, reached = [int(user_id)], {int(user_id)}
            while nearest and len(found) < MOST:
                following = []
                for link in _touching(session, scope, nearest):
                    for near, far in ((link.user_id, link.other_id), (link.other_id, link.user_id)):
                        if near in reached and far not in reached:
                            reached.add(far)
                            found[far] = link
                            following.append(far)
                nearest = following
            if not found:
                return []
            wanted = [UserId(one) for one in found] + [UserId(link.linked_by) for link in found.values()]
            known = people(session, scope.guild_id, wanted, self._database.read_now(session))
        return [
            LinkedAccount(
                user_id=UserId(other),
                name=known[UserId(other)].name,
                member=known[UserId(other)].member,
                direct=user_id in (link.user_id, link.other_id),
                why=link.why,
                linked_by=known[UserId(link.linked_by)].name,
                linked_at=link.linked_at,
            )
            for other, link in found.items()
        ]

    def link(self, scope: GuildScope, user_id: UserId, other_id: UserId, why: str) -> bool:
        """Link two accounts; False when they are already."""
        low, high = sorted((user_id, other_id))
        row = {"guild_id": scope.guild_id, "user_id": low, "other_id": high, "why": why}
        with self._database.transaction(scope.guild_id) as session:
            row |= {"linked_by": scope.viewer.user_id, "linked_at": self._database.read_now(session)}
            new = insert(Rows).values(row).on_conflict_do_nothing().returning(Rows.user_id)
            if session.execute(new).first() is None:
                return False
            self._audit.append_in(session, _entry(scope, AuditKind.ACCOUNTS_LINKED, low, high, why))
        return True

    def unlink(self, scope: GuildScope, user_id: UserId, other_id: UserId) -> bool:
        """Take a link back; False when there is none."""
        low, high = sorted((user_id, other_id))
        row = Rows
        mine = (row.guild_id == scope.guild_id, row.user_id == low, row.other_id == high)
        with self._database.transaction(scope.guild_id) as session:
            gone = session.execute(delete(row).where(*mine).returning(row.why)).first()
            if gone is None:
                return False
            self._audit.append_in(session, _entry(scope, AuditKind.ACCOUNTS_UNLINKED, low, high, gone.why))
        return True


_GUILD_ID, _USER_IDS = bindparam("guild_id", type_=BigInteger), bindparam("user_ids", type_=ARRAY(BigInteger))
#: Every profile asks this, and mostly for nothing.
_TOUCHING = Prepared(
    select(Rows.user_id, Rows.other_id, Rows.why, Rows.linked_by, Rows.linked_at)
    .where(Rows.guild_id == _GUILD_ID, or_(Rows.user_id == any_(_USER_IDS), Rows.other_id == any_(_USER_IDS)))
    .order_by(Rows.linked_at)
    .limit(MOST)
)


def _touching(session: Session, scope: GuildScope, user_ids: Sequence[int]) -> Sequence[Row[Any]]:
    asked = {"guild_id": scope.guild_id, "user_ids": list(user_ids)}
    return run(session.connection(), _TOUCHING, asked).all()


def _entry(scope: GuildScope, kind: AuditKind, low: int, high: int, why: str) -> AuditEntry:
    facts = {"target_id": str(low), "other_id": str(high), "why": why}
    return AuditEntry(guild_id=scope.guild_id, kind=kind, actor_id=scope.viewer.user_id, facts=facts)
