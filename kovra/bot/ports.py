"""What Guard's ears and hands ask of the world, beside the mirror in ``store``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from kovra.actions.ports import Attempt
from kovra.actions.request import ActionRequest, Receipt, Source
from kovra.actions.reverse import Undo
from kovra.guard.health import Finding
from kovra.ids import GuildId, UserId
from kovra.shared_state.pacing import Line, Turn
from kovra.store.case_detail import CaseDetail
from kovra.store.case_rows import CaseRow
from kovra.store.guilds import GuildScope
from kovra.store.requests import RequestStatus


class Turns(Protocol):
    """Turns to identify at the gateway, for all processes that speak with one bot token."""

    def take(self, slot: int, gap_s: float) -> float:
        """The seconds until the next turn of this slot, which is taken. Never raises."""


class Pacer(Protocol):
    """One pace for all processes that speak with one bot token (``shared_state.pacing.RedisPacer``). Never raises."""

    def take(self, longest_wait_s: float, line: Line | None = None) -> Turn:
        """Ask for a turn of the pace, or of a line and the pace."""

    def rest(self, seconds: float, line: Line | None = None) -> None:
        """Let no process send anything, or anything of a line, for so long."""

    def note_invalid(self) -> bool:
        """Count an answer that Discord counts as invalid; True when there were too many."""


Hints = Callable[[GuildId, str, Mapping[str, Any]], None]
"""Tells open pages about something passing, by a ``live.events.HintKind`` and the ids it names; best effort."""


class SubmitPort(Protocol):
    """The one way in (``actions.submit.Submit``). Synchronous; raises Conflict and Unavailable."""

    def __call__(self, request: ActionRequest) -> Receipt: ...

    def malformed(
        self, *, guild_id: GuildId, moderator_id: UserId, source: Source, attempt: Attempt, sentence: str
    ) -> None: ...


class Book(Protocol):
    """The cases, as commands read them (``wiring.CaseBook``). Each raises Unavailable."""

    def scope(self, user_id: UserId, guild_id: GuildId) -> GuildScope | None:
        """What this user may read here; None when they hold no capability."""

    def case(self, scope: GuildScope, case_no: int) -> Undo | None:
        """A case as taking it back sees it."""

    def detail(self, scope: GuildScope, case_no: int) -> CaseDetail | None: ...

    def latest(self, scope: GuildScope, user_id: UserId | None) -> Sequence[CaseRow]:
        """The latest cases, of one person or of all."""

    def findings(self, scope: GuildScope) -> Sequence[Finding]:
        """What keeps Guard from its work here, the worst first."""


class Outcomes(Protocol):
    """Waits for the end of one request (``live.outcomes.Outcomes``)."""

    def wait(
        self, guild_id: GuildId, request_id: UUID, timeout_s: float, until: Callable[[RequestStatus], bool]
    ) -> RequestStatus | None:
        """Block until the status satisfies ``until``, at most ``timeout_s``; the last one read. Raises Unavailable."""
