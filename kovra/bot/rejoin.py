"""The door of those who come back: a mute or quarantine that holds is put on them again. No rule lives here."""

from __future__ import annotations

import logging
from typing import Protocol

from kovra.bot.ports import SubmitPort
from kovra.errors import Conflict
from kovra.guard.endings import Rejoined, rejoin_request
from kovra.ids import GuildId, UserId

log = logging.getLogger(__name__)


class Mutes(Protocol):
    """What still holds of those who left (``store.mirror.Mirror``)."""

    def rejoined(self, guild_id: GuildId, user_id: UserId | None) -> list[Rejoined]: ...


class RejoinDoor:
    """Asks for what a member left behind. The same joining always makes the same request."""

    def __init__(self, *, mutes: Mutes, submit: SubmitPort) -> None:
        self._mutes, self._submit = mutes, submit

    def look(self, guild_id: GuildId, user_id: UserId | None = None) -> None:
        """Look at one who joined, or at all members after a time without hearing of them; after the mirror knows them.

        Raises:
            Unavailable: the database does not answer; the same may be asked again.
        """
        for back in self._mutes.rejoined(guild_id, user_id):
            request = rejoin_request(back)
            try:
                receipt = self._submit(request)
            except Conflict as error:
                log.warning("%s of guild %s is free again: %s", back.target_id, guild_id, error)
                continue
            if receipt.refusal is not None:
                log.info("%s of guild %s is free again: %s", back.target_id, guild_id, receipt.refusal.sentence)
