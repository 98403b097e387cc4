"""What commands that read say: one case, or a list of them. Only for who asked, and without pinging anyone."""

from __future__ import annotations

from collections.abc import Sequence

from discord.utils import escape_markdown

from kovra.guard.case import UNTOLD
from kovra.guard.health import Finding, Severity
from kovra.guard.notice_words import notice_sentence
from kovra.store.case_detail import CaseDetail
from kovra.store.case_rows import CaseRow

#: A reason is cut here, in a list and where a case stands alone: what comes after it has to be in the message too.
#: Kovra shows the rest.
_REASON, _LONGEST_REASON = 80, 1400
MOST_ROWS = 10
#: So much of the findings is told in one message; Discord takes 2,000 characters.
_MOST_FOUND = 1900


def words_of_case(detail: CaseDetail) -> str:
    """One case in full."""
    row = detail.row
    lines = [
        f"**Case #{row.case_no} · {row.action.noun.capitalize()} · {escape_markdown(row.target_name)}** "
        f"(`{row.target_id}`)",
        _cut(escape_markdown(row.reason), _LONGEST_REASON) if row.reason else "No reason given",
        f"By {escape_markdown(row.moderator_name)}, {row.source}, <t:{int(row.created_at.timestamp())}:f>",
    ]
    if row.ends_at is not None:
        state = "Until" if row.active else "Ended; was to last until"
        lines.append(f"{state} <t:{int(row.ends_at.timestamp())}:f>")
    elif row.active:
        lines.append("In force until somebody lifts it")
    if row.voided:
        lines.append("Void: it does not count any more")
    if detail.reversed_by is not None:
        lines.append(f"Taken back by case #{detail.reversed_by}")
    if row.notice is not None:
        why = f". {notice_sentence(row.action, row.notice, row.notice_code)}" if row.notice in UNTOLD else ""
        lines.append(f"DM: {row.notice.value.replace('_', ' ')}{why}")
    return "\n".join(lines)


def words_of_list(rows: Sequence[CaseRow], whose: str) -> str:
    """The latest cases, newest first."""
    if not rows:
        return f"Nothing on record of {whose}."
    lines = [f"The latest cases of {whose}:"]
    for row in rows[:MOST_ROWS]:
        reason = " ".join(row.reason.split()) or "No reason given"
        force = " · in force" if row.active else ""
        void = " · void" if row.voided else ""
        lines.append(
            f"`#{row.case_no}` {row.action.noun} · {escape_markdown(row.target_name)} · "
            f"<t:{int(row.created_at.timestamp())}:R>{force}{void} · "
            f"{escape_markdown(_cut(reason, _REASON))}"
        )
    return "\n".join(lines)


def words_of_findings(findings: Sequence[Finding]) -> str:
    """What keeps Guard from its work, the worst first, each with what to do about it."""
    if not findings:
        return "All is well: Guard can do its work here."
    broken = sum(finding.severity is Severity.BROKEN for finding in findings)
    first = f"**{broken} broken, {len(findings) - broken} that could be better**"
    lines = [
        f"{'❌' if finding.severity is Severity.BROKEN else '⚠️'} {escape_markdown(finding.sentence)}\n"
        f"→ {escape_markdown(finding.remedy)}"
        for finding in findings
    ]
    told, room = [first], _MOST_FOUND - len(first)
    for number, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            told.append(f"… and {len(lines) - number} more, in Kovra’s health check.")
            break
        told.append(line)
    return "\n".join(told)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
