"""The chain of the audit log: whatever is changed, taken out or moved, shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kovra.actions.audit import GENESIS, AuditEntry, AuditKind, chain, digest
from kovra.ids import GuildId, UserId

KEY = b"k" * 32
AT = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ENTRY = AuditEntry(
    guild_id=GuildId(110_000_000_000_000_001),
    kind=AuditKind.ACTION_ACCEPTED,
    actor_id=UserId(120_000_000_000_000_002),
    facts={"target_id": "130000000000000003", "attempt": {"reason": "spam"}},
)


def seals(entries, key=KEY):
    """The seals of a log, entry by entry."""
    found, seal = [], GENESIS
    for number, (entry, at) in enumerate(entries, 1):
        seal = chain(key, seal, digest(entry, number, at))
        found.append(seal)
    return found


def log(length=5):
    return [(replace(ENTRY, facts={"n": str(n)}), AT + timedelta(seconds=n)) for n in range(length)]


def first_broken(entries, kept):
    return next((n for n, (now, then) in enumerate(zip(seals(entries), kept, strict=False), 1) if now != then), None)


@pytest.mark.parametrize(
    "changed",
    [
        {"guild_id": GuildId(1)},
        {"kind": AuditKind.ACTION_REJECTED},
        {"actor_id": None},
        {"actor_id": UserId(1)},
        {"facts": {}},
        {"facts": {"target_id": 130_000_000_000_000_003, "attempt": {"reason": "spam"}}},
        {"facts": {"target_id": "130000000000000003", "attempt": {"reason": "spam "}}},
        {"facts": {"target_id": "130000000000000003", "attempt": {}, "reason": "spam"}},
    ],
)
def test_every_field_is_in_the_digest(changed):
    assert digest(replace(ENTRY, **changed), 1, AT) != digest(ENTRY, 1, AT)


def test_number_and_moment_are_in_the_digest():
    assert digest(ENTRY, 2, AT) != digest(ENTRY, 1, AT)
    assert digest(ENTRY, 1, AT + timedelta(microseconds=1)) != digest(ENTRY, 1, AT)


def test_the_order_of_facts_and_the_time_zone_are_not():
    turned = replace(ENTRY, facts=dict(reversed(ENTRY.facts.items())))
    elsewhere = AT.astimezone(tz=None)

    assert digest(turned, 1, AT) == digest(ENTRY, 1, AT)
    assert digest(ENTRY, 1, elsewhere) == digest(ENTRY, 1, AT)


def test_an_unchanged_log_verifies():
    assert first_broken(log(), seals(log())) is None


@pytest.mark.parametrize("place", range(5))
def test_a_changed_entry_breaks_the_chain_at_its_place(place):
    changed = log()
    changed[place] = (replace(changed[place][0], actor_id=UserId(1)), changed[place][1])

    assert first_broken(changed, seals(log())) == place + 1


@pytest.mark.parametrize("place", range(4))
def test_an_entry_taken_out_or_moved_breaks_the_chain(place):
    shorter = log()
    del shorter[place]
    moved = log()
    moved[place], moved[place + 1] = moved[place + 1], moved[place]

    assert first_broken(shorter, seals(log())) == place + 1
    assert first_broken(moved, seals(log())) == place + 1


def test_without_the_key_no_chain_can_be_made():
    assert not set(seals(log(), b"x" * 32)) & set(seals(log()))


def test_any_text_can_be_recorded():
    assert len(digest(replace(ENTRY, facts={"sentence": "\ud800 \x00 🦊"}), 1, AT)) == 32
