"""Reading durations as people type them: ``10m``, ``2h``, ``1h30m``, ``7d``, or the date at which it ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from kovra.actions.request import MAX_DURATION, MAX_MUTE
from kovra.errors import Malformed

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
#: Each unit as a letter or a word, and nothing else that begins so: whoever writes ``1 month`` means no minute.
_WORDS = r"s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:(?:ee)?ks?)?"
_PART = re.compile(rf"(\d{{1,6}})\s*({_WORDS})(?![a-z])[\s,]*", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ t](\d{1,2}):(\d{2}))?(?: ?utc|z)?", re.ASCII)
_FOUR_WEEKS = timedelta(days=28)


def parse(text: str) -> timedelta:
    """Read a duration: numbers with s, m, h, d or w, one after the other; ``2 hours`` is fine too.

    Raises:
        Malformed: it is not one, or it is nothing at all.
    """
    wanted, at, total = text.strip().lower(), 0, timedelta()
    while part := _PART.match(wanted, at):
        total += timedelta(**{_UNITS[part[2][0]]: int(part[1])})
        at = part.end()
    if at != len(wanted) or not total:
        raise Malformed(f"{text.strip()[:40]!r} is not a duration. Write one like 10m, 2h, 1h30m or 7d.")
    return total


def parse_punishment(text: str) -> int:
    """Read how long a ban or mute shall last, in seconds.

    Exactly 28 days are taken for the longest time-out that Discord does: nobody means the minute beyond it.

    Raises:
        Malformed: it is no duration, or longer than anything ends by itself.
    """
    wanted = parse(text)
    if wanted > MAX_DURATION:
        raise Malformed(
            f"{text.strip()[:40]} is too long: at most {MAX_DURATION.days} days end by themselves. Write a "
            "shorter time; a ban without a duration is for good."
        )
    return int((MAX_MUTE if wanted == _FOUR_WEEKS else wanted).total_seconds())


def parse_until(text: str, now: datetime) -> int:
    """Read how long, in seconds: a duration as :func:`parse_punishment` reads it, or a date with or without a time.

    A date is taken in UTC; without a time it is its first moment.

    Raises:
        Malformed: it is neither, it is over, or longer than anything ends by itself.
    """
    found = _DATE.fullmatch(text.strip().lower())
    if found is None:
        return parse_punishment(text)
    year, month, day, hour, minute = (int(part or 0) for part in found.groups())
    try:
        ends_at = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError as error:
        raise Malformed(f"{text.strip()[:40]!r} is no date. Write one like 2026-12-24 or 2026-12-24 18:00.") from error
    if ends_at <= now:
        raise Malformed(f"{text.strip()[:40]} (UTC) is over. Write a date that is to come.")
    if ends_at - now > MAX_DURATION:
        raise Malformed(f"{text.strip()[:40]} is too far away: at most {MAX_DURATION.days} days end by themselves.")
    return max(1, round((ends_at - now).total_seconds()))
