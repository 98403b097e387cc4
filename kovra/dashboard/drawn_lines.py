"""Lines of the lists of cases, members and bans, each drawn once.

Whenever something comes in, every open list is fetched again, with the same forty-nine lines in it, and drawing them is
most of what such an answer costs. A line depends on its row, on what its viewer may do to whom it is about, which is
handed in, and on how long ago things were; on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment

from kovra.dashboard import wording
from kovra.store.ban_list import BanLine
from kovra.store.case_rows import CaseRow

if TYPE_CHECKING:
    from kovra.dashboard.pages.members import Line

#: Lines that are kept of each list, at some 1.7 KB each.
KEPT = 4096
#: Accounts are new for so many days.
_NEW_DAYS = 7


def case_lines(env: Environment) -> Callable[..., str]:
    """What templates call for a line of the cases: ``case_line(row, base, open=False, by_end=False)``."""
    draw = _drawn_once(env, "case_row.html", "case_row")

    def case_line(row: CaseRow, base: str, open: bool = False, by_end: bool = False) -> str:
        moment = wording.left(row.ends_at) if by_end and row.ends_at else wording.ago(row.created_at)
        return draw((moment,), row, base, open, by_end)

    return case_line


def member_lines(env: Environment) -> Callable[[Line, str], str]:
    """What templates call for a line of the members: ``member_line(line, base)``; ``base`` is the list's address."""
    draw = _drawn_once(env, "members_row.html", "member_row")

    def member_line(line: Line, base: str) -> str:
        member, now = line.member, datetime.now(UTC)
        made_at = wording.made_at(member.user_id)
        days = min((now - made_at).days, _NEW_DAYS)
        joined = wording.ago(member.joined_at, now) if member.joined_at else ""
        muted = wording.left(member.timed_out_until, now) if member.timed_out_until else ""
        return draw((joined, wording.ago(made_at, now), muted), line, base, days)

    return member_line


def ban_lines(env: Environment) -> Callable[..., str]:
    """What templates call for a line of the bans: ``ban_line(line, lists, may_lift, lifted=False)``; ``lists`` are the
    addresses of bans, members and cases.
    """
    draw = _drawn_once(env, "bans_row.html", "ban_row")

    def ban_line(line: BanLine, lists: tuple[str, str, str], may_lift: bool, lifted: bool = False) -> str:
        since = wording.ago(line.banned_at) if line.banned_at else ""
        left = wording.left(line.ends_at) if line.ends_at else ""
        return draw((since, left), line, lists, may_lift, lifted)

    return ban_line


def _drawn_once(env: Environment, file: str, name: str) -> Callable[..., str]:
    """A macro whose drawings are kept, by what it is called with and by the times in its words."""

    @lru_cache(maxsize=1)
    def macro() -> Callable[..., str]:
        return getattr(env.get_template(file).module, name)  # type: ignore[no-any-return]

    @lru_cache(maxsize=KEPT)
    def draw(times: tuple[str, ...], *given: Any) -> str:
        return macro()(*given)

    return draw
