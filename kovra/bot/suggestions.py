"""What Discord offers while a moderator types: common reasons, and durations that begin with the number typed."""

from __future__ import annotations

import discord

#: The reasons that moderators give most.
REASONS = (
    "Spam or ads",
    "Harassment",
    "Scam or phishing links",
    "Account looks compromised",
    "Raid",
    "Ban evasion",
    "Off topic after being asked",
    "Invite links",
    "Cooling down",
)
DURATIONS = ("10m", "30m", "1h", "2h", "6h", "12h", "1d", "3d", "7d", "14d", "28d", "60d", "90d")
_UNITS = ("m", "h", "d", "w")

#: Discord shows 25 at most, each of at most 100 characters.
_MOST, _LONGEST = 25, 100


async def suggest_reasons(context: discord.AutocompleteContext) -> list[str]:
    """What was typed, and the reasons that it may become."""
    typed = str(context.value or "").strip()
    found = [reason for reason in REASONS if typed.casefold() in reason.casefold()]
    own = [typed] if typed and len(typed) <= _LONGEST and typed not in found else []
    return (own + found)[:_MOST]


async def suggest_durations(context: discord.AutocompleteContext) -> list[str]:
    """Durations that begin as it was typed; a bare number with each unit."""
    typed = str(context.value or "").strip().lower()
    if typed.isascii() and typed.isdigit():
        return [f"{typed}{unit}" for unit in _UNITS]
    found = [duration for duration in DURATIONS if duration.startswith(typed)]
    return found or [typed[:_LONGEST]]
