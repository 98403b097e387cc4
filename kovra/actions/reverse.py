"""Taking back: one case, a batch, or all that a moderator did in the last minutes. Each act is one linked case more.

One case is taken back by asking for the opposite act with ``reverses`` in its params (:func:`opposite`): through
``submit``, with the rights of that act. A batch or a moderator's acts take ``reverse``; what still waits is cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from kovra.actions import rights
from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import GIVEN_BY, Capability, capabilities, permission_names
from kovra.actions.ports import AuditLog, Clock, Roster
from kovra.actions.request import INVERSE, Action, ActionRequest, Receipt, Refusal, RefusalKind, Source
from kovra.actions.rights import Standing
from kovra.errors import Malformed
from kovra.ids import GuildId, UserId, derived_request_id

#: Most cases of one reversal; more are taken back by asking again.
MOST = 500

#: How far back the acts of a moderator can be taken back at once, in minutes: a day.
MOST_MINUTES = 24 * 60

#: Why the others cannot be taken back, each a whole sentence.
_NOT_REVERSIBLE: Mapping[Action, str] = MappingProxyType(
    {
        Action.KICK: "A kick cannot be taken back: they can join again with an invite.",
        Action.SOFTBAN: "A softban cannot be taken back: their messages are gone, and they can join again.",
        Action.PURGE: "Deleted messages cannot be brought back.",
        Action.WARN: "A warning was read. Void the case, and it counts no more.",
        Action.NOTE: "A note does nothing. Void the case, and it counts no more.",
    }
)


@dataclass(frozen=True, kw_only=True)
class Undo:
    """A case as taking it back sees it. ``holds`` is None of what does not last."""

    case_no: int
    action: Action
    target_id: UserId
    target_name: str
    role_id: int | None = None
    holds: bool | None = None
    reversed_by: int | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What there is to take back, newest first; ``waiting`` has not begun. ``more``: not all of it was read."""

    moderator_id: UserId | None = None
    cases: Sequence[Undo] = ()
    waiting: Sequence[UUID] = ()
    more: bool = False


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One reversal of many. ``reversal_id`` is minted when the form is drawn: sent twice it asks once.

    Either ``batch_id``, or ``of_moderator`` with ``minutes``.

    Raises:
        Malformed: neither, both, or too far back.
    """

    reversal_id: UUID
    guild_id: GuildId
    asked_by: UserId
    source: Source
    reason: str
    issued_at: datetime
    batch_id: UUID | None = None
    of_moderator: UserId | None = None
    minutes: int | None = None

    def __post_init__(self) -> None:
        if (self.batch_id is None) is (self.of_moderator is None):
            raise Malformed("Say whose acts, or which batch, is to be taken back.")
        if self.of_moderator is not None and not 1 <= (self.minutes or 0) <= MOST_MINUTES:
            raise Malformed(f"Say how far back: from 1 to {MOST_MINUTES} minutes.")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a reversal would do: what it takes back, what it cancels, and what it cannot take back, each with why."""

    takes_back: Sequence[Undo] = ()
    cancels: Sequence[UUID] = ()
    cannot: Sequence[tuple[Undo, str]] = ()
    more: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True)
class Reversal:
    """What came of it. ``asked``: accepted, on their way; ``refused``: not, each with why; the rest as in the plan."""

    asked: Sequence[tuple[Undo, Receipt]] = ()
    refused: Sequence[tuple[Undo, str]] = ()
    cancelled: Sequence[UUID] = ()
    cannot: Sequence[tuple[Undo, str]] = ()
    more: bool = False
    refusal: Refusal | None = None


def opposite(undo: Undo, **asked: object) -> ActionRequest:
    """The request that takes one case back; ``asked`` is the rest of the request.

    Raises:
        Malformed: it cannot be taken back; the message says why.
    """
    if (why := not_reversible(undo)) is not None:
        raise Malformed(why)
    role = {} if undo.role_id is None or undo.action not in _OF_ROLE else {"role_id": undo.role_id}
    params = {"reverses": undo.case_no} | role | dict(asked.pop("params", {}))  # type: ignore[call-overload]
    return ActionRequest(action=INVERSE[undo.action], target_id=undo.target_id, params=params, **asked)  # type: ignore[arg-type]


def request_id_of(reversal_id: UUID, case_no: int) -> UUID:
    """The request that takes one case back: the same one each time the same form is sent."""
    return derived_request_id(reversal_id.int >> 80, "reverse", reversal_id, case_no)


def not_reversible(undo: Undo) -> str | None:
    """Why a case cannot be taken back; None when it can."""
    if undo.action not in INVERSE:
        lifting = (
            f"Case #{undo.case_no} is a {undo.action.noun}: it lifted something itself. Ask for that anew instead."
        )
        return _NOT_REVERSIBLE.get(undo.action, lifting)
    if undo.reversed_by is not None:
        return f"Case #{undo.case_no} was taken back already, by case #{undo.reversed_by}."
    if undo.holds is False:
        return f"The {undo.action.noun} of case #{undo.case_no} is over: there is nothing to take back."
    return None


_OF_ROLE = frozenset({Action.ROLE_ADD, Action.ROLE_REMOVE})


class Undoing(Protocol):
    """The record, as far as taking back goes (``store.undoing.Undoing``)."""

    def batch(self, guild_id: GuildId, batch_id: UUID, most: int) -> Found: ...

    def by_moderator(self, guild_id: GuildId, moderator_id: UserId, minutes: int, most: int) -> Found: ...

    def cancel(self, guild_id: GuildId, request_ids: Sequence[UUID], by_id: UserId) -> Sequence[UUID]: ...


class AskMany(Protocol):
    """The one way in for many at once."""

    def __call__(self, requests: Sequence[ActionRequest]) -> Sequence[Receipt]: ...


@dataclass(frozen=True, kw_only=True)
class Reverse:
    """Take back many cases at once. Built once per process."""

    roster: Roster
    undoing: Undoing
    submit: AskMany
    audit: AuditLog
    clock: Clock = field(repr=False)

    def plan(self, wish: Wish) -> Plan:
        """What the reversal would do now; nothing is changed. Raises Unavailable."""
        found = self._find(wish)
        if refusal := self._refusal(wish, found):
            return Plan(refusal=refusal)
        cannot = [(undo, why) for undo in found.cases if (why := not_reversible(undo)) is not None]
        hopeless = {undo.case_no for undo, _ in cannot}
        back = [undo for undo in found.cases if undo.case_no not in hopeless]
        return Plan(takes_back=back, cancels=found.waiting, cannot=cannot, more=found.more)

    def __call__(self, wish: Wish) -> Reversal:
        """Cancel what waits, then ask for the opposite of each case, newest first.

        Raises:
            Unavailable: the database does not answer; what was cancelled stays so, and the same may be asked again.
        """
        plan = self.plan(wish)
        if plan.refusal is not None:
            self._record(wish, {"sentence": plan.refusal.sentence})
            return Reversal(refusal=plan.refusal)
        cancelled = self.undoing.cancel(wish.guild_id, plan.cancels, wish.asked_by) if plan.cancels else ()
        asked, refused = [], []
        receipts = self.submit([self._request(wish, undo) for undo in plan.takes_back])
        for undo, receipt in zip(plan.takes_back, receipts, strict=True):
            if receipt.refusal is None:
                asked.append((undo, receipt))
            else:
                refused.append((undo, receipt.refusal.sentence))
        counts = {"asked": len(asked), "refused": len(refused), "cancelled": len(cancelled), "cannot": len(plan.cannot)}
        self._record(wish, counts)
        return Reversal(asked=asked, refused=refused, cancelled=cancelled, cannot=plan.cannot, more=plan.more)

    def _find(self, wish: Wish) -> Found:
        if wish.batch_id is not None:
            return self.undoing.batch(wish.guild_id, wish.batch_id, MOST)
        assert wish.of_moderator is not None
        assert wish.minutes is not None
        return self.undoing.by_moderator(wish.guild_id, wish.of_moderator, wish.minutes, MOST)

    def _refusal(self, wish: Wish, found: Found) -> Refusal | None:
        """A reversal decides over a colleague: it takes the capability, and a higher role than theirs."""
        whose = found.moderator_id or wish.of_moderator or wish.asked_by
        standing: Standing = self.roster.standing(wish.guild_id, wish.asked_by, whose)
        held = capabilities(standing.moderator, standing.owner_id, standing.grants)
        if Capability.REVERSE not in held:
            return Refusal(
                kind=RefusalKind.NO_CAPABILITY,
                sentence="You may not take back what others did here: it takes the capability “reverse”, which comes "
                f"with {permission_names(GIVEN_BY[Capability.REVERSE])} in Discord. Ask an admin.",
            )
        if whose == wish.asked_by:
            return None
        if whose == standing.owner_id:
            # Whatever role the owner wears: nobody is above them.
            return Refusal(
                kind=RefusalKind.OWNER,
                sentence=f"{standing.target.name} owns this server: nobody else can take back what they did.",
            )
        return rights.outranked("take back the acts of", standing)

    @staticmethod
    def _request(wish: Wish, undo: Undo) -> ActionRequest:
        return opposite(
            undo,
            request_id=request_id_of(wish.reversal_id, undo.case_no),
            guild_id=wish.guild_id,
            moderator_id=wish.asked_by,
            source=wish.source,
            reason=wish.reason or f"Takes back case #{undo.case_no}.",
            issued_at=wish.issued_at,
            params={"of_many": 1},
        )

    def _record(self, wish: Wish, facts: Mapping[str, object]) -> None:
        of_batch = {"batch_id": str(wish.batch_id)} if wish.batch_id else {}
        of_person = {"of_moderator": str(wish.of_moderator), "minutes": wish.minutes} if wish.of_moderator else {}
        told = {"reversal_id": str(wish.reversal_id), "source": wish.source.value, **of_batch, **of_person, **facts}
        self.audit.append(
            AuditEntry(guild_id=wish.guild_id, kind=AuditKind.REVERSAL_ASKED, actor_id=wish.asked_by, facts=told)
        )
