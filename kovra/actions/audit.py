"""The entries of the audit log and the keyed chain that makes tampering show.

digest = SHA-256 over the canonical entry;  seal = HMAC-SHA256(key, previous seal + digest).
The key lives outside the database: whoever can write the table still cannot make a chain that verifies.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from kovra.ids import GuildId, UserId

#: The seal before a guild's first entry.
GENESIS = b"\0" * 32


class AuditKind(StrEnum):
    """What an audit entry is about."""

    ACTION_ACCEPTED = "action.accepted"
    ACTION_REJECTED = "action.rejected"
    ACTION_MALFORMED = "action.malformed"
    ACTION_FAILED = "action.failed"
    ACTION_CANCELLED = "action.cancelled"
    ACTION_EXPIRED = "action.expired"
    ACTION_RETRIED = "action.retried"
    ACTION_DISCARDED = "action.discarded"
    ACTION_CAPTURED = "action.captured"
    LETTER_RETRIED = "letter.retried"
    LETTER_DISCARDED = "letter.discarded"
    LANE_PAUSED = "lane.paused"
    LANE_RESUMED = "lane.resumed"
    JOB_ACCEPTED = "job.accepted"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    JOB_CANCELLED = "job.cancelled"
    JOB_EXPORTED = "job.exported"
    REVERSAL_ASKED = "reversal.asked"
    CASE_AMENDED = "case.amended"
    CASE_VOIDED = "case.voided"
    CASE_COMMENTED = "case.commented"
    CASE_TOLD_AGAIN = "case.told_again"
    EVIDENCE_FORGOTTEN = "evidence.forgotten"
    ENVELOPE_REFUSED = "envelope.refused"
    SESSION_STARTED = "session.started"
    SESSION_ENDED = "session.ended"
    CASES_EXPORTED = "cases.exported"
    ACCOUNTS_LINKED = "accounts.linked"
    ACCOUNTS_UNLINKED = "accounts.unlinked"
    SETTINGS_CHANGED = "settings.changed"
    MESSAGE_TESTED = "message.tested"


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One thing that happened, to be appended. ``facts`` are JSON values; snowflakes in it are text."""

    guild_id: GuildId
    kind: AuditKind
    actor_id: UserId | None
    facts: Mapping[str, Any] = field(default_factory=dict)


def digest(entry: AuditEntry, number: int, written_at: datetime) -> bytes:
    """The fingerprint of one stored entry: 32 bytes. ``number`` counts from 1 in each guild."""
    body = json.dumps(
        {
            "actor_id": str(entry.actor_id) if entry.actor_id is not None else None,
            "at": round(written_at.timestamp() * 1_000_000),
            "facts": entry.facts,
            "guild_id": str(entry.guild_id),
            "kind": entry.kind.value,
            "n": number,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).digest()


def chain(key: bytes, previous_seal: bytes, entry_digest: bytes) -> bytes:
    """The seal of an entry, bound to the one before it: 32 bytes."""
    return hmac.new(key, b"kovra.audit.v1\0" + previous_seal + entry_digest, hashlib.sha256).digest()
