"""Setting and restoring channels and the server. The parts of :mod:`kovra.guard.restoring` about places."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from kovra.actions.request import ActionRequest
from kovra.guard.endings import MAX_PAUSE
from kovra.guard.ports import Discord

if TYPE_CHECKING:
    from kovra.guard.restoring import Hold, Now

Was = Mapping[str, Any] | None

#: What a lock denies @everyone (API reference, Permissions): writing, in threads too, new threads, and reactions.
SEND, REACT, PUBLIC_THREADS, PRIVATE_THREADS, IN_THREADS = 1 << 11, 1 << 6, 1 << 35, 1 << 36, 1 << 38
LOCKED = SEND | REACT | PUBLIC_THREADS | PRIVATE_THREADS | IN_THREADS

#: The highest verification level: a phone number (API reference, Guild).
HIGHEST = 4

#: Discord keeps moments of pauses to about a second.
_ABOUT = timedelta(seconds=2)


def lock(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> tuple[Was, Was]:
    """@everyone may not write; whatever else the channel allows and denies stays."""
    found = discord.fetch_channel(request.guild_id, request.target_id).everyone
    was = hold.was if hold is not None else {"everyone": _told(found)}
    allow, deny = found or (0, 0)
    return was, {"everyone": [str(allow & ~LOCKED), str(deny | LOCKED)]}


def unlock(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> tuple[Was, Was]:
    """What a lock has changed is as it was before; what somebody else has changed since stays."""
    assert hold is not None
    was, found = _read(hold.was["everyone"]), discord.fetch_channel(request.guild_id, request.target_id).everyone
    old, new = was or (0, 0), found or (0, 0)
    bits = new[0] & ~LOCKED | old[0] & LOCKED, new[1] & ~LOCKED | old[1] & LOCKED
    return hold.was, {"everyone": None if was is None and bits == (0, 0) else _told(bits)}


def slow(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> tuple[Was, Was]:
    was = hold.was if hold is not None else {"slow_s": _slow_s(discord, request)}
    return was, {"slow_s": request.params["slow_s"]}


def unslow(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> tuple[Was, Was]:
    assert hold is not None
    return hold.was, {"slow_s": hold.was["slow_s"]}


def lock_down(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> tuple[Was, Was]:
    """The highest verification level, and no new invites and DMs for as long as Discord lets it: a day at most."""
    found = discord.fetch_server(request.guild_id)
    before = {"level": found.level, "invites": _iso(found.invites_until), "dms": _iso(found.dms_until)}
    until = now.at + MAX_PAUSE if now.ends_at is None else min(now.ends_at, now.at + MAX_PAUSE)
    paused = until.replace(microsecond=0).isoformat()
    return hold.was if hold is not None else before, {"level": HIGHEST, "invites": paused, "dms": paused}


def let_up(discord: Discord, request: ActionRequest, now: Now, hold: Hold | None) -> tuple[Was, Was]:
    """The level of before, and the pauses that somebody had set before and that would still hold."""
    assert hold is not None
    still = {name: hold.was[name] for name in ("invites", "dms")}
    pauses = {name: text if text and datetime.fromisoformat(text) > now.at else None for name, text in still.items()}
    return hold.was, {"level": hold.was["level"], **pauses}


def is_locked_so(discord: Discord, request: ActionRequest, want: Was) -> bool | None:
    assert want is not None
    return discord.fetch_channel(request.guild_id, request.target_id).everyone == _read(want["everyone"])


def is_slow_so(discord: Discord, request: ActionRequest, want: Was) -> bool | None:
    assert want is not None
    return _slow_s(discord, request) == want["slow_s"]


def is_down_so(discord: Discord, request: ActionRequest, want: Was) -> bool | None:
    assert want is not None
    found = discord.fetch_server(request.guild_id)
    pauses = ((found.invites_until, want["invites"]), (found.dms_until, want["dms"]))
    return found.level == want["level"] and all(_same(there, text) for there, text in pauses)


def set_everyone(discord: Discord, request: ActionRequest, want: Mapping[str, Any], reason: str) -> None:
    discord.set_everyone(request.guild_id, request.target_id, _read(want["everyone"]), reason=reason)


def set_pauses(discord: Discord, request: ActionRequest, want: Mapping[str, Any], reason: str) -> None:
    invites, dms = _moment(want["invites"]), _moment(want["dms"])
    discord.pause(request.guild_id, invites_until=invites, dms_until=dms, reason=reason)


def _slow_s(discord: Discord, request: ActionRequest) -> int:
    return discord.fetch_channel(request.guild_id, request.target_id).slow_s


def _same(there: datetime | None, text: str | None) -> bool:
    wanted = _moment(text)
    return there is wanted if there is None or wanted is None else abs(there - wanted) < _ABOUT


def _told(bits: tuple[int, int] | None) -> list[str] | None:
    # As text: JSON's numbers do not hold all of Discord's permissions.
    return None if bits is None else [str(bit) for bit in bits]


def _read(told: list[str] | None) -> tuple[int, int] | None:
    return None if told is None else (int(told[0]), int(told[1]))


def _iso(moment: datetime | None) -> str | None:
    return moment and moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
