"""What asking for an action needs of the world."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from kovra.actions.already import Held
from kovra.actions.audit import AuditEntry
from kovra.actions.envelope import Sealed
from kovra.actions.request import ActionRequest, Receipt, Refusal
from kovra.actions.rights import Standing
from kovra.ids import GuildId, UserId


class Clock(Protocol):
    """The one clock all processes agree on; in production it is Postgres's."""

    def now(self) -> datetime:
        """Aware UTC."""


class Roster(Protocol):
    """Who is who in a guild now, from the mirror of Discord's state."""

    def standing(self, guild_id: GuildId, moderator_id: UserId, target_id: UserId) -> Standing:
        """Raises Unavailable when the guild has never been mirrored or the database does not answer."""

    def around(self, request: ActionRequest, standing: Standing) -> Standing:
        """The same, with what else the request names: its role. Raises Unavailable."""

    def held(self, guild_id: GuildId, target_id: UserId) -> Held:
        """What the target is under now. Raises Unavailable."""


class Requests(Protocol):
    """The queue of record."""

    def accept(self, sealed: Sealed, refusal: Refusal | None) -> Receipt:
        """Keep a request in one transaction: budget, row, event and audit entry.

        An earlier request with this id comes first: it is given back as it stands now (``replay`` set). With a
        refusal, or when the budget or a running twin forbids it, the row is ``rejected``.

        Raises Conflict when the id was used for another wish, in any guild, and Unavailable; then nothing was kept.
        """

    def mark_enqueued(self, receipt: Receipt) -> None:
        """Note that the lane took it. Best effort."""


class Outbox(Protocol):
    """The way onto a guild's lane. Best effort: what Redis does not take, the relay brings later."""

    def put(self, sealed: Sealed) -> bool:
        """True when the lane holds it now. Never raises for a Redis that is away."""


class Bulletin(Protocol):
    """Tells open pages to look again."""

    def ring(self, guild_id: GuildId) -> None:
        """Best effort; a lost ring costs a page at most a second."""


class AuditLog(Protocol):
    """The append-only, sealed record of a guild."""

    def append(self, entry: AuditEntry) -> None:
        """In a transaction of its own. Raises Unavailable."""


Attempt = Mapping[str, str]
"""What somebody tried to ask for, as they typed it: for the audit entry of malformed input."""
