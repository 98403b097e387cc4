"""Test messages as rows: asked for within bounds, taken by one, and never told of by the wrong one."""

from __future__ import annotations

import pytest

from kovra.guard.message_tests import COMMON, Arrival
from kovra.ids import ChannelId
from kovra.store.message_tests import APART, KINDS, MOST, AskedTests, MessageTestLedger
from kovra.store.settings import TAKES_SETTINGS


@pytest.fixture
def asked(web, mirror, say):
    return AskedTests(web, say.AUDIT_KEY)


@pytest.fixture
def ledger(worker):
    return MessageTestLedger(worker)


@pytest.fixture
def rosalind(guilds, say):
    """The owner."""
    return guilds.scope(say.OWNER, say.HARBOUR)


def test_a_test_is_taken_once_and_its_end_is_read(asked, ledger, rosalind, say, kinds, clock):
    assert asked.ask(rosalind, COMMON) is None

    test = ledger.next_test(say.HARBOUR)
    again = ledger.next_test(say.HARBOUR)
    waiting = asked.of(rosalind)[COMMON].status
    ledger.end_test(test, Arrival.REFUSED, code=50013, channel_id=ChannelId(5))

    last = asked.of(rosalind)[COMMON]
    assert (test.kind, test.asked_by, test.asked_by_name, again) == (COMMON, say.OWNER, "rosalind", None)
    assert waiting is Arrival.SENDING
    assert (last.status, last.code, last.asked_by_name) == (Arrival.REFUSED, 50013, "rosalind")
    assert kinds() == ["message.tested", "message.tested"]


def test_whoever_died_with_it_leaves_it_to_the_next_under_the_same_id(asked, ledger, rosalind, say, clock):
    asked.ask(rosalind, COMMON)
    first = ledger.next_test(say.HARBOUR)
    clock.forward(seconds=6)

    second = ledger.next_test(say.HARBOUR)

    assert (second.test_id, second.first_at) == (first.test_id, first.first_at)


def test_what_was_certainly_not_sent_begins_anew_when_it_is_tried_again(asked, ledger, rosalind, say, clock):
    asked.ask(rosalind, COMMON)
    ledger.put_off_test(ledger.next_test(say.HARBOUR), delay_s=9.0)
    clock.forward(seconds=8)
    early = ledger.next_test(say.HARBOUR)
    clock.forward(seconds=2)

    assert early is None
    assert ledger.next_test(say.HARBOUR).first_at == clock.now()


def test_an_older_test_does_not_speak_for_a_newer(asked, ledger, rosalind, say, clock):
    asked.ask(rosalind, COMMON)
    older = ledger.next_test(say.HARBOUR)
    clock.forward(seconds=APART.total_seconds())
    asked.ask(rosalind, COMMON)

    ledger.end_test(older, Arrival.SENT, code=None, channel_id=ChannelId(5))

    assert asked.of(rosalind)[COMMON].status is Arrival.SENDING


def test_one_of_a_kind_is_asked_for_again_only_after_a_while(asked, rosalind, clock):
    asked.ask(rosalind, COMMON)
    clock.forward(seconds=5)

    assert asked.ask(rosalind, COMMON) == "One was asked for just now. Try again in 11 s."
    clock.forward(seconds=10)
    assert asked.ask(rosalind, COMMON) is None


def test_a_server_has_so_many_in_a_minute_and_another_its_own(asked, guilds, rosalind, say, clock):
    some = sorted(KINDS)
    assert [asked.ask(rosalind, kind) for kind in some[:MOST]] == [None] * MOST

    assert "within a minute" in asked.ask(rosalind, some[MOST])
    assert asked.ask(guilds.scope(say.OWNER, say.MEADOW), some[MOST]) is None
    clock.forward(seconds=60)
    assert asked.ask(rosalind, some[MOST]) is None


def test_it_takes_settings_and_a_kind_there_is(asked, rosalind, odalys, ledger, say):
    assert asked.ask(odalys, COMMON) == TAKES_SETTINGS
    assert "There is no such test" in asked.ask(rosalind, "everywhere")
    assert ledger.next_test(say.HARBOUR) is None


def test_the_loop_of_the_posts_hears_of_it(asked, rosalind, worker, say):
    from kovra.store.log_posts import PostLedger

    asked.ask(rosalind, COMMON)

    assert PostLedger(worker).waiting() == [say.HARBOUR]
