"""Reading durations as people type them: ``10m``, ``2h``, ``1h30m``, ``7d``."""

from __future__ import annotations

import re
from datetime import timedelta

from kovra.actions.request import MAX_MUTE
from kovra.errors import Malformed

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PART = re.compile(r"(\d{1,6})\s*([smhdw])[a-z]*[\s,]*", re.ASCII)
_LONGEST = timedelta(days=28)


def parse(text: str) -> timedelta:
    """Read a duration: numbers with s, m, h, d or w, one after the other; ``2 hours`` is fine too.

    Raises:
        Malformed: it is not one, or it is nothing at all.
    """
    wanted, at, total = text.strip().lower(), 0, timedelta()
    while part := _PART.match(wanted, at):
        total += timedelta(**{_UNITS[part[2]]: int(part[1])})
        at = part.end()
    if at != len(wanted) or not total:
        raise Malformed(f"{text.strip()[:40]!r} is not a duration. Write one like 10m, 2h, 1h30m or 7d.")
    return total


def parse_mute(text: str) -> int:
    """Read how long a mute shall last, in seconds. Exactly 28 days are taken for the longest that Discord does.

    Raises:
        Malformed: it is no duration, or longer than Discord can mute.
    """
    wanted = parse(text)
    if wanted > _LONGEST:
        raise Malformed(f"Discord mutes for at most 28 days; {text.strip()[:40]} is longer.")
    return int(min(wanted, MAX_MUTE).total_seconds())
