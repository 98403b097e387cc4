"""Sign-ins and sessions of the dashboard. What opens a session is never kept: only its SHA-256 is."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import LargeBinary, Row, any_, bindparam, delete, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from kovra.ids import UserId
from kovra.store.database import Database
from kovra.store.prepared import Prepared
from kovra.store.tables import PendingLogins
from kovra.store.tables import Sessions as SessionRows

#: A sign-in that has not come back from Discord by then is void.
LOGIN_WITHIN = timedelta(minutes=10)
IDLE = timedelta(minutes=60)
ABSOLUTE = timedelta(hours=12)

#: Activity is written down at most this often; a page of many fragments is one write.
_TOUCH = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class PendingLogin:
    """A sign-in that went to Discord: the PKCE verifier, and where to go afterwards (a path of ours)."""

    verifier: str = field(repr=False)
    next_path: str


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    """A signed-in browser. ``access_token`` is sealed by the dashboard."""

    user_id: UserId
    username: str
    name: str
    avatar: str | None
    access_token: bytes = field(repr=False)
    created_at: datetime
    seen_at: datetime


class Sessions:
    """Open, find and close sessions: idle for 60 minutes or 12 hours old, a session is over."""

    def __init__(self, database: Database) -> None:
        self._database = database
        row = SessionRows
        self._find = Prepared(
            select(
                *(row.user_id, row.username, row.name, row.avatar, row.access_token, row.created_at, row.seen_at),
                database.now().label("now"),
            ).where(row.id_hash == bindparam("of_hash", type_=LargeBinary))
        )

    def begin_login(self, state: str, verifier: str, next_path: str) -> None:
        """Remember a sign-in until it comes back; those that never did are forgotten on the way."""
        now = self._database.now()
        row = {"state_hash": _hash(state), "verifier": verifier, "next_path": next_path, "created_at": now}
        with self._database.transaction(None) as session:
            session.execute(delete(PendingLogins).where(PendingLogins.created_at < now - LOGIN_WITHIN))
            session.execute(insert(PendingLogins).values(**row))

    def take_login(self, state: str) -> PendingLogin | None:
        """The sign-in of this state, once; None when it is unknown, used or older than 10 minutes."""
        row = PendingLogins
        take = (
            delete(row)
            .where(row.state_hash == _hash(state))
            .returning(
                row.verifier, row.next_path, (row.created_at > self._database.now() - LOGIN_WITHIN).label("good")
            )
        )
        with self._database.transaction(None) as session:
            found = session.execute(take).one_or_none()
            if found is None or not found.good:
                return None
            return PendingLogin(verifier=found.verifier, next_path=found.next_path)

    def open(self, *, user_id: UserId, username: str, name: str, avatar: str | None, access_token: bytes) -> str:
        """Open a session and give the value of its cookie: 256 random bits, always new, never kept."""
        cookie, now = secrets.token_urlsafe(32), self._database.now()
        who = {"user_id": user_id, "username": username, "name": name, "avatar": avatar}
        over = or_(SessionRows.seen_at < now - IDLE, SessionRows.created_at < now - ABSOLUTE)
        row = {"id_hash": _hash(cookie), "access_token": access_token, "created_at": now, "seen_at": now}
        with self._database.transaction(None) as session:
            session.execute(delete(SessionRows).where(over))
            session.execute(insert(SessionRows).values(**who, **row))
        return cookie

    def find(self, cookie: str, *, touch: bool = True) -> SessionRow | None:
        """The session of this cookie, None when there is none or it is over.

        ``touch`` counts as activity; a live stream is none and must not keep a session awake.
        """
        id_hash = _hash(cookie)
        rows = self._database.once(None, self._find, {"of_hash": id_hash})
        if not rows:
            return None
        (row,) = rows
        if row.seen_at < row.now - IDLE or row.created_at < row.now - ABSOLUTE:
            return None
        found = session_in(row)
        if touch:
            self.touch(id_hash, found, row.now)
        return found

    def touch(self, id_hash: bytes, found: SessionRow, now: datetime) -> None:
        """Count as activity that this session (by the SHA-256 of its cookie) was found."""
        if found.seen_at < now - _TOUCH:
            seen = update(SessionRows).where(SessionRows.id_hash == id_hash).values(seen_at=now)
            self._database.once(None, seen)

    def open_among(self, id_hashes: Collection[bytes]) -> set[bytes]:
        """Which of these sessions (the SHA-256 of their cookies) are open; counts as no activity."""
        now, row = self._database.now(), SessionRows
        # One array, however many: a list of parameters would be another statement for each number of them.
        still = select(row.id_hash).where(
            row.id_hash == any_(bindparam("id_hashes", type_=ARRAY(LargeBinary))),
            row.seen_at >= now - IDLE,
            row.created_at >= now - ABSOLUTE,
        )
        return {found.id_hash for found in self._database.once(None, still, {"id_hashes": list(id_hashes)})}

    def close(self, cookie: str) -> None:
        """End a session; its cookie opens nothing any more."""
        with self._database.transaction(None) as session:
            session.execute(delete(SessionRows).where(SessionRows.id_hash == _hash(cookie)))

    def close_all(self, user_id: UserId) -> int:
        """End every session of a user; says how many."""
        with self._database.transaction(None) as session:
            return session.execute(delete(SessionRows).where(SessionRows.user_id == user_id)).rowcount


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def session_in(row: Row[Any]) -> SessionRow:
    """The session in a row that has its columns."""
    return SessionRow(
        user_id=UserId(row.user_id),
        username=row.username,
        name=row.name,
        avatar=row.avatar,
        access_token=row.access_token,
        created_at=row.created_at,
        seen_at=row.seen_at,
    )
