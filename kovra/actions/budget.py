"""How many actions of one kind a moderator may ask for in a sliding hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from kovra.actions.request import Action, Refusal, RefusalKind, Source

WINDOW = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a budget gives of ``asked`` actions: the first ``granted`` in order, and when the next one frees up."""

    granted: int
    limit: int
    used: int
    frees_at: datetime | None


#: Accepted requests per moderator, guild, action and sliding hour; a guild may change them. Notes cost nothing.
DEFAULT_LIMITS: Mapping[Action, int] = MappingProxyType(
    {
        Action.BAN: 170,
        Action.UNBAN: 170,
        Action.KICK: 170,
        Action.MUTE: 340,
        Action.UNMUTE: 340,
        Action.WARN: 340,
        Action.SOFTBAN: 170,
        Action.ROLE_ADD: 340,
        Action.ROLE_REMOVE: 340,
        Action.QUARANTINE: 170,
        Action.UNQUARANTINE: 340,
        Action.PURGE: 60,
        **dict.fromkeys((Action.LOCK, Action.UNLOCK, Action.SLOWMODE, Action.SLOWMODE_OFF), 170),
        **dict.fromkeys((Action.LOCKDOWN, Action.LOCKDOWN_OFF), 30),
    }
)


#: What may ask without a moderator, and how often in a guild's sliding hour, all actions but notes together: a rule
#: that went wrong stops by itself. Nothing else without a moderator is held: an expiry must come, a native act has
#: happened. A guild's settings name a source to change its cap.
GUILD_CAPS: Mapping[Source, int] = MappingProxyType({Source.AUTOMOD: 300, Source.ANTINUKE: 60})


def grant(limit: int, spent_at: Sequence[datetime], asked: int, now: datetime) -> Grant:
    """Count a budget.

    Args:
        limit: how many the window holds.
        spent_at: when the accepted requests of this kind were accepted, oldest first; older than the window is ignored.
        asked: how many are wanted now.
    """
    spent = [moment for moment in spent_at if moment > now - WINDOW]
    granted = max(0, min(asked, limit - len(spent)))
    frees_at = None
    if granted < asked and limit > 0:
        # A place is free again once this one has left the window; under a lowered limit several must leave first.
        timeline = [*spent, *[now] * granted]
        frees_at = timeline[len(timeline) - limit] + WINDOW
    return Grant(granted=granted, limit=limit, used=len(spent), frees_at=frees_at)


def cap_refusal(source: Source, given: Grant) -> Refusal:
    """The words for a guild's cap that is used up."""
    when = f" It frees up at {given.frees_at:%H:%M} UTC." if given.frees_at else ""
    name = {Source.AUTOMOD: "AutoMod", Source.ANTINUKE: "anti-nuke"}[source]
    return Refusal(
        kind=RefusalKind.BUDGET,
        sentence=(
            f"Not queued: the cap of {name} in this server is used up, {given.used} of {given.limit} this hour.{when} "
            "Look at what it acts on before you raise it."
        ),
        until=given.frees_at,
    )


def refusal(action: Action, given: Grant) -> Refusal:
    """The words for a budget that is used up."""
    when = f" It frees up at {given.frees_at:%H:%M} UTC." if given.frees_at else ""
    return Refusal(
        kind=RefusalKind.BUDGET,
        sentence=f"Not queued: your {action.noun} budget is used up, {given.used} of {given.limit} this hour.{when}",
        until=given.frees_at,
    )
