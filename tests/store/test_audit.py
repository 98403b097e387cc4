"""The sealed record: appending, and every way of tampering with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from kovra.actions import audit
from kovra.actions.audit import AuditEntry, AuditKind
from kovra.store.audit import AuditLog, Quarantine


@pytest.fixture
def five_entries(audit_log, say):
    for number in range(5):
        audit_log.append(entry(say, number))


@pytest.fixture
def owners_log(owner, say):
    return AuditLog(owner, say.AUDIT_KEY)


def entry(say, number=0, **facts):
    return AuditEntry(
        guild_id=say.HARBOUR,
        kind=AuditKind.SETTINGS_CHANGED,
        actor_id=say.ODALYS,
        facts={"before": number, "after": [number + 1, None, {"ü": "ß"}], **facts},
    )


def test_entries_are_numbered_from_1_and_come_newest_first(audit_log, odalys, five_entries, say):
    page = audit_log.entries(odalys, limit=2)
    older = audit_log.entries(odalys, before=page[-1].number, limit=10)

    assert [found.number for found in page + older] == [5, 4, 3, 2, 1]
    assert (page[0].kind, page[0].actor_id, page[0].facts["before"]) == ("settings.changed", say.ODALYS, 4)


def test_an_untouched_record_verifies(audit_log, five_entries, say):
    assert audit_log.verify(say.HARBOUR) is None
    assert audit_log.verify(say.MEADOW) is None


def test_the_record_of_each_guild_is_its_own(audit_log, five_entries, guilds, say):
    audit_log.append(AuditEntry(guild_id=say.MEADOW, kind=AuditKind.SETTINGS_CHANGED, actor_id=None))

    assert [found.number for found in audit_log.entries(guilds.scope(say.PELL, say.MEADOW))] == [1]
    assert audit_log.verify(say.MEADOW) is None


def test_another_key_verifies_nothing(audit_log, five_entries, say):
    assert audit_log.verify(say.HARBOUR, b"b" * 32) == 1


@pytest.mark.parametrize(
    ("tampering", "first_broken"),
    [
        ("UPDATE audit_log SET facts = '{}' WHERE number = 3", 3),
        ("UPDATE audit_log SET actor_id = 5 WHERE number = 2", 2),
        ("UPDATE audit_log SET kind = 'action.accepted' WHERE number = 1", 1),
        ("UPDATE audit_log SET kind = 'no.such.kind' WHERE number = 1", 1),
        ("UPDATE audit_log SET written_at = written_at + interval '1 microsecond' WHERE number = 5", 5),
        ("UPDATE audit_log SET digest = sha256('x') WHERE number = 4", 4),
        ("UPDATE audit_log SET seal = sha256('x') WHERE number = 4", 4),
        ("DELETE FROM audit_log WHERE number = 1", 1),
        ("DELETE FROM audit_log WHERE number = 3", 3),
        ("DELETE FROM audit_log WHERE number = 5", 5),
        ("DELETE FROM audit_log", 1),
        ("UPDATE audit_log SET number = 9 WHERE number = 2", 2),
        (
            "INSERT INTO audit_log SELECT guild_id, 6, kind, actor_id, facts, written_at, digest, seal"
            " FROM audit_log WHERE number = 5",
            6,
        ),
        ("UPDATE audit_heads SET last_number = 4", 5),
        ("UPDATE audit_heads SET seal = sha256('x')", 6),
        ("DELETE FROM audit_heads", 1),
        (
            "INSERT INTO audit_anchors SELECT guild_id, 2, seal, sha256('x'), written_at FROM audit_log"
            " WHERE number = 2; DELETE FROM audit_log WHERE number <= 2",
            1,
        ),
    ],
)
def test_what_was_altered_removed_or_inserted_is_named(audit_log, five_entries, owner, say, tampering, first_broken):
    with owner.transaction(say.HARBOUR) as session:
        session.execute(text(tampering))

    assert audit_log.verify(say.HARBOUR) == first_broken


def test_two_entries_that_changed_places_are_named(audit_log, five_entries, owner, say):
    with owner.transaction(say.HARBOUR) as session:
        for statement in (
            "UPDATE audit_log SET number = 99 WHERE number = 2",
            "UPDATE audit_log SET number = 2 WHERE number = 3",
            "UPDATE audit_log SET number = 3 WHERE number = 99",
        ):
            session.execute(text(statement))

    assert audit_log.verify(say.HARBOUR) == 2


def test_a_chain_made_anew_without_the_key_is_named(audit_log, five_entries, owner, say):
    """Someone who can write the database, and knows how the chain is made, still lacks the key."""
    with owner.transaction(say.HARBOUR) as session:
        seal = audit.GENESIS
        for row in session.execute(text("SELECT * FROM audit_log ORDER BY number")).all():
            forged = AuditEntry(guild_id=say.HARBOUR, kind=AuditKind(row.kind), actor_id=1, facts=row.facts)
            digest = audit.digest(forged, row.number, row.written_at)
            seal = audit.chain(b"guess".ljust(32), seal, digest)
            session.execute(
                text("UPDATE audit_log SET actor_id = 1, digest = :d, seal = :s WHERE number = :n"),
                {"d": digest, "s": seal, "n": row.number},
            )
        session.execute(text("UPDATE audit_heads SET seal = :s"), {"s": seal})

    assert audit_log.verify(say.HARBOUR) == 1


def test_an_end_cut_off_with_its_head_shows_to_a_witness_kept_outside(audit_log, five_entries, owner, say):
    witness = audit_log.anchor(say.HARBOUR)
    with owner.transaction(say.HARBOUR) as session:
        session.execute(text("DELETE FROM audit_log WHERE number > 3"))
        session.execute(
            text("UPDATE audit_heads SET last_number = 3, seal = (SELECT seal FROM audit_log WHERE number = 3)")
        )

    assert audit_log.verify(say.HARBOUR) is None
    assert audit_log.verify(say.HARBOUR, witness=witness) == 4


def test_a_witness_of_an_untouched_record_has_nothing_to_say(audit_log, five_entries, say):
    witness = audit_log.anchor(say.HARBOUR)
    audit_log.append(entry(say))

    assert audit_log.verify(say.HARBOUR, witness=witness) is None


def test_a_pruned_record_still_verifies_from_its_anchor(audit_log, owners_log, five_entries, odalys, say):
    removed = owners_log.prune(say.HARBOUR, 3)
    audit_log.append(entry(say))

    assert removed == 3
    assert [found.number for found in audit_log.entries(odalys)] == [6, 5, 4]
    assert audit_log.verify(say.HARBOUR) is None


def test_pruning_again_goes_on_from_the_last_anchor(audit_log, owners_log, five_entries, say):
    owners_log.prune(say.HARBOUR, 2)
    owners_log.prune(say.HARBOUR, 5)
    audit_log.append(entry(say))

    assert owners_log.prune(say.HARBOUR, 1) == 0
    assert audit_log.verify(say.HARBOUR) is None


def test_what_is_removed_after_a_pruning_is_named(audit_log, owners_log, five_entries, owner, say):
    owners_log.prune(say.HARBOUR, 2)
    with owner.transaction(say.HARBOUR) as session:
        session.execute(text("DELETE FROM audit_log WHERE number = 4"))

    assert audit_log.verify(say.HARBOUR) == 4


def test_entries_written_at_once_make_one_chain(audit_log, say, odalys):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: audit_log.append(entry(say, number)), range(64)))

    assert [found.number for found in audit_log.entries(odalys, limit=100)] == list(range(64, 0, -1))
    assert audit_log.verify(say.HARBOUR) is None


def test_a_record_verifies_while_others_write(audit_log, say):
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(lambda: [audit_log.append(entry(say, number)) for number in range(100)])
        while not writing.done():
            assert audit_log.verify(say.HARBOUR) is None


def test_a_long_record_verifies(owner, owners_log, say, monkeypatch):
    monkeypatch.setattr("kovra.store.audit._PAGE", 7)
    with owner.transaction(say.HARBOUR) as session:
        for number in range(30):
            owners_log.append_in(session, entry(say, number))

    assert owners_log.verify(say.HARBOUR) is None


@pytest.mark.parametrize("typed", ["\x00", "\ud800", "a\x00b\udfff", "'; DROP TABLE audit_log; --", "𝕏\n\r\x1b[31m"])
def test_whatever_somebody_typed_can_be_kept(audit_log, odalys, say, typed):
    audit_log.append(entry(say, attempt={"reason": typed, typed: [typed]}))

    assert len(audit_log.entries(odalys)) == 1
    assert audit_log.verify(say.HARBOUR) is None


def test_a_refused_entry_of_a_lane_is_kept_to_look_at(worker, audit_log, odalys, accept, row_of, say):
    kept, receipt = accept()
    before = row_of(receipt.request_id)
    quarantine = Quarantine(worker, say.AUDIT_KEY)

    quarantine.refuse(lane=say.HARBOUR, body=b'{"forged": \xff\x00', cause="signature")
    quarantine.refuse(lane=say.HARBOUR, body=kept.body, cause="row_differs", request=kept.request)

    second, first = audit_log.entries(odalys)[:2]
    assert (first.kind, first.actor_id, first.facts["cause"]) == ("envelope.refused", None, "signature")
    assert first.facts["bytes"] == 13
    assert second.facts["request_id"] == str(receipt.request_id)
    assert row_of(receipt.request_id) == before


def test_an_identical_copy_is_counted(worker, accept, row_of, say):
    kept, receipt = accept()
    quarantine = Quarantine(worker, say.AUDIT_KEY)

    quarantine.replayed(lane=say.HARBOUR, request=kept.request)
    quarantine.replayed(lane=say.HARBOUR, request=kept.request)

    assert row_of(receipt.request_id).replays == 2


def test_an_unreadable_entry_is_audited_on_the_lane_of_a_guild_and_only_there(worker, audit_log, odalys, say):
    quarantine = Quarantine(worker, say.AUDIT_KEY)

    for lane in ("", "x", "-5", "0", "9" * 30, "²", str(say.HARBOUR)):
        quarantine.unreadable(lane, b"\x00garbage", "form")

    assert [found.facts["cause"] for found in audit_log.entries(odalys)] == ["form"]
