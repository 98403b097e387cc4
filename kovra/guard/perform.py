"""One action, one call to Discord; a softban is two. Nothing here tries twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kovra.actions.checkpoint import nowhere
from kovra.actions.request import Action, ActionRequest
from kovra.errors import DiscordError, DiscordRefused
from kovra.guard import outcome, restoring
from kovra.guard.ports import Discord
from kovra.ids import audit_ref

#: Discord's audit log takes 512 characters (API reference, Audit Logs); more, and it refuses the whole act.
MAX_AUDIT_REASON = 512

#: Cutting at a word may cost this much text, in characters.
_LONGEST_WORD = 40

#: These change nothing on Discord: the case is the deed.
DEEDLESS = frozenset({Action.WARN, Action.NOTE})


def ends_at(request: ActionRequest, now: datetime) -> datetime | None:
    """When the punishment ends by itself: an absolute moment in whole milliseconds, so that it can be known again."""
    if "duration_s" not in request.params:
        return None
    until = now + timedelta(seconds=request.params["duration_s"])
    return until.replace(microsecond=until.microsecond // 1000 * 1000)


def audit_reason(request: ActionRequest, moderator_name: str, ref: UUID | None = None) -> str:
    """The reason in Discord's audit log: who asked, why, and the mark by which Guard knows its own deed.

    Cut, at a word where there is one, so that the mark always fits; the case keeps the whole text.
    """
    mark = f" {audit_ref(ref or request.request_id)}"
    text = " ".join(f"{moderator_name}: {request.reason or 'no reason given'}".split())
    room = MAX_AUDIT_REASON - len(mark)
    if len(text) > room:
        text = text[: room - 1]
        # A long word is cut too: some languages write whole sentences without a blank.
        whole_words = text.rsplit(" ", 1)[0]
        text = (whole_words if len(text) - len(whole_words) <= _LONGEST_WORD else text) + "…"
    return text + mark


class HalfDone(Exception):
    """The first call of an action is done and the second, for this cause, may not be: it has to be finished."""

    def __init__(self, cause: DiscordError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def perform(
    discord: Discord,
    request: ActionRequest,
    *,
    reason: str,
    until: datetime | None,
    want: Mapping[str, Any] | None = None,
    at: Callable[[str], None] = nowhere,
) -> None:
    """Do it. ``until`` is the end of a time-out as Discord is told it; ``want`` the state that is to be set.

    Raises:
        DiscordError: as :class:`~kovra.guard.ports.Discord` words it; nothing was done, or it is not known.
        HalfDone: of a softban the ban is done, of a lockdown the verification level is set.
    """
    guild_id, target_id = request.guild_id, request.target_id
    match request.action:
        case Action.BAN:
            window_s = request.params.get("delete_window_s", 0)
            discord.ban(guild_id, target_id, delete_window_s=window_s, reason=reason)
        case Action.UNBAN:
            discord.unban(guild_id, target_id, reason=reason)
        case Action.KICK:
            discord.kick(guild_id, target_id, reason=reason)
        case Action.MUTE:
            assert until is not None
            discord.mute(guild_id, target_id, until=until, reason=reason)
        case Action.UNMUTE:
            discord.unmute(guild_id, target_id, reason=reason)
        case Action.SOFTBAN:
            window_s = request.params.get("delete_window_s", 0)
            discord.ban(guild_id, target_id, delete_window_s=window_s, reason=reason)
            at("after_half")
            finish_half(discord, request, reason=reason)
        case Action.WARN | Action.NOTE:
            pass
        case _:
            try:
                restoring.set_state(discord, request, want, reason=reason)
            except restoring.SecondRefused as half:
                raise HalfDone(half.cause) from half


def finish_half(discord: Discord, request: ActionRequest, *, reason: str) -> None:
    """The second half of a softban: the ban goes, the deleted messages stay deleted.

    Raises:
        HalfDone: the ban may stand still.
    """
    try:
        discord.unban(request.guild_id, request.target_id, reason=reason)
    except DiscordRefused as error:
        # Somebody has lifted it in this moment: then they are not banned, as was wanted.
        if error.code != outcome.UNKNOWN_BAN:
            raise HalfDone(error) from error
    except DiscordError as error:
        raise HalfDone(error) from error
