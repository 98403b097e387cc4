"""Ids as people paste them: line by line, with every line that holds none told by its number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kovra.errors import Malformed
from kovra.ids import UserId, parse_snowflake

#: What of a line without an id a page repeats.
SHOWN = 40

#: What spreadsheets and programs make of a number that is too long for them: 4.28043E+17, 428043321819600128.0.
_ROUNDED = re.compile(r"\A(\d+[.,]?\d*[eE]\+?\d+|\d{15,}\.\d+)\Z")
_BETWEEN = re.compile(r"[\s,;]+")
_END_OF_LINE = re.compile(r"\r\n|\n|\r")
#: Letters of the shortest id.
_SHORTEST = 17
#: Digits that a spreadsheet keeps of a number; the rest become zeros.
_SPREADSHEET_DIGITS = 15

NOT_AN_ID = "Not an ID: an ID is 17 to 20 digits."
ROUNDED = "A spreadsheet has rounded this ID. Export the column as text and try again."


@dataclass(frozen=True, kw_only=True)
class Unread:
    """What of a line is no id. ``line`` counts from 1."""

    line: int
    text: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Ids:
    """A text that was read: each id with the line it stands in first, and what was left over.

    ``again`` are ids that were named before: the line, the id, and the line of the first mention.
    """

    found: dict[UserId, int] = field(default_factory=dict)
    again: Sequence[tuple[int, UserId, int]] = ()
    unread: Sequence[Unread] = ()


def read_ids(pasted: str) -> Ids:
    """Ids and mentions between spaces, commas, semicolons and ends of lines; nothing of the text is passed over."""
    found: dict[UserId, int] = {}
    again, unread = [], []
    for number, line in enumerate(lines_of(pasted), start=1):
        left_over = []
        for word in filter(None, _BETWEEN.split(line)):
            user_id = read_id(word)
            if user_id is None:
                left_over.append(word)
            elif user_id in found:
                again.append((number, user_id, found[user_id]))
            else:
                found[user_id] = number
        if left_over:
            text = " ".join(left_over)
            why = ROUNDED if any(map(_ROUNDED.match, left_over)) else NOT_AN_ID
            unread.append(Unread(line=number, text=text[:SHOWN], why=why))
    return Ids(found=found, again=again, unread=unread)


def lines_of(text: str) -> list[str]:
    """The lines as an editor numbers them: other signs that end a line in Unicode may stand in a name."""
    return _END_OF_LINE.split(text)


def read_id(word: str) -> UserId | None:
    """One id or mention; None when it is none."""
    if len(word) < _SHORTEST:
        return None
    try:
        return UserId(parse_snowflake(word))
    except Malformed:
        return None


def look_rounded(ids: Sequence[UserId]) -> bool:
    """Whether a spreadsheet has taken the last digits of all of these: they would name other people.

    One id in a thousand ends so by itself, so one alone says nothing.
    """
    return len(ids) > 1 and all(not int(str(user_id)[_SPREADSHEET_DIGITS:]) for user_id in ids)
