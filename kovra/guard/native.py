"""What was done in Discord itself: reading Discord's audit log, and telling Guard's own deeds from everybody else's.

Decisions only. An entry of Guard's own bears the mark of the request that asked for it, and the intent of that request
was committed before the call left: whoever knows both knows the deed, however late its entry comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from kovra.actions.request import MAX_DURATION, MAX_REASON, Action, ActionRequest, Source, State
from kovra.guard.endings import ENDS_OF
from kovra.ids import GuildId, UserId, audit_ref, derived_request_id, snowflake_ms

#: Discord's numbers for what stands in its audit log (API reference, Audit Log Events).
KICK, PRUNE, BAN, UNBAN, MEMBER_UPDATE = 20, 21, 22, 23, 24
AUTOMOD_BLOCK, AUTOMOD_TIME_OUT, AUTOMOD_QUARANTINE = 143, 145, 146

#: The entries that may become a case; of those about members, only those that change a time-out.
HEARD = frozenset({KICK, PRUNE, BAN, UNBAN, MEMBER_UPDATE, AUTOMOD_BLOCK, AUTOMOD_TIME_OUT, AUTOMOD_QUARANTINE})

#: In place of a moderator: Discord's AutoMod is no user, and a bulk ban of another bot names nobody.
NOBODY = UserId(0)
AUTOMOD_NAME, NOBODY_NAME = "Discord’s AutoMod", "Unknown"

#: Discord's clock and the database's differ by less than this.
CLOCKS_APART = timedelta(seconds=1)

_AUTOMOD = frozenset({AUTOMOD_BLOCK, AUTOMOD_TIME_OUT, AUTOMOD_QUARANTINE})
_PLAIN = MappingProxyType({KICK: Action.KICK, BAN: Action.BAN, UNBAN: Action.UNBAN})
_MARK = re.compile(r"\[kv:[a-z2-7]{16}\]$")


@dataclass(frozen=True, kw_only=True)
class NativeEntry:
    """An entry of Discord's audit log. ``until`` and ``until_before`` are the time-out it set and the one before it.

    ``actor_id`` is None for a bulk ban, ``target_id`` for a prune.
    """

    guild_id: GuildId
    audit_id: int
    kind: int
    actor_id: UserId | None
    target_id: UserId | None
    reason: str = ""
    until: datetime | None = None
    until_before: datetime | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def done_at(self) -> datetime:
        """When it was done, by Discord's clock."""
        return datetime.fromtimestamp(snowflake_ms(self.audit_id) / 1000, UTC)

    @property
    def mark(self) -> str | None:
        """The mark that ends its reason, by which Guard knows its own deeds."""
        found = _MARK.search(self.reason.rstrip())
        return found.group() if found else None

    @property
    def by_automod(self) -> bool:
        """Whether Discord's own AutoMod did it; the entry then names its target as the one who did."""
        return self.kind in _AUTOMOD


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What an entry says was done. ``target_name`` is set where the target is no person."""

    action: Action
    target_id: UserId
    reason: str
    params: Mapping[str, int] = field(default_factory=dict)
    ends_at: datetime | None = None
    target_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A deed that Guard committed to before it called Discord. ``batch_id``: the mark may be that of its job."""

    request_id: UUID
    batch_id: UUID | None
    state: State
    case_no: int | None


class Verdict(StrEnum):
    """Whose an entry is."""

    OWN = "own"
    """Guard's, and its case is written or will be."""
    LATER = "later"
    """Guard's, and it is not settled yet what becomes of the request."""
    LOST = "lost"
    """Guard's, but its request ended without a case: nobody could see that it had been done."""
    FOREIGN = "foreign"


def deed_of(entry: NativeEntry, timed_out_until: datetime | None = None) -> Deed | None:
    """What was done; None when it is nothing that makes a case.

    Args:
        timed_out_until: the target's time-out as the mirror knows it: AutoMod's entry does not say for how long.
    """
    if entry.kind == PRUNE:
        return _prune(entry)
    if entry.target_id is None:
        return None
    if entry.kind in _PLAIN:
        return Deed(action=_PLAIN[entry.kind], target_id=entry.target_id, reason=_reason(entry.reason))
    if entry.kind == MEMBER_UPDATE:
        return _time_out(entry, entry.target_id, entry.until, _reason(entry.reason))
    rule = f"AutoMod rule “{entry.options.get('auto_moderation_rule_name') or 'without a name'}”"
    if entry.kind == AUTOMOD_TIME_OUT:
        until = timed_out_until if timed_out_until and timed_out_until > entry.done_at else None
        return _time_out(entry, entry.target_id, until, _reason(f"{rule} timed this member out."))
    what = "blocked a message" if entry.kind == AUTOMOD_BLOCK else "keeps this member from taking part"
    return Deed(action=Action.BLOCK, target_id=entry.target_id, reason=_reason(f"{rule} {what}."))


def whose(entry: NativeEntry, guard_id: UserId, intents: Iterable[Intent]) -> Verdict:
    """Tell Guard's own deed from others'.

    A mark alone proves nothing, for anybody may write one into a reason: Guard itself must have done it (or, in a bulk
    ban, nobody is named), and its intent must be on record.
    """
    mark = entry.mark
    if mark is None or entry.actor_id not in (guard_id, None):
        return Verdict.FOREIGN
    intent = next((one for one in intents if mark in marks(one)), None)
    if intent is None:
        return Verdict.FOREIGN
    if intent.case_no is not None:
        return Verdict.OWN
    return Verdict.LOST if intent.state.terminal else Verdict.LATER


def request_for(entry: NativeEntry, deed: Deed, *, by_bot: bool, late: bool, now: datetime) -> ActionRequest:
    """The request that a deed done in Discord stands for. Its id follows from the entry: heard twice, it is the same.

    Args:
        by_bot: another bot did it.
        late: something newer was done to this person before this was heard of; it changes nothing that holds.
    """
    marks = {"by_bot": by_bot, "late": late}
    return ActionRequest(
        request_id=request_id_of(entry),
        guild_id=entry.guild_id,
        action=deed.action,
        target_id=deed.target_id,
        moderator_id=NOBODY if entry.by_automod or entry.actor_id is None else entry.actor_id,
        source=Source.NATIVE,
        reason=deed.reason,
        issued_at=min(entry.done_at, now),
        params={**deed.params, "audit_id": entry.audit_id, **{name: 1 for name, is_so in marks.items() if is_so}},
    )


def request_id_of(entry: NativeEntry) -> UUID:
    """The id of the request that an entry becomes."""
    return derived_request_id(snowflake_ms(entry.audit_id), "native", entry.guild_id, entry.audit_id)


def moderator_name(entry: NativeEntry) -> str | None:
    """What stands in place of a name where the entry names nobody."""
    if entry.by_automod:
        return AUTOMOD_NAME
    return NOBODY_NAME if entry.actor_id is None else None


def is_late(entry: NativeEntry, action: Action, known: Iterable[tuple[Action, datetime]]) -> bool:
    """Whether a newer act on this person of the same kind is known: the newest decides what holds.

    Args:
        known: what was done to this person, and when.
    """
    family = ENDS_OF.get(action)
    if family is None:
        return False
    return any(ENDS_OF.get(other) is family and at > entry.done_at + CLOCKS_APART for other, at in known)


def marks(intent: Intent) -> tuple[str, ...]:
    """What may end the reason of this deed: its own mark, or that of the job it went with."""
    ids = (intent.request_id,) if intent.batch_id is None else (intent.request_id, intent.batch_id)
    return tuple(audit_ref(each) for each in ids)


def _time_out(entry: NativeEntry, target_id: UserId, until: datetime | None, reason: str) -> Deed | None:
    done_at = entry.done_at
    if until is not None and until > done_at:
        seconds = max(1, round((until - done_at).total_seconds()))
        params = {"duration_s": min(seconds, int(MAX_DURATION.total_seconds()))}
        return Deed(action=Action.MUTE, target_id=target_id, reason=reason, params=params, ends_at=until)
    if entry.by_automod:
        return Deed(action=Action.MUTE, target_id=target_id, reason=reason)
    if entry.until_before is None or entry.until_before <= done_at:
        return None  # another change of the member, or the end of a time-out that was over
    return Deed(action=Action.UNMUTE, target_id=target_id, reason=reason)


def _prune(entry: NativeEntry) -> Deed | None:
    numbers = {name: int(entry.options.get(name) or 0) for name in ("members_removed", "delete_member_days")}
    removed, days = numbers["members_removed"], numbers["delete_member_days"]
    if not removed:
        return None
    return Deed(
        action=Action.PRUNE,
        # It names no person: the case is about the server.
        target_id=UserId(entry.guild_id),
        target_name=f"{removed} members" if removed != 1 else "1 member",
        reason=_reason(entry.reason or f"Not seen for {days} days."),
        params={"removed": removed, "days": days},
    )


def _reason(text: str) -> str:
    """A reason as a case can keep it: Discord takes characters that no text of Kovra's holds."""
    kept = "".join(c for c in text if (c >= " " or c in "\t\n\r") and not "\ud800" <= c <= "\udfff")
    return kept.strip()[:MAX_REASON]
