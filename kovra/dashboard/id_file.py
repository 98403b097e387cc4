"""Ids out of a CSV file: whichever column holds them, and every line accounted for.

The lines of the file become lines of the box on the page, so that a number of a line means the same in both, and what
could not be read stands there to be mended.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kovra.dashboard.id_list import ROUNDED, SHOWN, lines_of, look_rounded, read_id, read_ids
from kovra.errors import Malformed

#: The largest file that is read; five hundred lines of a roll with all its columns are a tenth of it.
MAX_FILE_BYTES = 1024 * 1024
#: With more lines that hold no id, it is another file than was meant.
MAX_UNREAD = 500
#: More lines, empty ones included, would not fit into the box, which is sent back with every review.
MAX_LINES = 10_000
#: Of a longer cell its ids are kept, and the beginning of the rest.
_LONG_CELL = 200
#: A cell in quotes may go over so many lines; a quote that is never closed must not swallow the rest of the file.
_MAX_LINES_OF_CELL = 20

_DELIMITERS = ",;\t|"
#: Headings of columns that hold whom a line is about, the surest first; compared without signs and case.
_HEADINGS = ("userid", "targetid", "memberid", "discordid", "accountid", "id", "snowflake", "user", "target", "member")
_EMPTY = "(no ID)"
#: A decimal comma behind an id: to the box it would be the end of a word.
_COMMA = re.compile(r"\A(\d{15,}),(?=\d+\Z)")
_DATA = re.compile(r"\d{6}")


@dataclass(frozen=True, kw_only=True)
class IdFile:
    """A file that was read. ``box``: line by line what stands in its column of ids; ``told``: how it was read."""

    box: str
    told: str


@dataclass(frozen=True, kw_only=True)
class _Row:
    line: int
    cells: Sequence[str]


def read_id_file(name: str, content: bytes, most: int) -> IdFile:
    """Read a file of at most ``most`` ids.

    Raises:
        Malformed: it is too large, is no text, holds no id or too many, or its ids were spoilt by a spreadsheet.
    """
    name = f"“{name[:SHOWN]}”" if name else "The file"
    if len(content) > MAX_FILE_BYTES:
        raise Malformed(f"{name} is larger than 1 MB. Nothing was read. Leave out other columns, or split it.")
    lines = lines_of(_text(name, content))
    if len(lines) > MAX_LINES:
        raise Malformed(
            f"{name} has {len(lines):,} lines; at most {MAX_LINES:,} are read. Nothing was taken: split it."
        )
    rows = list(_rows(lines))
    if not rows:
        raise Malformed(f"{name} is empty.")
    heading, column = _column(rows)
    cells = {row.line: _cell(row, column) for row in (rows[1:] if heading else rows)}
    box = "\n".join(cells.get(number, "") for number in range(1, len(lines) + 1)).rstrip("\n")
    read = read_ids(box)
    where = f"the column “{heading[:SHOWN]}”" if heading else f"column {column + 1}"
    if look_rounded(list(read.found)) or (not read.found and any(one.why == ROUNDED for one in read.unread)):
        raise Malformed(
            f"{name}: a spreadsheet has rounded its IDs, so they would name other people. Nothing was taken. "
            "Export the column as text."
        )
    if not read.found:
        raise Malformed(f"{name} holds no ID in {where}. An ID is 17 to 20 digits. Nothing was taken from it.")
    if len(read.found) > most:
        raise Malformed(
            f"{name} holds {len(read.found):,} IDs; a mass action takes at most {most}. Nothing was taken: split it."
        )
    if len(read.unread) > MAX_UNREAD:
        raise Malformed(f"{name}: {len(read.unread):,} of its lines hold no ID in {where}. Nothing was taken from it.")
    return IdFile(box=box, told=f"Read from {where} of {name}, line by line.")


def _text(name: str, content: bytes) -> str:
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Malformed(f"{name} is a workbook, not a CSV file. Save it as CSV in your spreadsheet, with IDs as text.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            # What older spreadsheets write; ids are digits in either.
            text = content.decode("latin-1")
    if "\x00" in text:
        raise Malformed(f"{name} is not a text file. Save it as CSV and try again.")
    return text


def _rows(lines: Sequence[str]) -> Iterator[_Row]:
    """The lines of the file with their cells, without empty ones; a quoted cell may hold ends of lines."""
    delimiter, at = _delimiter(lines), 0
    if lines and re.fullmatch(r"sep=.", lines[0].strip()):
        delimiter, at = lines[0].strip()[4], 1
    while at < len(lines):
        taken = _taken(lines, at)
        try:
            cells = next(csv.reader(["\n".join(lines[at : at + taken])], delimiter=delimiter), [])
        except csv.Error:  # a cell of more than 128 KiB
            cells = []
        if not taken or not cells:
            # A quote that is never closed is a letter.
            taken, cells = 1, lines[at].replace('"', "").split(delimiter)
        if any(cell.strip() for cell in cells):
            yield _Row(line=at + 1, cells=[_plain(cell) if cell else "" for cell in cells])
        at += taken


def _taken(lines: Sequence[str], at: int) -> int:
    """How many lines belong together from here on: until every quote is closed. 0: one never is."""
    quotes = 0
    for taken, line in enumerate(lines[at : at + _MAX_LINES_OF_CELL], start=1):
        quotes += line.count('"')
        if quotes % 2 == 0:
            return taken
    return 0


def _delimiter(lines: Sequence[str]) -> str:
    first = re.sub(r'"[^"]*"', "", next((line for line in lines if line.strip()), ""))
    return max(_DELIMITERS, key=first.count)


def _plain(cell: str) -> str:
    """A cell without what spreadsheets put around a number to leave it alone: ``="123"`` and ``'123``."""
    cell = " ".join(cell.split())
    return cell.removeprefix("=").strip('"').removeprefix("'")


def _column(rows: Sequence[_Row]) -> tuple[str, int]:
    """The heading of the column that holds the ids (empty without a line of headings), and its place.

    A column that is called so and holds none is another: some rolls number their lines under “id”.
    """
    first = rows[0].cells
    headings = [] if any(_DATA.search(cell) for cell in first) else first
    # The id of the server stands in every line of some rolls: each counts once.
    found = {(place, read_id(cell)) for row in rows for place, cell in enumerate(row.cells) if cell}
    ids = Counter(place for place, user_id in found if user_id is not None)
    words = [re.sub(r"[^a-z]", "", cell.casefold()) for cell in headings]
    called = [words.index(wanted) for wanted in _HEADINGS if wanted in words and (ids[words.index(wanted)] or not ids)]
    place = called[0] if called else max(ids, key=lambda one: (ids[one], -one), default=0)
    return (headings[place] if place < len(headings) else ""), place


def _cell(row: _Row, column: int) -> str:
    """What stands in the box for this line. An empty cell is told as well: its line names nobody."""
    cell = row.cells[column] if column < len(row.cells) else ""
    if len(cell) > _LONG_CELL:
        read = read_ids(cell)
        cell = " ".join([*map(str, read.found), *(one.text for one in read.unread)])
    return _COMMA.sub(r"\1.", cell) or _EMPTY
