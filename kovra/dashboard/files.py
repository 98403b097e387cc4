"""Cases, and what became of a mass action, as files: CSV for spreadsheets, JSON Lines for programs.

Files of cases are made while they are sent.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from kovra.dashboard import wording
from kovra.store.case_export import CaseLine
from kovra.store.job_control import JobTarget

_NAMES = [field.name for field in fields(CaseLine)]
_JOB = ("target_id", "target_name", "state", "case_no", "result", "released")
#: What a spreadsheet takes for the start of a formula, behind spaces too (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
#: Tells spreadsheets that the file is UTF-8.
_MARK = "\ufeff"


def as_csv(parts: Iterable[Sequence[CaseLine]]) -> Iterator[str]:
    """A heading and one line per case, safe to open in a spreadsheet."""
    yield _MARK + _written([_NAMES])
    for part in parts:
        yield _written([[inert(_text(line, name)) for name in _NAMES] for line in part])


def as_json_lines(parts: Iterable[Sequence[CaseLine]]) -> Iterator[str]:
    """One JSON object per line, with ids as text."""
    for part in parts:
        yield "".join(json.dumps(_object(line), ensure_ascii=False) + "\n" for line in part)


#: What a file may be: how it is made, and its content type.
KINDS: Mapping[str, tuple[Callable[[Iterable[Sequence[CaseLine]]], Iterator[str]], str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "jsonl": (as_json_lines, "application/jsonl; charset=utf-8"),
}


def of_job(kind: str, targets: Sequence[JobTarget]) -> str:
    """What became of each target of a mass action, in either form: at most 500 lines, so it is made at once."""
    lines: list[dict[str, Any]] = [
        {
            "target_id": str(one.target_id),
            "target_name": one.target_name,
            "state": one.state.value,
            "case_no": one.case_no,
            "result": one.sentence,
            "released": one.released,
        }
        for one in targets
    ]
    if kind == "jsonl":
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    told = [["" if value is None else inert(str(value)) for value in line.values()] for line in lines]
    return _MARK + _written([list(_JOB), *told])


def inert(text: str) -> str:
    """Text that no spreadsheet reckons with: an apostrophe before what could be a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _written(rows: Iterable[Sequence[str]]) -> str:
    into = io.StringIO()
    csv.writer(into).writerows(rows)
    return into.getvalue()


def _text(line: CaseLine, name: str) -> str:
    value = getattr(line, name)
    if value is None:
        return ""
    return wording.iso(value) if name.endswith("_at") else str(value)


def _object(line: CaseLine) -> dict[str, Any]:
    told = {name: _text(line, name) if getattr(line, name) is not None else None for name in _NAMES}
    return told | {"case_no": line.case_no}
