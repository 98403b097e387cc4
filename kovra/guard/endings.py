"""Punishments that end by themselves: when, and what Guard does about it next. Decisions only.

A ban with a duration is lifted by Guard. A mute ends in Discord by itself; but Discord holds one for 28 days at most,
so a longer one is renewed until its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from kovra.actions.request import MAX_MUTE, PARAMS, Action, ActionRequest, RefusalKind, Source, State
from kovra.guard.outcome import FailureKind
from kovra.ids import GuildId, UserId, audit_ref, derived_request_id

#: A mute is renewed this long before Discord's limit: a worker may be away for a day and nobody is let loose early.
RENEW_AHEAD = timedelta(days=1)

#: The pauses of a lockdown are renewed this long before Discord's limit.
PAUSE_AHEAD = timedelta(hours=1)

#: An end that is later than this is shown as overdue.
OVERDUE_AFTER = timedelta(minutes=1)

#: How soon a request under way is looked at again.
LOOK_AGAIN = timedelta(seconds=10)

#: The pause after an attempt that did not succeed, doubled with each one in a row up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)

#: Whose end an act settles: the newest act on a person decides how long it lasts.
ENDS_OF: Mapping[Action, Action] = MappingProxyType(
    {
        Action.BAN: Action.BAN,
        Action.UNBAN: Action.BAN,
        Action.MUTE: Action.MUTE,
        Action.UNMUTE: Action.MUTE,
        Action.QUARANTINE: Action.QUARANTINE,
        Action.UNQUARANTINE: Action.QUARANTINE,
        Action.LOCK: Action.LOCK,
        Action.UNLOCK: Action.LOCK,
        Action.SLOWMODE: Action.SLOWMODE,
        Action.SLOWMODE_OFF: Action.SLOWMODE,
        Action.LOCKDOWN: Action.LOCKDOWN,
        Action.LOCKDOWN_OFF: Action.LOCKDOWN,
    }
)

#: By what Guard ends what does not end in Discord by itself.
LIFTED_BY: Mapping[Action, Action] = MappingProxyType(
    {
        Action.BAN: Action.UNBAN,
        Action.QUARANTINE: Action.UNQUARANTINE,
        Action.LOCK: Action.UNLOCK,
        Action.SLOWMODE: Action.SLOWMODE_OFF,
        Action.LOCKDOWN: Action.LOCKDOWN_OFF,
    }
)

#: What Guard does again while it holds: because Discord lets it end early, or because somebody came back.
RENEWED = frozenset({Action.MUTE, Action.QUARANTINE, Action.LOCKDOWN})

#: Discord pauses invites and DMs for 24 hours at most (API reference, Modify Guild Incident Actions).
MAX_PAUSE = timedelta(hours=24, minutes=-1)


class EndState(StrEnum):
    """Where the end of a punishment stands."""

    OPEN = "open"
    ENDED = "ended"
    CANCELLED = "cancelled"
    """Lifted by hand, or replaced by a newer act: it does not end by itself any more."""


@dataclass(frozen=True, kw_only=True)
class LastTry:
    """The request made last for an end, as it stands now. ``why``: the kind of its refusal or failure."""

    state: State
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class End:
    """The open end of a punishment. ``now`` is the database's clock when it was read.

    ``request_id`` and ``case_no`` are those of the act that began it; ``asked`` counts the requests made for it so far.
    """

    request_id: UUID
    guild_id: GuildId
    target_id: UserId
    punishment: Action
    case_no: int
    ends_at: datetime
    due_at: datetime
    asked: int
    failures: int
    now: datetime
    last: LastTry | None = None


@dataclass(frozen=True, kw_only=True)
class Rejoined:
    """A member who came back while a mute or a quarantine of theirs still holds, and is free.

    ``guard_id`` is Guard's own user; ``role_id`` the role of the quarantine.
    """

    guild_id: GuildId
    target_id: UserId
    kind: Action
    request_id: UUID
    case_no: int
    now: datetime
    guard_id: UserId
    joined_at: datetime
    role_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class KeptEnd:
    """What the executor must know of an end it keeps. ``before`` is what was so before the punishment began.

    ``ends_at`` None: a quarantine that is put on again and has no end.
    """

    request_id: UUID
    ends_at: datetime | None
    before: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Ask for the act now."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Look again then. ``failures`` in a row so far."""

    until: datetime
    failures: int
    forget_last: bool = False


@dataclass(frozen=True, kw_only=True)
class Settle:
    """Nothing is left to do."""

    state: EndState


Step = Ask | Wait | Settle


def told_until(ends_at: datetime, now: datetime) -> datetime:
    """The end of a time-out as Discord is told it: at most what it takes, in whole milliseconds."""
    until = min(ends_at, now + MAX_MUTE)
    return until.replace(microsecond=until.microsecond // 1000 * 1000)


def due_at(punishment: Action, ends_at: datetime, now: datetime) -> datetime:
    """When Guard has to act next on a punishment that holds since now."""
    if punishment is Action.MUTE and ends_at > now + MAX_MUTE:
        return now + MAX_MUTE - RENEW_AHEAD
    if punishment is Action.LOCKDOWN and ends_at > now + MAX_PAUSE:
        return now + MAX_PAUSE - PAUSE_AHEAD
    return ends_at


def next_step(end: End, *, member: bool) -> Step:
    """What to do about an end whose time to look has come.

    Args:
        member: whether the target is in the server now. Who is not cannot be muted; they are when they come back.
    """
    if end.punishment is Action.MUTE and end.now >= end.ends_at:
        return Settle(state=EndState.ENDED)
    if end.last is not None:
        return _after(end, end.last)
    if end.punishment is Action.MUTE and not member:
        return Wait(until=min(end.ends_at, end.now + LONGEST_PAUSE), failures=0)
    return Ask()


def after_refusal(end: End) -> Wait:
    """What to do when Guard may not act now."""
    failures = end.failures + 1
    return Wait(until=end.now + _pause(failures), failures=failures, forget_last=True)


def request_for(end: End, guard_id: UserId) -> ActionRequest:
    """The request by which Guard keeps an end. Its id follows from the case and the number of the try."""
    # A lockdown that goes on is due before its end: its pauses are put on again.
    lifts = end.punishment in LIFTED_BY and end.now >= end.ends_at
    unsaid = {"notice": 0} if "notice" in PARAMS[end.punishment] else {}
    until = f"{end.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return ActionRequest(
        request_id=derived_request_id(_ms(end.due_at), "end", end.request_id, end.asked),
        guild_id=end.guild_id,
        action=LIFTED_BY[end.punishment] if lifts else end.punishment,
        target_id=end.target_id,
        moderator_id=guard_id,
        source=Source.SYSTEM,
        reason=f"The {end.punishment.noun} of case #{end.case_no} has ended."
        if lifts
        else f"The {end.punishment.noun} of case #{end.case_no} goes on until {until}.",
        issued_at=end.now,
        # Whoever was told of the mute is not told again of each renewal.
        params={"for_case": end.case_no} if lifts else {"for_case": end.case_no, **unsaid},
    )


def rejoin_request(back: Rejoined) -> ActionRequest:
    """The request that mutes or quarantines a member again who left and came back. The same for the same joining."""
    role = {} if back.role_id is None else {"role_id": back.role_id}
    return ActionRequest(
        request_id=derived_request_id(_ms(back.joined_at), "rejoin", back.request_id, back.guild_id, back.target_id),
        guild_id=back.guild_id,
        action=back.kind,
        target_id=back.target_id,
        moderator_id=back.guard_id,
        source=Source.SYSTEM,
        reason=f"Left and came back: the {back.kind.noun} of case #{back.case_no} still holds.",
        issued_at=back.joined_at,
        params={"for_case": back.case_no, "notice": 0} | role,
    )


def same_ban(ban: Mapping[str, Any] | None, kept: KeptEnd) -> bool:
    """Whether the ban that stands now is the one whose end is kept, and none that somebody made since.

    Discord keeps the reason of a ban that stood already: then the reason is still that of before.
    """
    if ban is None:
        return True
    reason = ban["reason"] or ""
    before = kept.before.get("ban")
    return reason.endswith(audit_ref(kept.request_id)) or (before is not None and reason == (before["reason"] or ""))


def _after(end: End, last: LastTry) -> Step:
    if not last.state.terminal:
        return Wait(until=end.now + LOOK_AGAIN, failures=end.failures)
    if last.state is State.DONE:
        return Settle(state=EndState.ENDED)
    # Whoever cancels Guard's request, or lifts the ban first, has decided.
    if last.state is State.CANCELLED or last.why == RefusalKind.SUPERSEDED:
        return Settle(state=EndState.CANCELLED)
    if last.why == FailureKind.NOT_BANNED:
        return Settle(state=EndState.ENDED)
    return after_refusal(end)


def _pause(failures: int) -> timedelta:
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 20))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
