"""How settings read: the rows of budgets, a notice as its reader sees it, and what was set as one fingerprint."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kovra.actions.budget import DEFAULT_LIMITS, GUILD_CAPS
from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.dashboard import wording
from kovra.guard.log_channels import EventClass
from kovra.guard.message_tests import COMMON, NOTICE
from kovra.guard.notice_texts import TOLD_AFTER, TOLD_BEFORE, NoticeTexts, example, notice_text
from kovra.store.grants import Granted
from kovra.store.settings import MAX_BUDGET

#: What members are told of, in the order offered.
TOLD = tuple(action for action in Action if action in TOLD_BEFORE | TOLD_AFTER)

#: The classes of cases as the form names them.
CASES: Mapping[EventClass, tuple[str, str]] = {
    EventClass.ACTIONS: ("Moderators’ actions", "from this dashboard and from commands"),
    EventClass.NOTES: ("Notes", "pick a channel that staff alone can read"),
    EventClass.NATIVE: ("Done in Discord itself", "bans, kicks and time-outs by hand"),
    EventClass.AUTOMOD: ("AutoMod and anti-nuke", "Guard’s and Discord’s own"),
    EventClass.ENDS: ("Ends", "what ends or is renewed by itself"),
}
#: Those of what happens on the server and is no case.
SERVER: Mapping[EventClass, tuple[str, str]] = {
    EventClass.JOINS: ("Joins", "with the age of the account"),
    EventClass.LEAVES: ("Leaves", "by themselves, or removed by a case"),
    EventClass.NAMES: ("Names", "user names, display names, nicknames"),
    EventClass.ROLES: ("Roles", "given to members and taken"),
    EventClass.EDITS: ("Edited messages", "before and after"),
    EventClass.DELETIONS: ("Deleted messages", "the text, when Guard saw it written"),
    EventClass.VOICE: ("Voice", "who enters, changes and leaves"),
}


def tested(kind: str) -> str:
    """What a test message is a test of."""
    if kind.startswith(NOTICE):
        return f"The notice for {wording.action_label(kind.removeprefix(NOTICE)).lower()}"
    labels = {one.value: label for one, (label, _) in {**CASES, **SERVER}.items()}
    return "Cases" if kind == COMMON else labels.get(kind, kind)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One budget or cap as the form draws it. ``text`` is what stands in the field."""

    name: str
    label: str
    default: int
    text: str


def limits(own: Mapping[str, int], typed: Mapping[str, str] | None = None) -> tuple[list[Limit], list[Limit]]:
    """The budgets of a moderator, and the caps of a server; what was typed stands before what is kept."""

    def row(name: str, label: str, default: int) -> Limit:
        text = typed.get(name, "") if typed is not None else str(own.get(name, ""))
        return Limit(name=name, label=label, default=default, text=text)

    return (
        [row(action.value, wording.action_label(action), limit) for action, limit in DEFAULT_LIMITS.items()],
        [row(source.value, wording.source_label(source), limit) for source, limit in GUILD_CAPS.items()],
    )


def read_limit(text: str, default: int) -> tuple[int | None, str | None]:
    """A field of the form as a number, None for the default; or why it is none."""
    text = text.strip().replace(",", "")
    if not text:
        return None, None
    if text.isascii() and text.isdigit() and int(text) <= MAX_BUDGET:
        return int(text), None
    return None, f"Not kept: write a whole number from 0 to {MAX_BUDGET:,}, or leave it empty for {default:,}."


def read_term(text: str, longest: int) -> tuple[int | None, str | None]:
    """A field as a number of days, None for ever; or why it is none."""
    text = text.strip().replace(",", "")
    if not text:
        return None, None
    if text.isascii() and text.isdigit() and 1 <= int(text) <= longest:
        return int(text), None
    return None, f"Not kept: write a whole number of days from 1 to {longest:,}, or leave it empty for ever."


def span(length: timedelta) -> str:
    """ "3 days"."""
    return wording.count(length.days, "day")


#: What each capability lets somebody do, as the page of a role says it.
COVERS: Mapping[Capability, str] = {
    Capability.VIEW: "Overview, Cases, Members, Bans and the Action queue",
    Capability.VIEW_NOTES: "read staff notes and evidence",
    Capability.NOTE: "write notes and comment on cases",
    Capability.WARN: "warn members",
    Capability.MUTE: "mute and unmute",
    Capability.KICK: "kick members",
    Capability.BAN: "ban, unban and softban",
    Capability.CHANNELS: "purge, lock and slow down channels",
    Capability.ROLES: "give and take roles, quarantine",
    Capability.INBOX: "take and settle reports",
    Capability.MASS: "act on up to 500 people at once",
    Capability.LOCKDOWN: "put the server in lockdown and end it",
    Capability.AMEND: "amend and void cases of others, send their DMs again",
    Capability.REVERSE: "take back batches, and all that a moderator did",
    Capability.APPROVE: "release what went over somebody else’s budget",
    Capability.APPEALS: "decide appeals",
    Capability.VIEW_AUDIT: "read and verify the audit log",
    Capability.AUTOMOD: "change AutoMod’s rules",
    Capability.ANTINUKE: "change anti-nuke quotas",
    Capability.QUEUE_OPS: "retry and discard dead letters, pause the queue",
    Capability.EXPORT: "export cases and the audit log",
    Capability.SETTINGS: "everything under Settings, this page included",
}


def given(capabilities: Collection[Capability]) -> str:
    """Capabilities in the order of the product: "note, warn, mute"."""
    return ", ".join(one.value for one in Capability if one in capabilities)


def granted(of_role: Granted) -> list[list[Any]]:
    """What a role is given, for a fingerprint."""
    return [[one.value, limit.longest_s, limit.largest_batch] for one, limit in sorted(of_role.items())]


def fingerprint(values: Any) -> str:
    """A short word for what was set when a form was drawn: another one means that somebody changed it meanwhile."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a message: its parts, each with whether it is bold, and whether it is set small."""

    parts: Sequence[tuple[str, bool]]
    small: bool


def preview(texts: NoticeTexts, action: Action, text: str, now: datetime) -> list[Line]:
    """What a member would read, with an example's reason and case, as Discord draws it."""
    own = {**texts.by_action, action: text}
    filled = notice_text(replace(texts, by_action=own), example(action, now))
    return [_line(line) for line in filled.splitlines()]


def _line(text: str) -> Line:
    small = text.startswith("-# ")
    text = re.sub(r"<t:(\d+):f>", lambda found: _moment(int(found[1])), text[3:] if small else text)
    parts = re.split(r"\*\*(.+?)\*\*", text)
    return Line(parts=[(re.sub(r"\\(.)", r"\1", part), at % 2 == 1) for at, part in enumerate(parts)], small=small)


def _moment(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{moment.day} {moment:%B %Y %H:%M}"
