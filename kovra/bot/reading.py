"""What commands that read say: one case, or a list of them. Only for who asked, and without pinging anyone."""

from __future__ import annotations

from collections.abc import Sequence

from discord.utils import escape_markdown

from kovra.store.cases import CaseDetail, CaseRow

#: A list is cut here; Kovra shows the rest.
_REASON = 80
MOST_ROWS = 10


def words_of_case(detail: CaseDetail) -> str:
    """One case in full."""
    row = detail.row
    lines = [
        f"**Case #{row.case_no} · {row.action.noun.capitalize()} · {escape_markdown(row.target_name)}** "
        f"(`{row.target_id}`)",
        escape_markdown(row.reason) if row.reason else "No reason given",
        f"By {escape_markdown(row.moderator_name)}, {row.source}, <t:{int(row.created_at.timestamp())}:f>",
    ]
    if row.ends_at is not None:
        state = "Until" if row.active else "Ended; was to last until"
        lines.append(f"{state} <t:{int(row.ends_at.timestamp())}:f>")
    elif row.active:
        lines.append("In force until somebody lifts it")
    if row.notice is not None:
        lines.append(f"DM: {row.notice.value.replace('_', ' ')}")
    return "\n".join(lines)


def words_of_list(rows: Sequence[CaseRow], whose: str) -> str:
    """The latest cases, newest first."""
    if not rows:
        return f"Nothing on record of {whose}."
    lines = [f"The latest cases of {whose}:"]
    for row in rows[:MOST_ROWS]:
        reason = " ".join(row.reason.split()) or "No reason given"
        cut = reason if len(reason) <= _REASON else reason[: _REASON - 1] + "…"
        force = " · in force" if row.active else ""
        lines.append(
            f"`#{row.case_no}` {row.action.noun} · {escape_markdown(row.target_name)} · "
            f"<t:{int(row.created_at.timestamp())}:R>{force} · {escape_markdown(cut)}"
        )
    return "\n".join(lines)
