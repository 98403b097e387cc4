"""Lines of the case list, each drawn once.

Whenever a case comes in, every open list is fetched again, with the same forty-nine lines in it. Drawing them is most
of what such an answer costs, and a line depends on its row and on how long ago it was, and on nobody's rights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from jinja2 import Environment

from kovra.dashboard import wording
from kovra.store.case_rows import CaseRow

#: Lines that are kept, at some 1.6 KB each.
KEPT = 4096


def drawer(env: Environment) -> Callable[..., str]:
    """What templates call for a line: ``case_line(row, base, open=False, by_end=False)``."""

    @lru_cache(maxsize=KEPT)
    def kept(row: CaseRow, base: str, by_end: bool, moment: str) -> str:
        return draw(row, base, by_end=by_end)

    def draw(row: CaseRow, base: str, **how: bool) -> str:
        return macro()(row, base, **how)

    @lru_cache(maxsize=1)
    def macro() -> Callable[..., str]:
        return env.get_template("case_row.html").module.case_row  # type: ignore[attr-defined,no-any-return]

    def case_line(row: CaseRow, base: str, open: bool = False, by_end: bool = False) -> str:
        if open:
            return draw(row, base, open=True, by_end=by_end)
        moment = wording.left(row.ends_at) if by_end and row.ends_at else wording.ago(row.created_at)
        return kept(row, base, by_end, moment)

    return case_line
