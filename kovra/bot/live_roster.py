"""Who is who at the moment of execution: the mirror, or Discord itself when the gateway has fallen silent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from kovra.actions.capabilities import Person
from kovra.actions.request import ActionRequest
from kovra.actions.rights import Standing
from kovra.errors import DiscordError, Unavailable
from kovra.guard.log_channels import LogChannels
from kovra.guard.notice_texts import NoticeTexts
from kovra.guard.ports import Roster
from kovra.ids import GuildId, UserId
from kovra.store.mirror import MemberRow, RoleRow

T = TypeVar("T")


class Mirrored(Roster, Protocol):
    """The roster that is read from the mirror."""

    def standings(
        self, guild_id: GuildId, moderator_id: UserId, target_ids: Sequence[UserId]
    ) -> Mapping[UserId, Standing]: ...

    def gateway_silent(self, guild_id: GuildId) -> bool: ...


class Asked(Protocol):
    """What is asked of Discord, one call each."""

    def fetch_member(self, guild_id: GuildId, user_id: UserId) -> MemberRow | None: ...

    def fetch_roles(self, guild_id: GuildId) -> Sequence[RoleRow]: ...


#: How long the texts and the log channels of a guild are remembered, and whether its gateway speaks, in seconds.
REMEMBERED_S, HEARD_S = 5.0, 1.0


@dataclass(frozen=True, kw_only=True)
class LiveRoster:
    """The executor's roster. A silent gateway means a stale mirror, so moderator and target are then read over REST.

    Who may do what is never remembered; what changes once a year is, for a few seconds.
    """

    mirror: Mirrored
    discord: Asked
    monotonic: Callable[[], float] = time.monotonic
    _memory: dict[tuple[str, GuildId], tuple[float, Any]] = field(default_factory=dict)

    def standing(self, guild_id: GuildId, moderator_id: UserId, target_id: UserId) -> Standing:
        """Raises Unavailable when neither the gateway nor Discord's REST answers: the request is then deferred."""
        return self.standings(guild_id, moderator_id, [target_id])[target_id]

    def standings(
        self, guild_id: GuildId, moderator_id: UserId, target_ids: Sequence[UserId]
    ) -> Mapping[UserId, Standing]:
        """As :meth:`standing`, for many targets of one moderator. Discord tells five members a second."""
        known = self.mirror.standings(guild_id, moderator_id, target_ids)
        if not self._remembered(self.mirror.gateway_silent, guild_id, HEARD_S):
            return known
        try:
            roles = self.discord.fetch_roles(guild_id)
            moderator = self._now(known[target_ids[0]].moderator, guild_id, roles)
            return {
                target_id: replace(one, moderator=moderator, target=self._now(one.target, guild_id, roles))
                for target_id, one in known.items()
            }
        except DiscordError as error:
            raise Unavailable(f"neither the gateway nor Discord tells who is who: {error}") from error

    def around(self, request: ActionRequest, standing: Standing) -> Standing:
        """From the mirror: a role that has changed since costs one refusal of Discord's."""
        return self.mirror.around(request, standing)

    def joined_at(self, guild_id: GuildId, user_id: UserId) -> datetime | None:
        """None while the mirror may be stale: then it has to be read from Discord."""
        if self._remembered(self.mirror.gateway_silent, guild_id, HEARD_S):
            return None
        return self.mirror.joined_at(guild_id, user_id)

    def notice_texts(self, guild_id: GuildId) -> NoticeTexts:
        return self._remembered(self.mirror.notice_texts, guild_id, REMEMBERED_S)

    def log_channels(self, guild_id: GuildId) -> LogChannels:
        return self._remembered(self.mirror.log_channels, guild_id, REMEMBERED_S)

    def _remembered(self, ask: Callable[[GuildId], T], guild_id: GuildId, for_s: float) -> T:
        now, key = self.monotonic(), (ask.__name__, guild_id)
        kept = self._memory.get(key)
        if kept is None or now - kept[0] >= for_s:
            kept = self._memory[key] = (now, ask(guild_id))
        return kept[1]

    def _now(self, person: Person, guild_id: GuildId, roles: Sequence[RoleRow]) -> Person:
        row = self.discord.fetch_member(guild_id, person.user_id)
        if row is None:
            return Person(user_id=person.user_id, name=person.name, member=False, bot=person.bot)
        # Everyone has the role @everyone, whose id is the guild's.
        held = [role for role in roles if role.role_id in row.role_ids or role.role_id == guild_id]
        permissions = 0
        for role in held:
            permissions |= role.permissions
        return Person(
            user_id=person.user_id,
            name=row.nick or row.global_name or row.username,
            member=True,
            permissions=permissions,
            rank=max((role.position for role in held), default=0),
            bot=row.bot,
            timed_out=row.timed_out_until is not None and row.timed_out_until > datetime.now(UTC),
            dms_closed=person.dms_closed,
        )
