"""A world in memory around the executor: a ledger with epochs, a Discord that knows nonces, people with ranks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from kovra.actions.capabilities import Person
from kovra.actions.request import Action, ActionRequest
from kovra.actions.rights import CaseSeen, Place, Role, Standing
from kovra.guard.claim import Claim
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.guard.notice_texts import NoticeTexts
from kovra.guard.notices import Busy
from kovra.ids import ChannelId, GuildId, UserId
from tests.guard.cast import EVERY, MODERATOR, NOON, TARGET
from tests.guard.discord_side import DiscordSide
from tests.guard.ledger_side import LedgerSide


@dataclass
class World(DiscordSide, LedgerSide):
    """Every port of the room: Discord, the ledger, and here the people, the quarantine and the bulletin."""

    quarantined: list = field(default_factory=list)
    replays: int = 0
    rings: int = 0
    log_id: ChannelId | None = ChannelId(5)
    busy: Busy = field(default_factory=Busy)
    logs: dict[EventClass, ChannelId | None] = field(default_factory=dict)
    texts: dict[Action, str] = field(default_factory=dict)
    target: Person = Person(user_id=TARGET, name="raider", member=True, rank=1)
    moderator: Person = Person(user_id=MODERATOR, name="odalys", member=True, permissions=EVERY, rank=5)

    def standing(self, guild_id: GuildId, moderator_id: UserId, target_id: UserId) -> Standing:
        if (error := self.fail.get("standing")) is not None:
            raise error
        guard = Person(user_id=UserId(2), name="Guard", member=True, permissions=EVERY, rank=9, bot=True)
        return Standing(
            guild_id=guild_id, owner_id=UserId(1), guard=guard, moderator=self.moderator, target=self.target
        )

    def around(self, request: ActionRequest, standing: Standing) -> Standing:
        if request.case_no is not None:
            old, age_s = self.old_case, int((self.now - NOON).total_seconds())
            seen = old and CaseSeen(
                case_no=old.case_no,
                action=old.action,
                target_id=old.target_id,
                moderator_id=old.moderator_id,
                age_s=age_s,
                holds=True,
            )
            return replace(standing, case=seen)
        if request.of_place:
            target = Person(user_id=request.target_id, name="#general", member=False)
            return replace(standing, place=Place(name="#general", kind=0), target=target)
        role = Role(role_id=request.params["role_id"], name="Muted", rank=2)
        return replace(standing, role=role)

    def joined_at(self, guild_id: GuildId, user_id: UserId) -> datetime | None:
        return self.joined.get(user_id)

    def notice_texts(self, guild_id: GuildId) -> NoticeTexts:
        return NoticeTexts(server="Foxes", by_action=self.texts)

    def log_channels(self, guild_id: GuildId) -> LogChannels:
        return LogChannels(common=self.log_id, by_class=self.logs)

    def dms_are_closed(self, claim: Claim, closed: bool) -> None:
        self.target = replace(self.target, dms_closed=closed)

    # -- quarantine and bulletin

    def refuse(self, *, lane: GuildId, body: bytes, cause: str, request: ActionRequest | None = None) -> None:
        self.quarantined.append((lane, cause, request))

    def replayed(self, *, lane: GuildId, request: ActionRequest) -> None:
        self.replays += 1

    def ring(self, guild_id: GuildId) -> None:
        self.rings += 1
