"""What the health check looks at, read from the mirror when somebody asks: a change shows as soon as it is heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.capabilities import ALL_PERMISSIONS
from kovra.actions.request import State
from kovra.guard.case import PostStatus
from kovra.guard.health import Finding, LogChannel, Vitals, examine
from kovra.guard.log_channels import EventClass
from kovra.ids import ChannelId, GuildId, UserId
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.roster import Roster, log_channels_of
from kovra.store.tables import (
    ActionRequests,
    BotStatus,
    Channels,
    CommandSyncs,
    Guilds,
    LogPosts,
    Members,
    NativeEntries,
    Roles,
)

#: So many roles above Guard's are named; a server has 250 at most.
_MOST_ROLES = 10


class Health:
    """The health check of a server. Costs a handful of short questions."""

    def __init__(self, database: Database) -> None:
        self._database, self._roster = database, Roster(database)

    def findings(self, scope: GuildScope) -> list[Finding]:
        """What is not as it should be, the worst first; nothing when all is well."""
        return examine(self.vitals(scope.guild_id))

    def vitals(self, guild_id: GuildId) -> Vitals:
        """All that the check looks at."""
        silent = self._roster.gateway_silent(guild_id)
        with self._database.transaction(guild_id) as session:
            guild = session.get_one(Guilds, guild_id)
            guard = session.get(Members, (guild_id, guild.guard_id))
            place = guards_place(session, guild_id)
            highest = select(func.coalesce(func.max(Roles.position), 0))
            held = highest.where(Roles.guild_id == guild_id, Roles.role_id.in_(place["role_ids"]))
            rank = session.scalars(held).one()
            status = session.execute(
                select(BotStatus.flags, BotStatus.commands_digest, CommandSyncs.digest).outerjoin(
                    CommandSyncs, CommandSyncs.application_id == BotStatus.application_id
                )
            ).first()
            return Vitals(
                **place,
                now=self._database.read_now(session),
                gone=guild.gone_at is not None or guard is None or guard.gone_at is not None,
                above=_above(session, guild_id, rank, place["role_ids"]),
                flags=status[0] if status else None,
                commands_here=status[1] if status else None,
                commands_told=status[2] if status else None,
                **_posting(session, guild_id),
                gateway_silent=silent,
                members_known=guild.members_complete_at is not None,
                bans_known=guild.bans_complete_at is not None,
                oldest_due_at=_oldest_due(session, guild_id),
                oldest_heard_at=session.scalars(
                    select(func.min(NativeEntries.heard_at)).where(NativeEntries.guild_id == guild_id)
                ).one(),
            )


class HealthKeeper:
    """What the bot knows of itself when it starts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def started(self, application_id: int, flags: int, commands_digest: str) -> None:
        """The bot has started with these flags and commands."""
        row = {"application_id": application_id, "flags": flags, "commands_digest": commands_digest}
        row |= {"started_at": self._database.now()}
        write = insert(BotStatus).values(row)
        with self._database.transaction(None) as session:
            session.execute(write.on_conflict_do_update(index_elements=["application_id"], set_=row))


def guards_place(session: Session, guild_id: GuildId) -> dict[str, Any]:
    """What Guard is in a guild: its id, its roles and what they permit in the whole of it."""
    guild = session.get_one(Guilds, guild_id)
    guard = session.get(Members, (guild_id, guild.guard_id))
    role_ids = [guild_id, *(guard.role_ids if guard else ())]
    held = select(func.coalesce(func.bit_or(Roles.permissions), 0))
    permissions = session.scalars(held.where(Roles.guild_id == guild_id, Roles.role_id.in_(role_ids))).one()
    return {
        "guild_id": guild_id,
        "guard_id": UserId(guild.guard_id),
        "role_ids": role_ids,
        "permissions": ALL_PERMISSIONS if guild.owner_id == guild.guard_id else permissions,
    }


def _above(session: Session, guild_id: GuildId, rank: int, guards: list[int]) -> list[str]:
    """The roles from Guard's own up, that people of the server may have, the highest first."""
    higher = (
        select(Roles.name)
        .where(Roles.guild_id == guild_id, Roles.position >= rank, Roles.role_id.not_in(guards), ~Roles.managed)
        .order_by(Roles.position.desc())
        .limit(_MOST_ROLES)
    )
    return list(session.scalars(higher))


def _posting(session: Session, guild_id: GuildId) -> dict[str, Any]:
    """Where cases are posted, what waits, and how Discord refused the last."""
    chosen = log_channels_of(session, guild_id)
    classes: dict[ChannelId, list[EventClass]] = {}
    for event_class, channel_id in chosen.by_class.items():
        if channel_id is not None and channel_id != chosen.common:
            classes.setdefault(channel_id, []).append(event_class)
    row, post = ActionRequests, LogPosts
    waiting = select(func.count()).where(row.guild_id == guild_id, row.post_status == PostStatus.WAITING.value)
    refused = select(func.max(post.code)).where(post.guild_id == guild_id, post.status == PostStatus.SENDING.value)
    return {
        "log_channel": _log_channel(session, guild_id, chosen.common) if chosen.common is not None else None,
        "own_channels": [_log_channel(session, guild_id, one, of) for one, of in classes.items()],
        "unposted": session.scalars(waiting).one(),
        "refused": session.scalars(refused).one(),
    }


def _log_channel(
    session: Session, guild_id: GuildId, channel_id: ChannelId, of: Sequence[EventClass] = ()
) -> LogChannel:
    channel = session.get(Channels, (guild_id, channel_id))
    if channel is None:
        return LogChannel(name=None, of=of)
    return LogChannel(name=channel.name, overwrites=channel.overwrites, of=of)


def _oldest_due(session: Session, guild_id: GuildId) -> datetime | None:
    """Since when the oldest request is due that nobody has begun; those of jobs have a pace of their own."""
    row = ActionRequests
    waiting = select(func.min(func.coalesce(row.due_at, row.accepted_at))).where(
        row.guild_id == guild_id, row.state == State.ACCEPTED.value, row.batch_id.is_(None)
    )
    return session.scalars(waiting).one()
