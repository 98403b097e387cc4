"""How names, actions, times and results read on a page. Filters for templates; each is a plain function."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from flask import Flask

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action, Source
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.ids import snowflake_ms

_ACTION_CLASSES = {
    "unban": "a-lift",
    "unmute": "a-lift",
    "unquarantine": "a-lift",
    "softban": "a-ban",
    "quarantine": "a-mute",
    "role_add": "a-info",
    "role_remove": "a-info",
    "purge": "a-kick",
    "lock": "a-warn",
    "unlock": "a-lift",
    "slowmode": "a-warn",
    "slowmode_off": "a-lift",
    "lockdown": "a-ban",
    "lockdown_off": "a-lift",
    "amend": "a-note",
    "void": "a-note",
    "resend": "a-note",
    "comment": "a-note",
    "prune": "a-kick",
    "block": "a-note",
}
_ACTION_ICONS = {
    "unban": "lift",
    "unmute": "lift",
    "unquarantine": "lift",
    "softban": "ban",
    "quarantine": "shield",
    "role_add": "user",
    "role_remove": "user",
    "purge": "x",
    "lock": "lock",
    "unlock": "lift",
    "slowmode": "clock",
    "slowmode_off": "lift",
    "lockdown": "shield",
    "lockdown_off": "lift",
    "amend": "note",
    "void": "x",
    "resend": "mail",
    "comment": "msg",
    "prune": "kick",
    "block": "shield",
}
_SOURCES = {
    Source.DASHBOARD: ("Dashboard", "screen"),
    Source.DISCORD: ("Discord", "slash"),
    Source.AUTOMOD: ("AutoMod", "bolt"),
    Source.NATIVE: ("By hand", "user"),
    Source.ANTINUKE: ("Anti-nuke", "shield"),
    Source.SYSTEM: ("System", "clock"),
    Source.APPEAL: ("Appeal", "msg"),
    Source.IMPORT: ("Import", "copy"),
    Source.API: ("API", "key"),
}
_NOTICES: Mapping[NoticeStatus | None, tuple[str, str, str]] = {
    NoticeStatus.SENDING: ("Sending", "mail", "off"),
    NoticeStatus.SENT: ("Sent", "mail", "sent"),
    NoticeStatus.REFUSED: ("Refused", "mailx", "failed"),
    NoticeStatus.SKIPPED: ("Skipped", "mailx", "failed"),
    NoticeStatus.NOT_TRIED: ("Not tried", "mailx", "failed"),
    NoticeStatus.NOT_NEEDED: ("None", "mail", "off"),
    NoticeStatus.UNKNOWN: ("Unknown", "mailx", "failed"),
    None: ("Not yet", "mail", "off"),
}

#: Letters that take no room or turn the text around: a name made of them could pass for another.
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)

_AGO = (
    (60, "s", 1),
    (3_600, "min", 60),
    (86_400, "h", 3_600),
    (604_800, "days", 86_400),
    (2_629_800, "weeks", 604_800),
    (31_557_600, "months", 2_629_800),
    (None, "years", 31_557_600),
)


def plain(text: str) -> str:
    """Text as people typed it, with letters that nobody can see named: ``[U+202E]``. Escaping is the template's."""
    shown = _INVISIBLE.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)
    return shown if shown.strip() else "(no name)"


def one_line(text: str) -> str:
    """Line breaks become spaces, for a table cell."""
    return " ".join(text.split())


def short(text: str, longest: int = 24) -> str:
    """A name that fits on a button."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


@lru_cache(maxsize=4096)
def initials(text: str) -> str:
    """Two letters for a person or a server without a picture."""
    words = [word for word in re.split(r"[\s_.\-]+", text) if word and unicodedata.category(word[0])[0] in "LN"]
    if not words:
        return "?"
    letters = words[0][:2] if len(words) == 1 else words[0][0] + words[1][0]
    return letters.upper()


@cache
def action_label(action: str) -> str:
    return Action(action).noun.capitalize()


def action_class(action: str) -> str:
    return _ACTION_CLASSES.get(action, f"a-{action}")


def action_icon(action: str) -> str:
    return _ACTION_ICONS.get(action, str(action))


def source_label(source: str) -> str:
    return _SOURCES[Source(source)][0]


def source_icon(source: str) -> str:
    return _SOURCES[Source(source)][1]


def notice_label(status: NoticeStatus | None) -> str:
    return _NOTICES[status][0]


def notice_icon(status: NoticeStatus | None) -> str:
    return _NOTICES[status][1]


def notice_class(status: NoticeStatus | None) -> str:
    return _NOTICES[status][2]


def post_sentence(status: PostStatus | None, code: int | None) -> str:
    """What became of the post in the log channel, when there is no link to it."""
    return {
        None: "Not yet posted",
        PostStatus.WAITING: "Waits to be posted together with others",
        PostStatus.SENDING: "Being posted",
        PostStatus.REFUSED: f"Discord refused the post (code {code})",
        PostStatus.NOT_NEEDED: "This server has no log channel",
        PostStatus.UNKNOWN: "Posted perhaps: no answer came",
        PostStatus.DELETED: "Its post was deleted in Discord",
    }.get(status, "")


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in one unit: "6 min". ``static/times.js`` speaks the same words."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 5:
        return "now"
    for limit, unit, size in _AGO:
        if limit is None or seconds < limit:
            return _counted(int(seconds // size), unit)
    raise AssertionError("the last step has no limit")


def left(moment: datetime, now: datetime | None = None) -> str:
    """How long until then: "41 min left"."""
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    if seconds <= 0:
        return "Over"
    limit_unit = next(step for step in _AGO if step[0] is None or seconds < step[0])
    return f"{_counted(int(seconds // limit_unit[2]), limit_unit[1])} left"


def duration(seconds: int) -> str:
    """A length of time in its largest whole unit: "24 h" is "1 day"."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            return _counted(seconds // size, unit)
    return _counted(seconds, "seconds")


def seconds(length: float) -> str:
    """A short length of time as a machine measures it: "412 ms", "3.2 s", "2 min"."""
    if length < 1:
        return f"{1000 * length:.0f} ms"
    return f"{length:.1f} s" if length < 60 else duration(60 * int(length // 60))


def about(length: float) -> str:
    """A guess at how long something still takes, rounded up to what one would say: "4 s", "2 min"."""
    for unit, size, below in (("s", 1, 60), ("min", 60, 3_600)):
        if length < below - size / 2:
            return f"{max(1, math.ceil(length / size))} {unit}"
    return f"{math.ceil(length / 3_600)} h"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit[:-1] if number == 1 and unit.endswith('s') and unit != 's' else unit}"


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def until(moment: datetime) -> str:
    """When something ends: "until 28 Nov 23:10 UTC"."""
    at = moment.astimezone(UTC)
    return f"until {at.day} {at:%b %H:%M} UTC"


def iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def count(number: int, noun: str) -> str:
    """ "18,402 members", "1 case"."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def grouped(number: int) -> str:
    """ "18,402"."""
    return f"{number:,}"


def total(number: int | None) -> str:
    """Counts above 1,000 are not counted out."""
    if number is None:
        return "many"
    return "1,000+" if number > 1000 else f"{number:,}"


def new_cases(number: int) -> str:
    """ "1 new case"; as ``static/list.js`` says it."""
    return f"{total(number)} new {'case' if number == 1 else 'cases'}"


def state_label(state: str) -> str:
    """A case's state: its messages are on their way, or it is complete."""
    return {"applied": "Being completed", "done": "Complete", "void": "Void"}.get(state, str(state).capitalize())


def target_state(state: str) -> str:
    """The state of one target of a mass action."""
    words = {"accepted": "Waiting", "executing": "Running", "applied": "Telling", "dead": "Gave up"}
    return words.get(state, str(state).capitalize())


def earlier_label(number: int, more: bool) -> str:
    if number == 0:
        return "No earlier case"
    return f"{number}{'+' if more else ''} earlier case{'' if number == 1 else 's'}"


def made_at(user_id: int) -> datetime:
    """When Discord made this account."""
    return datetime.fromtimestamp(snowflake_ms(user_id) / 1000, UTC)


def muted(card: Any, now: datetime | None = None) -> bool:
    """Whether a time-out holds; Discord leaves its end in place when it is over."""
    return card.timed_out_until is not None and card.timed_out_until > (now or datetime.now(UTC))


def membership(card: Any) -> str:
    """Where a person stands in the server now, from their card; None is someone the mirror never saw."""
    if card is None:
        return "not in this server"
    if card.banned:
        return "banned"
    if not card.member:
        return "not in this server"
    if muted(card):
        return f"muted, {left(card.timed_out_until)}"
    if card.joined_at:
        age = ago(card.joined_at)
        return "joined just now" if age == "now" else f"joined {age} ago"
    return "member"


#: The highest preset somebody's capabilities amount to, for the line under a name.
_STANDINGS = (
    (Capability.SETTINGS, "Admin"),
    (Capability.REVERSE, "Senior moderator"),
    (Capability.BAN, "Moderator"),
    (Capability.KICK, "Moderator"),
    (Capability.WARN, "Trial moderator"),
    (Capability.VIEW, "Viewer"),
)


def standing_label(holder: Any) -> str:
    """What somebody is in a server, from their scope or card."""
    if holder.owner:
        return "Owner"
    held = holder.capabilities
    return next((label for capability, label in _STANDINGS if capability in held), "Staff")


FILTERS: tuple[Callable[..., Any], ...] = (
    plain,
    one_line,
    short,
    initials,
    action_label,
    action_class,
    action_icon,
    source_label,
    source_icon,
    notice_label,
    notice_icon,
    notice_class,
    ago,
    left,
    seconds,
    about,
    utc,
    iso,
    until,
    count,
    grouped,
    total,
    state_label,
    target_state,
    earlier_label,
    made_at,
    duration,
    muted,
    membership,
    standing_label,
)


def install(app: Flask) -> None:
    """Give the templates these words."""
    for word in FILTERS:
        app.jinja_env.filters[word.__name__] = word
