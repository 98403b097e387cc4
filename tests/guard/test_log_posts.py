"""What waits is sent together, each message once; and a message reads as its cases do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from kovra.actions.request import Action, Source
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.case import Case, PostStatus
from kovra.guard.case_post import Shown
from kovra.guard.heard import Heard
from kovra.guard.log_channels import EventClass, LogChannels, class_of
from kovra.guard.log_posts import CLOSED_S, LogPost, LogPosts, PostEdit
from kovra.ids import ChannelId, GuildId, MessageId, UserId, new_request_id

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
GUILD, LOG = GuildId(1), ChannelId(5)
CLOSED, GONE = DiscordRefused(403, 50001, "Missing Access"), DiscordRefused(404, 10008, "Unknown Message")


LONG = timedelta(hours=25)


def shown(number: int, at: datetime = NOON) -> Shown:
    return Shown(
        case=Case(
            guild_id=GUILD,
            case_no=number,
            request_id=UUID(int=number),
            action=Action.BAN,
            target_id=UserId(3),
            target_name="raider",
            moderator_id=UserId(2),
            moderator_name="odalys",
            source=Source.DASHBOARD,
            reason="spam",
            created_at=at,
        )
    )


def a_post(
    *numbers: int, age: timedelta = timedelta(), channel_id: ChannelId | None = LOG, lost: bool = False, **more
) -> LogPost:
    return LogPost(
        post_id=new_request_id(),
        guild_id=GUILD,
        epoch=1,
        first_at=NOON,
        now=NOON + age,
        channel_id=channel_id,
        lost=lost,
        cases=[shown(number, **more) for number in numbers],
    )


@dataclass
class Bench:
    """The record and Discord. ``answers`` are what Discord says, in order; an id when it takes the message."""

    posts: list[LogPost] = field(default_factory=list)
    edits: list[PostEdit] = field(default_factory=list)
    answers: list = field(default_factory=list)
    said: list = field(default_factory=list)
    story: list = field(default_factory=list)
    found: MessageId | None = None
    rings: int = 0

    def log_channels(self, guild_id):
        return LogChannels(common=LOG)

    def next_post(self, guild_id, channels):
        return self.posts.pop(0) if self.posts else None

    def next_edit(self, guild_id):
        return self.edits.pop(0) if self.edits else None

    def put_off_post(self, post, *, delay_s, code=None):
        self.story.append(("put_off", delay_s, code))

    def end_post(self, post, result):
        self.story.append((result.status, result.message_id))

    def end_edit(self, edit, *, gone=False):
        self.story.append(("gone" if gone else "edited", edit.message_id))

    def put_off_edit(self, edit, *, delay_s):
        self.story.append(("put_off_edit", delay_s))

    def _answer(self, *said):
        self.said.append(said)
        answer = self.answers.pop(0) if self.answers else MessageId(9)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ring(self, guild_id):
        self.rings += 1

    def send(self, channel_id, message, *, nonce):
        return self._answer(nonce, len(message.embeds))

    def edit(self, channel_id, message_id, message):
        self._answer(message_id, len(message.embeds))

    def find_message(self, channel_id, message, *, nonce, since):
        return self.found

    def run(self, **how) -> LogPosts:
        posts = LogPosts(ledger=self, roster=self, discord=self, bulletin=self, base_url="https://k", **how)
        posts.run(GUILD)
        return posts


def an_edit(message_id: int = 9) -> PostEdit:
    return PostEdit(
        guild_id=GUILD, channel_id=LOG, message_id=MessageId(message_id), cases=[shown(1), shown(2)], wanted={1: NOON}
    )


def test_cases_that_wait_share_a_message_and_their_channel_is_left_to_them_meanwhile():
    bench = Bench(posts=[a_post(*range(1, 11)), a_post(11)])

    posts = bench.run()

    assert [count for _, count in bench.said] == [10, 1]
    assert bench.story == [(PostStatus.SENT, 9)] * 2
    assert bench.rings == 2
    assert posts.busy(LOG)
    assert not Bench(posts=[a_post(1)]).run().busy(LOG)


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (DiscordLimited(2.5), ("put_off", 2.5, None)),
        (DiscordUnreached("refused"), ("put_off", 5.0, None)),
        (CLOSED, ("put_off", CLOSED_S, 50001)),
    ],
)
def test_what_was_certainly_not_sent_waits_and_so_do_the_next_cases(error, wait):
    bench = Bench(posts=[a_post(1, 2)], answers=[error])

    posts = bench.run()

    assert bench.story == [wait]
    assert posts.busy(LOG)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DiscordRefused(400, 200000, "Blocked by AutoMod"), PostStatus.REFUSED),
        (DiscordUnknown("reset"), PostStatus.UNKNOWN),
    ],
)
def test_other_ends_are_ends(error, status):
    bench = Bench(posts=[a_post(1, 2)], answers=[error, error])

    bench.run()

    assert bench.story == [(status, None)]


def test_what_was_not_posted_for_a_day_is_not_made_up_for():
    bench = Bench(posts=[a_post(1, 2, at=NOON - timedelta(hours=25))], answers=[CLOSED])

    bench.run()

    assert bench.story == [(PostStatus.REFUSED, None)]


def test_a_message_whose_nonce_may_be_forgotten_is_only_looked_for():
    bench = Bench(posts=[a_post(1, 2, age=timedelta(minutes=2))] * 2, found=MessageId(7))

    bench.run()

    assert bench.said == []
    assert bench.story == [(PostStatus.SENT, 7)] * 2


def test_cases_that_are_wanted_nowhere_any_more_are_not_posted():
    bench = Bench(posts=[a_post(1, channel_id=None)])

    bench.run()

    assert (bench.said, bench.story) == ([], [(PostStatus.NOT_NEEDED, None)])


def test_cases_whose_channel_is_gone_wait_until_somebody_makes_one_again():
    bench = Bench(posts=[a_post(1, channel_id=None, lost=True), a_post(2, channel_id=None, lost=True, age=LONG)])

    bench.run()

    assert (bench.said, bench.story) == ([], [("put_off", CLOSED_S, None), (PostStatus.NOT_NEEDED, None)])


def test_what_was_only_heard_leaves_its_channel_to_cases():
    heard = Heard(event_id=UUID(int=1), guild_id=GUILD, event_class=EventClass.JOINS, at=NOON, user_id=UserId(3))
    only_heard = replace(a_post(), cases=(), heard=[heard] * 3)
    bench = Bench(posts=[only_heard, only_heard], answers=[MessageId(9), DiscordLimited(2.5)])

    posts = bench.run()

    assert [count for _, count in bench.said] == [3, 3]
    assert bench.story == [(PostStatus.SENT, 9), ("put_off", 2.5, None)]
    assert not posts.busy(LOG)


def test_whoever_dies_between_intent_and_record_leaves_the_same_nonce_to_the_next():
    post, points = a_post(1, 2), []
    bench = Bench(posts=[post, post])

    bench.run(at=points.append)

    assert len({nonce for nonce, _ in bench.said}) == 1
    assert points[:2] == ["after_log_intent", f"after_log_intent@{UUID(int=1)}"] or points[1].endswith("2")
    assert {"after_log_post", f"after_log_post@{UUID(int=2)}"} <= set(points)


def test_a_message_is_edited_with_all_its_cases():
    bench = Bench(edits=[an_edit()])

    bench.run()

    assert (bench.said, bench.story) == ([(9, 2)], [("edited", 9)])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (GONE, [("gone", 9), ("edited", 10)]),
        (CLOSED, [("edited", 9), ("edited", 10)]),
        (DiscordLimited(2.5), [("put_off_edit", 2.5)]),
        (DiscordUnknown("reset"), [("put_off_edit", 5.0)]),
    ],
)
def test_a_message_that_cannot_be_edited_stops_nothing(error, told):
    bench = Bench(edits=[an_edit(9), an_edit(10)], answers=[error])

    bench.run()

    assert bench.story == told


@pytest.mark.parametrize(
    ("action", "source", "its"),
    [
        (Action.BAN, Source.DASHBOARD, EventClass.ACTIONS),
        (Action.UNBAN, Source.APPEAL, EventClass.ACTIONS),
        (Action.NOTE, Source.DISCORD, EventClass.NOTES),
        (Action.BAN, Source.NATIVE, EventClass.NATIVE),
        (Action.BLOCK, Source.NATIVE, EventClass.AUTOMOD),
        (Action.MUTE, Source.AUTOMOD, EventClass.AUTOMOD),
        (Action.UNBAN, Source.SYSTEM, EventClass.ENDS),
    ],
)
def test_every_case_has_its_class(action, source, its):
    assert class_of(action, source) is its
