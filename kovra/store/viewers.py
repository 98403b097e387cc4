"""Who comes to look at a guild: many sessions and what their people may there, in one trip."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import LargeBinary, Row, Select, any_, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from kovra.ids import GuildId, UserId
from kovra.store.database import Database
from kovra.store.guilds import GuildScope, scope_of
from kovra.store.people import GUILD_ID, Seen, as_json, grants_to, members_where, person_in, strangers, widest_in
from kovra.store.prepared import Prepared
from kovra.store.sessions import ABSOLUTE, IDLE, SessionRow, session_in
from kovra.store.tables import Guilds, Members
from kovra.store.tables import Sessions as SessionRows


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody signed in, and what they may read of the guild they ask for: as ``Guilds.scope`` has it."""

    session: SessionRow
    scope: GuildScope | None


class Viewers:
    """As ``Sessions.find`` and ``Guilds.scope``, for many at the cost of one; counts as no activity."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look = Prepared(_look(database))

    def of(self, guild_id: GuildId, id_hashes: Collection[bytes]) -> dict[bytes, Visitor]:
        """The open ones among these sessions (the SHA-256 of their cookies), each with its rights in this guild."""
        rows = self._database.once(guild_id, self._look, {"guild_id": guild_id, "id_hashes": list(id_hashes)})
        theirs = {UserId(row.user_id): row for row in rows}
        if not theirs or rows[0].owner_id is None or rows[0].gone_at is not None:
            return {row.id_hash: Visitor(session=session_in(row), scope=None) for row in rows}
        people = {user_id: person_in(row.member, row.now) for user_id, row in theirs.items() if row.member}
        if unknown := list(theirs.keys() - people.keys()):
            with self._database.transaction(guild_id) as session:
                people |= strangers(session, guild_id, unknown)
        scopes = {user_id: scope_of(guild_id, _seen(row, people), user_id) for user_id, row in theirs.items()}
        return {row.id_hash: Visitor(session=session_in(row), scope=scopes[UserId(row.user_id)]) for row in rows}


def _look(database: Database) -> Select[Any]:
    now, row = database.now(), SessionRows
    of_session = (row.id_hash, row.user_id, row.username, row.name, row.avatar, row.access_token)
    sessions = (
        select(*of_session, row.created_at, row.seen_at, now.label("now"))
        .where(
            row.id_hash == any_(bindparam("id_hashes", type_=ARRAY(LargeBinary))),
            row.seen_at >= now - IDLE,
            row.created_at >= now - ABSOLUTE,
        )
        .cte("visits")
    )
    of_guild = (Guilds.member_count, Guilds.owner_id, Guilds.guard_id, Guilds.gone_at)
    guild = select(Guilds.name.label("guild_name"), *of_guild).where(Guilds.guild_id == GUILD_ID).cte("guild")
    members = members_where(Members.user_id.in_(select(sessions.c.user_id))).subquery("m")
    grants = grants_to(sessions.c.user_id, sessions.c.now).correlate(sessions).subquery("g")
    return select(
        sessions,
        guild,
        func.to_jsonb(members.table_valued(), type_=JSONB).label("member"),
        as_json(grants, "grants"),
    ).select_from(sessions.outerjoin(guild, true()).outerjoin(members, members.c.user_id == sessions.c.user_id))


def _seen(row: Row[Any], people: Mapping[UserId, Any]) -> Seen:
    return Seen(
        name=row.guild_name,
        member_count=row.member_count,
        owner_id=UserId(row.owner_id),
        guard_id=UserId(row.guard_id),
        gone=False,
        people=people,
        grants=widest_in(row.grants),
    )
