"""How an entry of the record reads: what happened, in one word and one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kovra.actions.audit import AuditKind
from kovra.actions.request import Action, Source
from kovra.dashboard import settings_words, wording
from kovra.ids import UserId
from kovra.store.audit import StoredEntry


@dataclass(frozen=True, kw_only=True)
class Words:
    """``bad``: something was refused, failed, or is a sign of an attack."""

    label: str
    icon: str
    bad: bool = False


_K = AuditKind
_WORDS: Mapping[str, Words] = {
    _K.ACTION_REJECTED: Words(label="Rejected", icon="x", bad=True),
    _K.ACTION_MALFORMED: Words(label="Not readable", icon="x", bad=True),
    _K.ACTION_FAILED: Words(label="Failed", icon="warn", bad=True),
    _K.ACTION_CAPTURED: Words(label="Done in Discord", icon="user"),
    _K.ACTION_CANCELLED: Words(label="Cancelled", icon="x"),
    _K.ACTION_EXPIRED: Words(label="Expired", icon="clock"),
    _K.ACTION_RETRIED: Words(label="Tried again", icon="refresh"),
    _K.ACTION_DISCARDED: Words(label="Seen to", icon="check"),
    _K.LETTER_RETRIED: Words(label="Letter retried", icon="refresh"),
    _K.LETTER_DISCARDED: Words(label="Letter discarded", icon="trash"),
    _K.LANE_PAUSED: Words(label="Queue paused", icon="pause"),
    _K.LANE_RESUMED: Words(label="Queue resumed", icon="play"),
    _K.JOB_ACCEPTED: Words(label="Mass action", icon="mass"),
    _K.JOB_PAUSED: Words(label="Mass action paused", icon="pause"),
    _K.JOB_RESUMED: Words(label="Mass action resumed", icon="play"),
    _K.JOB_CANCELLED: Words(label="Mass action cancelled", icon="x"),
    _K.JOB_EXPORTED: Words(label="Mass action exported", icon="download"),
    _K.REVERSAL_ASKED: Words(label="Reversal", icon="lift"),
    _K.CASES_EXPORTED: Words(label="Cases exported", icon="download"),
    _K.ACCOUNTS_LINKED: Words(label="Accounts linked", icon="link"),
    _K.ACCOUNTS_UNLINKED: Words(label="Link taken back", icon="link"),
    _K.CASE_AMENDED: Words(label="Case amended", icon="edit"),
    _K.CASE_VOIDED: Words(label="Case voided", icon="trash"),
    _K.CASE_COMMENTED: Words(label="Case note", icon="note"),
    _K.CASE_TOLD_AGAIN: Words(label="Told again", icon="mail"),
    _K.EVIDENCE_FORGOTTEN: Words(label="Evidence forgotten", icon="trash"),
    _K.ENVELOPE_REFUSED: Words(label="Forged or altered", icon="shield", bad=True),
    _K.SESSION_STARTED: Words(label="Signed in", icon="key"),
    _K.SESSION_ENDED: Words(label="Signed out", icon="logout"),
    _K.SETTINGS_CHANGED: Words(label="Settings changed", icon="settings"),
    _K.MESSAGE_TESTED: Words(label="Test message", icon="mail"),
}

#: What may be filtered by: a group's name, and its kinds.
GROUPS: Mapping[str, tuple[str, frozenset[str]]] = {
    "actions": ("Actions", frozenset(kind.value for kind in AuditKind if kind.value.startswith("action."))),
    "refused": (
        "Refused and failed",
        frozenset({_K.ACTION_REJECTED, _K.ACTION_MALFORMED, _K.ACTION_FAILED, _K.ENVELOPE_REFUSED}),
    ),
    "cases": (
        "Changes of cases",
        frozenset(kind.value for kind in AuditKind if kind.value.startswith("case.")) | {_K.EVIDENCE_FORGOTTEN},
    ),
    "jobs": ("Mass actions", frozenset(kind.value for kind in AuditKind if kind.value.startswith("job."))),
    "queue": (
        "Action queue",
        frozenset(kind.value for kind in AuditKind if kind.value.startswith(("letter.", "lane.")))
        | {_K.ACTION_RETRIED, _K.ACTION_DISCARDED},
    ),
    "settings": ("Settings", frozenset({_K.SETTINGS_CHANGED, _K.MESSAGE_TESTED})),
    "sessions": ("Sign-ins", frozenset({_K.SESSION_STARTED, _K.SESSION_ENDED})),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One entry as it is drawn."""

    entry: StoredEntry
    words: Words
    actor: str | None
    detail: str
    source: Source | None
    request_id: str | None
    batch_id: str | None
    case_no: int | None


def line(entry: StoredEntry, names: Mapping[UserId, str]) -> Line:
    """Put one entry into words. Facts come from many hands, forged ones too: what is not as expected is left out."""
    facts = entry.facts
    case_no = facts.get("case_no")
    return Line(
        entry=entry,
        words=_words(entry.kind, facts),
        actor=names.get(entry.actor_id, str(entry.actor_id)) if entry.actor_id is not None else None,
        detail=_detail(entry.kind, facts, names),
        source=Source(facts["source"]) if facts.get("source") in set(Source) else None,
        request_id=_text(facts.get("request_id")),
        batch_id=_text(facts.get("batch_id")),
        case_no=case_no if isinstance(case_no, int) else None,
    )


def _words(kind: str, facts: Mapping[str, Any]) -> Words:
    if kind == AuditKind.ACTION_ACCEPTED and facts.get("action") in set(Action):
        return Words(label=wording.action_label(facts["action"]), icon=wording.action_icon(facts["action"]))
    return _WORDS.get(kind) or Words(label=kind, icon="info")


def _detail(kind: str, facts: Mapping[str, Any], names: Mapping[UserId, str]) -> str:
    if kind == AuditKind.SETTINGS_CHANGED:
        return changes(facts)
    if kind == AuditKind.ENVELOPE_REFUSED:
        return f"An entry of the queue was refused and not executed: {facts.get('cause', 'unknown')}"
    if kind in (AuditKind.LETTER_RETRIED, AuditKind.LETTER_DISCARDED):
        return f"Dead letter, {facts.get('cause', 'unknown cause')}"
    if kind == AuditKind.ACTION_MALFORMED:
        return str(facts.get("sentence", ""))
    if kind == AuditKind.JOB_ACCEPTED:
        action = str(facts.get("action", "")).capitalize()
        counts = f"{facts.get('accepted', '?')} of {facts.get('asked', '?')} accepted"
        return _joined(f"{action}: {counts}", _quoted(facts.get("reason")))
    if kind == AuditKind.MESSAGE_TESTED:
        return settings_words.tested(_text(facts.get("what")) or "")
    if kind in (AuditKind.ACCOUNTS_LINKED, AuditKind.ACCOUNTS_UNLINKED):
        both = " and ".join((_target(facts, names), _text(facts.get("other_id")) or "?"))
        return _joined(both, _quoted(facts.get("why")))
    if kind == AuditKind.EVIDENCE_FORGOTTEN:
        cases = facts.get("cases")
        numbers = ", ".join(f"#{one}" for one in cases) if isinstance(cases, list) else ""
        return f"Kept for {facts.get('days', '?')} days, as set: the messages of {numbers or 'no case'}"
    action = _text(facts.get("action"))
    about = " ".join(part for part in (action and action.replace("_", " ").capitalize(), _target(facts, names)) if part)
    if kind == AuditKind.ACTION_ACCEPTED:
        return _joined(_target(facts, names), _quoted(facts.get("reason")))
    return _joined(about, _text(facts.get("sentence")) or _quoted(facts.get("reason")))


def changes(facts: Mapping[str, Any]) -> str:
    """What was set before, and what now: each change on its own."""
    before, after = facts.get("before"), facts.get("after")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return ""
    told = [
        f"{name.replace('_', ' ')}: {_shown(before.get(name))} → {_shown(after.get(name))}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    return "; ".join(told)


def _shown(value: Any) -> str:
    return "default" if value is None else str(value)


def _target(facts: Mapping[str, Any], names: Mapping[UserId, str]) -> str:
    target = facts.get("target_id")
    if not isinstance(target, str) or not target.isdigit():
        return ""
    return names.get(UserId(int(target)), target)


def _quoted(value: Any) -> str:
    return f"“{wording.one_line(value)}”" if isinstance(value, str) and value else ""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)
