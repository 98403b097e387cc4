"""Test messages: where they go, what they say, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from kovra.actions.request import Action
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.guard.message_tests import COMMON, NOTICE, TRIED_FOR, Arrival, MessageTest, MessageTests
from kovra.guard.notice_texts import NoticeTexts
from kovra.guard.notices import NONCE_TRUSTED
from kovra.ids import ChannelId, GuildId, MessageId, UserId, new_request_id

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
GUILD, LOG, JOINS, DM, TAMSIN = GuildId(1), ChannelId(5), ChannelId(6), ChannelId(7), UserId(8)


def a_test(kind=COMMON, age=timedelta(), tried=timedelta()):
    return MessageTest(
        test_id=new_request_id(),
        guild_id=GUILD,
        kind=kind,
        asked_by=TAMSIN,
        asked_by_name="tamsin",
        asked_at=NOON - age,
        first_at=NOON - tried,
        now=NOON,
    )


@dataclass
class Bench:
    """The record, what is set, and Discord; ``answer`` is what Discord says."""

    tests: list = field(default_factory=list)
    answer: Exception | MessageId = MessageId(9)
    common: ChannelId | None = LOG
    sent: list = field(default_factory=list)
    ended: list = field(default_factory=list)
    later: list = field(default_factory=list)
    rings: list = field(default_factory=list)

    def next_test(self, guild_id):
        return self.tests.pop(0) if self.tests else None

    def put_off_test(self, test, *, delay_s):
        self.later.append(delay_s)

    def end_test(self, test, status, *, code, channel_id):
        self.ended.append((status, code, channel_id))

    def log_channels(self, guild_id):
        return LogChannels(common=self.common, by_class={EventClass.JOINS: JOINS})

    def notice_texts(self, guild_id):
        return NoticeTexts(server="Harbour", by_action={Action.BAN: "Bye {member}: {reason}"})

    def open_dm(self, user_id):
        assert user_id == TAMSIN
        return DM

    def send(self, channel_id, message, *, nonce):
        self.sent.append((channel_id, message.content, nonce))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def find_message(self, channel_id, message, *, nonce, since):
        return None

    def ring(self, guild_id):
        self.rings.append(guild_id)

    def run(self, *tests):
        self.tests = list(tests)
        return MessageTests(ledger=self, roster=self, discord=self, bulletin=self).run(GUILD)


@pytest.mark.parametrize(("kind", "channel_id"), [(COMMON, LOG), ("joins", JOINS), ("notes", LOG)])
def test_a_test_goes_where_its_posts_go_and_names_who_asked(kind, channel_id):
    bench = Bench()

    assert bench.run(a_test(kind)) == 1

    [(where, text, _)] = bench.sent
    assert where == channel_id
    assert "tamsin" in text
    assert bench.ended == [(Arrival.SENT, None, channel_id)]
    assert bench.rings == [GUILD]


def test_a_notice_goes_to_whoever_asks_in_the_server_s_own_words():
    bench = Bench()

    bench.run(a_test(NOTICE + "ban"))

    [(where, text, _)] = bench.sent
    assert where == DM
    assert text.startswith("-# Test from Kovra: nothing was done to you.\nBye tamsin: Third spoiler")
    assert bench.ended == [(Arrival.SENT, None, DM)]


def test_a_refusal_is_told_with_its_code_and_not_tried_again():
    bench = Bench(answer=DiscordRefused(403, 50013, "Missing Permissions"))

    bench.run(a_test())

    assert bench.ended == [(Arrival.REFUSED, 50013, LOG)]
    assert (len(bench.sent), bench.later) == (1, [])


def test_what_is_chosen_nowhere_any_more_is_not_sent():
    bench = Bench(common=None)

    bench.run(a_test())

    assert bench.sent == []
    assert bench.ended == [(Arrival.NOWHERE, None, None)]


@pytest.mark.parametrize(
    ("answer", "wait_s"), [(DiscordLimited(retry_after_s=7.0), 7.0), (DiscordUnreached("no"), 5.0)]
)
def test_discord_away_is_waited_for_as_long_as_somebody_watches(answer, wait_s):
    early, late = Bench(answer=answer), Bench(answer=answer)

    early.run(a_test())
    late.run(a_test(age=TRIED_FOR - timedelta(seconds=wait_s)))

    assert (early.later, early.ended) == ([wait_s], [])
    assert (late.later, late.ended) == ([], [(Arrival.UNREACHED, None, LOG)])


def test_what_may_have_been_sent_long_ago_is_looked_for_and_not_sent_again():
    bench = Bench()

    bench.run(a_test(tried=NONCE_TRUSTED + timedelta(seconds=1)))

    assert bench.sent == []
    assert bench.ended == [(Arrival.UNKNOWN, None, LOG)]


def test_no_answer_is_told_as_that():
    bench = Bench(answer=DiscordUnknown("cut off"))

    bench.run(a_test())

    assert bench.ended == [(Arrival.UNKNOWN, None, LOG)]
    assert len({nonce for _, _, nonce in bench.sent}) == 1
