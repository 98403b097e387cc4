"""What a notice says: a server's own text for each action, or Kovra's, and how it is filled in.

:func:`notice_text` is the only place that words one: the DM that is sent and the previews in the action dialog and in
the settings are its answers, to the same facts the same text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlsplit

from kovra.actions.request import MAX_DURATION, Action, ActionRequest
from kovra.actions.rights import Standing
from kovra.guard.case import Case
from kovra.guard.notice_tongues import ENGLISH, TONGUES, language_of

# The notice goes first: after a ban we may share no server with the target, and Discord refuses it (50278).
TOLD_BEFORE = frozenset({Action.BAN, Action.SOFTBAN, Action.KICK})
#: These are told when the case is known, so that the notice can name it.
TOLD_AFTER = frozenset({Action.MUTE, Action.WARN, Action.QUARANTINE})

#: What a text may name, and what stands there once it is filled in.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "member": "the name of who is told",
        "server": "the name of this server",
        "action": "what was done: banned, muted, warned",
        "reason": "the reason, as it stands on the case",
        "duration": "how long it lasts: 3 days",
        "expires": "when it ends, in the reader’s own time",
        "case": "the number of the case: 42",
        "moderator": "who did it",
        "appeal": "where members appeal, as this server has set it",
    }
)
#: There may be none of these. A line that names one that there is not is left out.
SOMETIMES = frozenset({"reason", "duration", "expires", "case", "appeal"})

#: Discord takes 2,000 characters in a message (API reference, Create Message).
MAX_MESSAGE = 2000
#: What is left of a reason at most; and what a server's own text has to leave room for.
_MOST_REASON, _LEAST_REASON = 1500, 200
_MOST_URL = 200

_NAMED = re.compile(r"\{([^{}\n]{0,40})\}")


@dataclass(frozen=True, kw_only=True)
class NoticeTexts:
    """What a server has written: its name, its texts, and where its members appeal.

    ``locale`` is the language it has chosen, None for that which Discord says it has, ``discord_locale``.
    """

    server: str
    by_action: Mapping[Action, str] = field(default_factory=dict)
    appeal_url: str | None = None
    locale: str | None = None
    discord_locale: str | None = None

    @property
    def language(self) -> str:
        """The language of Kovra's own words in its notices."""
        return language_of(self.locale, self.discord_locale)


@dataclass(frozen=True, kw_only=True)
class Telling:
    """The facts of one notice. ``lasts_s`` is the length of a punishment that ends by itself."""

    action: Action
    member: str
    moderator: str
    reason: str = ""
    ends_at: datetime | None = None
    lasts_s: int | None = None
    case_no: int | None = None


def example(action: Action, now: datetime) -> Telling:
    """What a text is tried with: an example's reason, length and case."""
    lasts_s = 3 * 86_400 if action in (Action.BAN, Action.MUTE, Action.QUARANTINE) else None
    return Telling(
        action=action,
        member="Quillon",
        moderator="Odalys",
        reason="Third spoiler in #main-hall this week",
        ends_at=now + timedelta(seconds=lasts_s) if lasts_s else None,
        lasts_s=lasts_s,
        case_no=42 if action in TOLD_AFTER else None,
    )


def telling(
    request: ActionRequest, standing: Standing, *, ends_at: datetime | None = None, case: Case | None = None
) -> Telling:
    """What is to be told of a request, or of its case once there is one."""
    if case is None:
        return Telling(
            action=request.action,
            member=standing.target.name,
            moderator=standing.moderator.name,
            reason=request.reason,
            ends_at=ends_at,
            lasts_s=request.params.get("duration_s") if ends_at else None,
        )
    return Telling(
        action=case.action,
        member=standing.target.name,
        moderator=case.moderator_name,
        reason=case.reason,
        ends_at=case.ends_at,
        lasts_s=round((case.ends_at - case.created_at).total_seconds()) if case.ends_at else None,
        case_no=case.case_no,
    )


def notice_text(texts: NoticeTexts, told: Telling) -> str:
    """What the target reads: at most 2,000 characters, and never nothing."""
    own = texts.by_action.get(told.action)
    plain = default_text(told.action, texts.language, known=told.case_no is not None)
    for text in (own, plain):
        if text and (filled := _filled(text, texts, told).strip()):
            return filled
    raise AssertionError("the first line of a default text names only what there always is")


def default_text(action: Action, language: str = ENGLISH, *, known: bool = False) -> str:
    """The text of a server that has written none. ``known``: the case exists, so it has been done.

    Raises:
        KeyError: nobody is told of this action.
    """
    tongue = TONGUES[language]
    first = tongue.later if known else tongue.before.get(action, tongue.later)
    return first.replace("{action}", tongue.done[action]) + tongue.rest


def problems_of(action: Action, text: str, appeal_url: str | None = None) -> list[str]:
    """Why a server may not have this text, in sentences for whoever wrote it; nothing when it may.

    An empty text is the default one. ``appeal_url`` is what will be set together with it.
    """
    if not text.strip():
        return []
    named = _NAMED.findall(text)
    found = []
    if unknown := [name for name in dict.fromkeys(named) if name not in VARIABLES]:
        known = ", ".join(f"{{{name}}}" for name in VARIABLES)
        those = ", ".join(f"{{{name}}}" for name in unknown)
        found.append(f"{those} is nothing Guard can fill in. It knows {known}.")
    if not any(SOMETIMES.isdisjoint(_NAMED.findall(line)) and line.strip() for line in text.splitlines()):
        some = ", ".join(f"{{{name}}}" for name in VARIABLES if name in SOMETIMES)
        found.append(f"One line must stand without {some}: a line is left out when there is nothing to put there.")
    if (over := _longest(action, text, appeal_url) - MAX_MESSAGE) > 0:
        found.append(
            f"Filled in, this text may take {MAX_MESSAGE + over:,} characters; Discord takes {MAX_MESSAGE:,}. "
            f"Shorten it by {over:,}."
        )
    return found


def appeal_problem(url: str) -> str | None:
    """Why this may not be the address for appeals; None when it may."""
    sentence = f"Write the whole address, from https:// on, in at most {_MOST_URL} characters."
    try:
        parts = urlsplit(url)
    except ValueError:
        return sentence
    fits = parts.scheme == "https" and parts.hostname and len(url) <= _MOST_URL and url.isprintable()
    return None if fits and not set(url) & set(" <>{}\"'`") else sentence


def plain(text: str) -> str:
    """A name as text: Discord's markup in it means nothing."""
    return "".join(f"\\{letter}" if letter in "\\*_~`|>[]()" else letter for letter in text)


def cut(text: str, most: int) -> str:
    """A text that takes no more than this."""
    return text if len(text) <= most else text[: max(most - 1, 0)].rstrip() + "…"


def lasting(seconds: int, language: str = ENGLISH) -> str:
    """A length of time as people say it, in its two largest units: ``1 day 6 hours``."""
    # A case is written a moment after its end was fixed; nobody meant the seconds.
    left = round(seconds / 60) * 60 if seconds >= 60 else max(seconds, 1)
    said = []
    for (one, several), size in zip(TONGUES[language].units, (86_400, 3_600, 60, 1), strict=True):
        count, left = divmod(left, size)
        if count and len(said) < 2:
            said.append(f"{count:,} {one if count == 1 else several}")
    return " ".join(said)


def _filled(text: str, texts: NoticeTexts, told: Telling) -> str:
    known = {
        "member": plain(told.member),
        "server": plain(texts.server),
        "action": TONGUES[texts.language].done[told.action],
        "reason": "",
        "duration": lasting(told.lasts_s, texts.language) if told.lasts_s else None,
        "expires": f"<t:{int(told.ends_at.timestamp())}:f>" if told.ends_at else None,
        "case": str(told.case_no) if told.case_no else None,
        "moderator": plain(told.moderator),
        "appeal": texts.appeal_url,
    }
    absent = {name for name, value in known.items() if value is None} | (set() if told.reason else {"reason"})
    lines = [line for line in text.splitlines() if absent.isdisjoint(_NAMED.findall(line))]
    frame = "\n".join(lines)
    # The reason gets what everything else leaves. One pass: what a name or a reason says is never filled in itself.
    times = _NAMED.findall(frame).count("reason") or 1
    room = (MAX_MESSAGE - len(_put(frame, known))) // times
    return cut(_put(frame, known | {"reason": cut(told.reason, min(room, _MOST_REASON))}), MAX_MESSAGE)


def _put(text: str, known: Mapping[str, str | None]) -> str:
    return _NAMED.sub(lambda found: known.get(found[1]) or ("" if found[1] in known else found[0]), text)


def _longest(action: Action, text: str, appeal_url: str | None) -> int:
    """What a text may take at most: names as long as Discord allows, each letter escaped, and a little of a reason."""
    name, year = 2 * 32, int(MAX_DURATION.total_seconds()) - 3_600
    known = {
        "member": "x" * name,
        "server": "x" * 2 * 100,
        "action": max((one.done[action] for one in TONGUES.values()), key=len),
        "reason": "x" * _LEAST_REASON,
        "duration": max((lasting(year, language) for language in TONGUES), key=len),
        "expires": "<t:9999999999:f>",
        "case": "x" * 10,
        "moderator": "x" * name,
        "appeal": appeal_url or "",
    }
    return len(_put(text, known))
