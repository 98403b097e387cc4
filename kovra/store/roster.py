"""Who is who in a guild now, for rights; and where its cases are posted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, select
from sqlalchemy.orm import Session

from kovra.actions.already import Held
from kovra.actions.capabilities import Person
from kovra.actions.ports import Roster as AskingRoster
from kovra.actions.request import Action, ActionRequest, State
from kovra.actions.rights import Standing
from kovra.errors import Unavailable
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.guard.notice_texts import NoticeTexts
from kovra.guard.ports import Roster as ExecutingRoster
from kovra.ids import ChannelId, GuildId, UserId
from kovra.store.around import around, around_each
from kovra.store.database import Database
from kovra.store.people import Sight
from kovra.store.prepared import Prepared
from kovra.store.tables import (
    ActionRequests,
    Bans,
    Channels,
    GatewayShards,
    Guilds,
    GuildSettings,
    Holds,
    Members,
    ModCases,
    ScheduledEnds,
)
from kovra.store.warming import NO_GUILD, NO_USER

#: A gateway that says nothing for this long is taken for dead; its heartbeat comes every 41 s or so.
SILENT_AFTER = timedelta(seconds=60)

#: The gateway tells what was done within a moment; for this long nobody relies on it.
MIRRORED_WITHIN = timedelta(seconds=10)

#: Where cases are posted while a guild has not chosen a channel: the text channel of the first of these names.
LOG_CHANNEL_NAMES = ("mod-log", "modlog", "log")
_TEXT_CHANNEL = 0
#: Where cases may be posted: also a channel of announcements (API reference, Channel Types).
TEXT_CHANNELS = (_TEXT_CHANNEL, 5)


_IN_GUILD = bindparam("in_guild", type_=BigInteger)
_JOINED = Prepared(
    select(Members.joined_at).where(
        Members.guild_id == _IN_GUILD,
        Members.user_id == bindparam("of_user", type_=BigInteger),
        Members.gone_at.is_(None),
    )
)
_WRITTEN = (GuildSettings.notice_texts, GuildSettings.appeal_url, GuildSettings.notice_locale)
_NOTICE_TEXTS = Prepared(
    select(Guilds.name, Guilds.locale, *_WRITTEN)
    .outerjoin(GuildSettings, GuildSettings.guild_id == Guilds.guild_id)
    .where(Guilds.guild_id == _IN_GUILD)
)


class Roster(AskingRoster, ExecutingRoster):
    """Who is who, from the mirror. A mirror may be stale: :meth:`gateway_silent` says when to ask Discord instead."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sight = Sight(database)
        shard = GatewayShards
        heard = select(shard.shard_id).where(
            shard.shard_id == bindparam("of_place", type_=BigInteger) % shard.shard_count,
            shard.heard_at >= database.now() - SILENT_AFTER,
        )
        self._heard = Prepared(select(heard.exists().label("lately")))

    def warm(self) -> None:
        """Look at nobody, for :mod:`kovra.store.warming`."""
        self._sight.see(NO_GUILD, NO_USER, [])

    def standing(self, guild_id: GuildId, moderator_id: UserId, target_id: UserId) -> Standing:
        """All that rights are decided from.

        Raises:
            Unavailable: the guild has never been mirrored, or the database does not answer.
        """
        return self.standings(guild_id, moderator_id, [target_id])[target_id]

    def standings(
        self, guild_id: GuildId, moderator_id: UserId, target_ids: Sequence[UserId]
    ) -> dict[UserId, Standing]:
        """As :meth:`standing`, for many targets of one moderator at the cost of one."""
        seen = self._sight.see(guild_id, moderator_id, target_ids)
        if seen is None:
            raise Unavailable("Guard has not seen this server yet")
        guard = seen.people[seen.guard_id]
        first = Standing(
            guild_id=guild_id,
            owner_id=seen.owner_id,
            # Removed from the server, Guard has nothing there, whatever its row last said.
            guard=Person(user_id=guard.user_id, name=guard.name, member=False) if seen.gone else guard,
            moderator=seen.people[moderator_id],
            target=seen.people[target_ids[0]],
            grants=seen.grants,
        )
        return {target_id: replace(first, target=seen.people[target_id]) for target_id in target_ids}

    def around(self, request: ActionRequest, standing: Standing) -> Standing:
        """The same, with the role or the case that the request names."""
        with self._database.transaction(request.guild_id) as session:
            return around(session, request, standing, self._database.read_now(session))

    def around_each(
        self, requests: Sequence[ActionRequest], standings: Mapping[UserId, Standing]
    ) -> dict[UUID, Standing]:
        """As :meth:`around`, by request, for many of one guild at the cost of one."""
        if not requests:
            return {}
        with self._database.transaction(requests[0].guild_id) as session:
            return around_each(session, requests, standings, self._database.read_now(session))

    def held(self, guild_id: GuildId, target_id: UserId) -> Held:
        """What somebody is under now; not known where the mirror may be behind."""
        return self.held_among(guild_id, [target_id])[target_id]

    def held_among(self, guild_id: GuildId, target_ids: Sequence[UserId]) -> dict[UserId, Held]:
        """As :meth:`held`, for many at the cost of one."""
        with self._database.transaction(guild_id) as session:
            guild, now = session.get(Guilds, guild_id), self._database.read_now(session)
            ends = _ends(session, guild_id, target_ids)
            moving = set(target_ids) if guild is None else _moving(session, guild_id, target_ids, now)
            holds = _holds(session, guild_id, target_ids)
            bans = select(Bans.user_id).where(Bans.guild_id == guild_id, Bans.user_id.in_(target_ids))
            banned = set(session.scalars(bans))
            timed_out = select(Members.user_id).where(Members.guild_id == guild_id, Members.user_id.in_(target_ids))
            muted = set(session.scalars(timed_out.where(Members.timed_out_until > now)))
            complete = guild is not None and guild.bans_complete_at is not None
        silent = self.gateway_silent(guild_id)
        found = {}
        for target_id in target_ids:
            kept = None if target_id in moving else holds[target_id]
            if silent or target_id in moving:
                found[target_id] = Held(banned=None, muted=None, holds=kept, **ends[target_id])
                continue
            known = True if target_id in banned else False if complete else None
            found[target_id] = Held(banned=known, muted=target_id in muted, holds=kept, **ends[target_id])
        return found

    def joined_at(self, guild_id: GuildId, user_id: UserId) -> datetime | None:
        """When a member joined; None when the mirror has no such member now."""
        rows = self._database.once(guild_id, _JOINED, {"in_guild": guild_id, "of_user": user_id})
        return rows[0].joined_at if rows else None

    def notice_texts(self, guild_id: GuildId) -> NoticeTexts:
        """The texts of a guild and its name, which is its id while the mirror does not know it."""
        rows = self._database.once(guild_id, _NOTICE_TEXTS, {"in_guild": guild_id})
        if not rows:
            return NoticeTexts(server=str(guild_id))
        texts = {Action(name): text for name, text in (rows[0].notice_texts or {}).items()}
        return NoticeTexts(
            server=rows[0].name,
            by_action=texts,
            appeal_url=rows[0].appeal_url,
            locale=rows[0].notice_locale,
            discord_locale=rows[0].locale,
        )

    def log_channels(self, guild_id: GuildId) -> LogChannels:
        """The channels the guild has chosen; the common one, as long as nobody did, is the text channel named
        ``mod-log``, ``modlog`` or ``log``."""
        with self._database.transaction(guild_id) as session:
            return log_channels_of(session, guild_id)

    def gateway_silent(self, guild_id: GuildId) -> bool:
        """Whether the gateway shard of this guild has not been heard for 60 s: then the mirror may be stale."""
        return not self._database.once(None, self._heard, {"of_place": guild_id >> 22})[0].lately


def _holds(session: Session, guild_id: GuildId, target_ids: Sequence[UserId]) -> dict[UserId, frozenset[str]]:
    """Of what acts on these targets Guard keeps the time before."""
    theirs = select(Holds.target_id, Holds.kind).where(Holds.guild_id == guild_id, Holds.target_id.in_(target_ids))
    kinds: dict[UserId, set[str]] = {target_id: set() for target_id in target_ids}
    for one in session.execute(theirs):
        kinds[UserId(one.target_id)].add(one.kind)
    return {target_id: frozenset(some) for target_id, some in kinds.items()}


def _ends(session: Session, guild_id: GuildId, target_ids: Sequence[UserId]) -> dict[UserId, dict[str, datetime]]:
    """The ends that are still to come."""
    row = ScheduledEnds
    theirs = select(row.target_id, row.punishment, row.ends_at).where(
        row.guild_id == guild_id,
        row.target_id.in_(target_ids),
        row.state == "open",
        row.punishment.in_([Action.BAN.value, Action.MUTE.value]),
    )
    ends: dict[UserId, dict[str, datetime]] = {target_id: {} for target_id in target_ids}
    for end in session.execute(theirs):
        ends[UserId(end.target_id)][f"{end.punishment}_ends_at"] = end.ends_at
    return ends


def _moving(session: Session, guild_id: GuildId, target_ids: Sequence[UserId], now: datetime) -> set[UserId]:
    """To whom something is on its way, or was done so lately that the mirror may not show it."""
    row, case = ActionRequests, ModCases
    live = select(row.target_id).where(
        row.guild_id == guild_id,
        row.target_id.in_(target_ids),
        row.state.in_([State.ACCEPTED.value, State.EXECUTING.value, State.APPLIED.value]),
    )
    fresh = select(case.target_id).where(
        case.guild_id == guild_id, case.target_id.in_(target_ids), case.created_at > now - MIRRORED_WITHIN
    )
    return {UserId(target_id) for target_id in session.scalars(live.union(fresh))}


def log_channels_of(session: Session, guild_id: GuildId) -> LogChannels:
    """Where this guild's cases are posted, by class."""
    settings = session.get(GuildSettings, guild_id)
    chosen = settings.log_channels if settings is not None else {}
    return LogChannels(
        common=chosen_log_channel(session, guild_id),
        by_class={EventClass(one): ChannelId(int(where)) if where else None for one, where in chosen.items()},
    )


def chosen_log_channel(session: Session, guild_id: GuildId) -> ChannelId | None:
    """Where this guild's cases are posted, but for classes that have their own; None when it has no such channel."""
    settings = session.get(GuildSettings, guild_id)
    if settings is not None and settings.log_channel_id is not None:
        return ChannelId(settings.log_channel_id)
    named = select(Channels.name, Channels.channel_id).where(
        Channels.guild_id == guild_id, Channels.kind == _TEXT_CHANNEL, Channels.name.in_(LOG_CHANNEL_NAMES)
    )
    # Of two channels with one name the older counts, which has the lower id.
    rows = session.execute(named.order_by(Channels.channel_id.desc())).all()
    found = {row.name: row.channel_id for row in rows}
    return next((ChannelId(found[name]) for name in LOG_CHANNEL_NAMES if name in found), None)
