"""Deleting many messages: which ones is chosen once and kept with the intent, so doing it again deletes no others."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from kovra.actions.checkpoint import nowhere
from kovra.actions.request import Action, ActionRequest
from kovra.actions.rights import WRITTEN_IN
from kovra.errors import DiscordError, DiscordRefused
from kovra.guard import outcome
from kovra.guard.claim import Claim
from kovra.guard.perform import audit_reason
from kovra.guard.ports import Discord, Ledger, MessageSeen
from kovra.ids import snowflake_ms

#: Discord deletes at once what is younger than 14 days (API reference, Bulk Delete Messages); an hour for what waits.
YOUNGEST = timedelta(days=14, hours=-1)

#: How long a purge waits after Discord could not be reached or did not answer, in seconds.
RETRY_S = 5.0

#: Most messages of one call.
AT_ONCE = 100

#: How many pages of a hundred are looked through: in one channel, and in each when it is all of them.
_PAGES, _PAGES_OF_EACH = 20, 3

#: A channel that Guard may not read has nothing to delete (API reference, JSON error codes).
_CLOSED = frozenset({50001, 50013})
_GONE = 10008

#: The parts: a channel and up to a hundred messages of it, ids as text for JSON.
Parts = list[tuple[str, list[str]]]


def choose(discord: Discord, request: ActionRequest, now: datetime) -> dict[str, Any]:
    """The messages to delete, as JSON: the latest ones, without what is pinned or too old.

    Raises:
        DiscordError: they could not be read; nothing was done.
    """
    found: dict[int, list[int]] = {}
    for channel_id, message in islice(_newest(discord, request, now), request.params["count"]):
        found.setdefault(channel_id, []).append(message.message_id)
    parts: Parts = []
    for channel_id, ids in found.items():
        for start in range(0, len(ids), AT_ONCE):
            parts.append((str(channel_id), [str(each) for each in ids[start : start + AT_ONCE]]))
    return {"parts": parts, "done": 0}


@dataclass(frozen=True, kw_only=True)
class Purge:
    """Deletes what was chosen, part by part; how far it came is committed before each. ``at`` is for tests."""

    ledger: Ledger
    discord: Discord
    at: Callable[[str], None] = nowhere

    def __call__(self, claim: Claim, name: str, reason: str) -> bool:
        """Go on where an earlier attempt stopped. True when all is deleted; else the ledger says what became of it."""
        before: Mapping[str, Any] = claim.effect_before
        try:
            before = before or choose(self.discord, claim.request, claim.now)
        except DiscordRefused as error:
            self.ledger.fail(claim, outcome.failure(claim.request.action, name, error))
            return False
        except DiscordError as error:
            self.ledger.give_back(claim, delay_s=getattr(error, "retry_after_s", RETRY_S))
            return False
        if not before["parts"]:
            self.ledger.fail(claim, outcome.nothing_to_purge(name))
            return False
        for number in range(before["done"], len(before["parts"])):
            # The part before is done; should this one be done twice, it deletes nothing else.
            before = {**before, "done": number}
            ours_until = self.ledger.intend_effect(claim, before)
            self.at("after_effect_intent" if number == 0 else "after_half")
            with self.discord.leaving_before(ours_until):
                deleted = self._delete(claim, before, number, name, reason)
            if not deleted:
                return False
        self.at("after_effect_call")
        return True

    def deleted(self, claim: Claim) -> dict[str, Any] | None:
        """What the case says of it; None of what is no purge."""
        if claim.request.action is not Action.PURGE:
            return None
        parts: Parts = self.ledger.intended(claim)["parts"]
        return {"deleted": sum(len(ids) for _, ids in parts), "channels": sorted({channel for channel, _ in parts})}

    def _delete(self, claim: Claim, before: Mapping[str, Any], number: int, name: str, reason: str) -> bool:
        channel_id, ids = before["parts"][number]
        try:
            self.discord.delete_messages(int(channel_id), [int(each) for each in ids], reason=reason)
        except DiscordRefused as error:
            if error.code == _GONE:
                return True
            deleted = sum(len(part[1]) for part in before["parts"][:number])
            told = outcome.half_purged(deleted, error) if deleted else None
            self.ledger.fail(claim, told or outcome.failure(claim.request.action, name, error))
            return False
        except DiscordError as error:
            self.ledger.give_back(claim, delay_s=getattr(error, "retry_after_s", RETRY_S), intent_stays=True)
            return False
        return True


def delete_message(discord: Discord, request: ActionRequest, moderator_name: str) -> dict[str, Any] | None:
    """Delete the message over which somebody was acted on; what the case says of it, None when none was to go.

    The act is done by now and stays done: a message that stays is told of, and no reason to begin again.
    """
    if request.over_message is None:
        return None
    channel_id, message_id = request.over_message
    told: dict[str, Any] = {}
    # Deleting it twice is deleting it once.
    for _ in range(2):
        try:
            discord.delete_messages(channel_id, [message_id], reason=audit_reason(request, moderator_name))
            return {"message": "deleted"}
        except DiscordRefused as error:
            if error.code == _GONE:
                return {"message": "deleted"}
            return {"message": "refused", "code": error.code}
        except DiscordError:
            told = {"message": "unknown"}
    return told


def _newest(discord: Discord, request: ActionRequest, now: datetime) -> Iterator[tuple[int, MessageSeen]]:
    """The newest first, of the channel that is named or of all in which people write."""
    if "of_member" not in request.params:
        channels, pages = [int(request.target_id)], _PAGES
    elif "channel_id" in request.params:
        channels, pages = [request.params["channel_id"]], _PAGES
    else:
        seen = discord.fetch_channels(request.guild_id)
        channels, pages = [each.channel_id for each in seen if each.kind in WRITTEN_IN], _PAGES_OF_EACH
    whose = int(request.target_id) if "of_member" in request.params else None

    def of(channel_id: int) -> Iterator[tuple[int, MessageSeen]]:
        try:
            for message in _pages(discord, channel_id, pages, now):
                if not message.pinned and whose in (None, message.author_id):
                    yield channel_id, message
        except DiscordRefused as error:
            if len(channels) == 1 or error.code not in _CLOSED:
                raise

    # An id is the time it was written.
    return heapq.merge(*map(of, channels), key=lambda found: -found[1].message_id)


def _pages(discord: Discord, channel_id: int, pages: int, now: datetime) -> Iterator[MessageSeen]:
    before, oldest_ms = None, (now - YOUNGEST).timestamp() * 1000
    for _ in range(pages):
        page = discord.latest_messages(channel_id, before=before)
        for message in page:
            if snowflake_ms(message.message_id) < oldest_ms:
                return
            yield message
        if len(page) < AT_ONCE:
            return
        before = page[-1].message_id
