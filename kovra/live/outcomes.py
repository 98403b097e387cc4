"""Waits for the end of one request: a slash command has answered "queued" and edits its answer to the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar
from uuid import UUID

from kovra.ids import GuildId
from kovra.live.events import Hint
from kovra.live.hub import Hub
from kovra.live.ports import EventLike

StatusT = TypeVar("StatusT")


class Outcomes(Generic[StatusT]):
    """Waits through the hub instead of asking the database again and again.

    Args:
        status: reads where a request stands now; None when there is no such request. Raises Unavailable.
    """

    def __init__(self, hub: Hub, status: Callable[[GuildId, UUID], StatusT | None]) -> None:
        self._hub, self._status = hub, status

    def wait(
        self, guild_id: GuildId, request_id: UUID, timeout_s: float, until: Callable[[StatusT], bool]
    ) -> StatusT | None:
        """Wait until the status satisfies ``until``, at most ``timeout_s``; blocks its thread.

        The status is read at once, at every event of the request, and a last time when the time is over.

        Returns:
            The last status read, whether or not it satisfies ``until``.

        Raises:
            Unavailable: the database did not answer.
        """

        def of_request(event: EventLike | Hint) -> bool:
            return not isinstance(event, Hint) and event.request_id == request_id

        deadline = time.monotonic() + timeout_s
        # Subscribed before the first look, so that nothing falls between them.
        with self._hub.subscribe(guild_id, None, of_request) as events:
            while True:
                found = self._status(guild_id, request_id)
                if found is not None and until(found):
                    return found
                if events.next(max(0.0, deadline - time.monotonic())) is None:
                    return self._status(guild_id, request_id)
