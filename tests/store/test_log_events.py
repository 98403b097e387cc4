"""What is heard waits for its post, ten to a message, in guilds that chose a channel for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.guard.case import PostResult, PostStatus
from kovra.guard.deleters import Deleter
from kovra.guard.heard import MOST_WAITING, Heard
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.ids import ChannelId, UserId, new_request_id
from kovra.store.log_events import LogEventKeeper
from kovra.store.log_posts import PostLedger
from kovra.store.mirror import MemberRow
from kovra.store.settings import SettingsBook

A_MEMBER = MemberRow(
    user_id=UserId(1),
    username="somebody",
    global_name=None,
    nick=None,
    avatar=None,
    bot=False,
    role_ids=(),
    joined_at=None,
    timed_out_until=None,
)

LOG, DOOR = ChannelId(5), ChannelId(6)
CHANNELS = LogChannels(common=LOG, by_class={EventClass.JOINS: DOOR, EventClass.LEAVES: DOOR, EventClass.EDITS: LOG})


@pytest.fixture
def keeper(connect, clock):
    return LogEventKeeper(connect("kovra_bot", clock=clock))


@pytest.fixture
def posts(worker):
    return PostLedger(worker)


@pytest.fixture
def rows_of(owner, say):
    """``rows_of(sql)``: the rows of the harbour."""

    def read(statement):
        with owner.transaction(say.HARBOUR) as session:
            return [tuple(row) for row in session.execute(text(statement))]

    return read


@pytest.fixture
def heard(keeper, clock, say):
    """``heard(JOINS, 3)``: three of a class, just now."""

    def keep(event_class=EventClass.JOINS, count=1, **more):
        one = Heard(
            event_id=new_request_id(),
            guild_id=say.HARBOUR,
            event_class=event_class,
            at=clock.now(),
            user_id=say.PELL,
            user_name="Pell",
        )
        keeper.keep(say.HARBOUR, [replace(one, event_id=new_request_id(), **more) for _ in range(count)])

    return keep


@pytest.fixture
def next_posts(posts, say):
    def take(count=1):
        found = [posts.next_post(say.HARBOUR, CHANNELS) for _ in range(count)]
        return [one and (one.channel_id, [each.event_class.value for each in one.heard]) for one in found]

    return take


def sent():
    return PostResult(status=PostStatus.SENT, channel_id=DOOR, message_id=8)


def test_what_was_heard_shares_a_message_and_is_forgotten_once_it_is_posted(
    posts, heard, clock, count_rows, next_posts, say
):
    heard(count=12)
    heard(EventClass.EDITS)
    assert (posts.waiting(), next_posts()) == ([], [None])
    clock.forward(seconds=3)

    assert posts.waiting() == [say.HARBOUR]
    first = posts.next_post(say.HARBOUR, CHANNELS)
    posts.end_post(first, sent())

    assert (first.channel_id, len(first.heard), first.cases) == (DOOR, 10, ())
    assert count_rows("SELECT count(*) FROM log_events") == 3
    assert count_rows("SELECT count(*) FROM log_posts") == 0
    assert next_posts(3) == [(DOOR, ["joins"] * 2), (LOG, ["edits"]), None]


def test_a_post_whose_sender_died_is_taken_up_with_the_same(posts, heard, clock, say):
    heard(count=2)
    clock.forward(seconds=3)
    first = posts.next_post(say.HARBOUR, CHANNELS)
    clock.forward(seconds=3)

    again = posts.next_post(say.HARBOUR, CHANNELS)

    assert (again.post_id, again.heard, again.first_at) == (first.post_id, first.heard, first.first_at)


def test_what_nobody_wants_any_more_is_forgotten(posts, heard, clock, count_rows, say):
    heard(EventClass.DELETIONS, 3)
    clock.forward(seconds=3)

    assert posts.next_post(say.HARBOUR, CHANNELS) is None
    assert count_rows("SELECT count(*) FROM log_events") == 0


def test_cases_go_first_and_do_not_wait_for_what_was_only_heard(posts, heard, accept, guard, clock, next_posts, say):
    only = LogChannels(common=DOOR, by_class={EventClass.JOINS: DOOR})
    heard(count=2)
    clock.forward(seconds=3)
    posts.put_off_post(posts.next_post(say.HARBOUR, only), delay_s=30, code=50013)
    heard()
    kept, _ = accept(action=Action.NOTE, reason="spam")
    claim = guard.take(kept)
    guard.apply(claim)
    guard.ledger.finish(claim, PostResult(status=PostStatus.WAITING))
    clock.forward(seconds=3)

    case, more = (posts.next_post(say.HARBOUR, only) for _ in range(2))

    assert [one.case.case_no for one in case.cases] == [1]
    assert more is None


def test_of_a_flood_only_so_many_wait_and_the_others_are_counted(heard, clock, rows_of):
    heard(count=MOST_WAITING - 1)
    heard(count=5)
    heard(EventClass.EDITS, 3)
    heard(EventClass.EDITS, 4)

    assert rows_of(
        "SELECT event_class, (facts ->> 'missed')::int FROM log_events WHERE facts ? 'missed' ORDER BY event_class DESC"
    ) == [
        ("joins", 4),
        ("edits", 7),
    ]


@pytest.fixture
def leave(keeper, mirror, clock, say):
    """``leave(user_id, joined_at)``: whoever joined then leaves now."""

    def go(user_id, joined_at):
        mirror.member(say.HARBOUR, replace(A_MEMBER, user_id=user_id, joined_at=joined_at))
        left = Heard(
            event_id=new_request_id(),
            guild_id=say.HARBOUR,
            event_class=EventClass.LEAVES,
            at=clock.now(),
            user_id=user_id,
        )
        keeper.left(say.HARBOUR, [left])
        clock.forward(seconds=5)

    return go


@pytest.fixture
def case_of(accept, guard):
    """``case_of(KICK, target_id)``: the number of the case of it, done now."""

    def carry(action, target_id):
        kept, _ = accept(action=action, reason="spam", target_id=target_id)
        claim = guard.take(kept)
        case = guard.apply(claim)
        guard.ledger.finish(claim, sent())
        return case.case_no

    return carry


def test_the_case_that_ended_a_membership_is_told_with_the_leaving(posts, clock, leave, case_of, say):
    long_ago = clock.now() - timedelta(days=9)
    leave(say.QUILLON, long_ago)
    kick = case_of(Action.KICK, say.PELL)
    leave(say.PELL, long_ago)
    case_of(Action.BAN, say.QUILLON)
    leave(say.PELL, clock.now() - timedelta(seconds=2))

    found = posts.next_post(say.HARBOUR, CHANNELS).heard

    told = [(one.user_id, one.case_no) for one in found]
    assert told == [(say.QUILLON, None), (say.PELL, kick), (say.PELL, None)]


def test_what_guard_was_asked_to_delete_is_told_with_its_case(posts, heard, accept, guard, clock, say):
    kept, _ = accept(action=Action.PURGE, reason="spam", target_id=say.PELL, params={"count": 2, "of_member": 1})
    claim = guard.take(kept)
    guard.ledger.intend_effect(claim, {"parts": [["5", ["71", "72"]]], "done": 0})
    over = {"delete_channel_id": 5, "delete_message_id": 73, "duration_s": 60}
    held, _ = accept(action=Action.MUTE, reason="spam", target_id=say.QUILLON, params=over)
    case = guard.apply(guard.take(held))
    for message_id in ("71", "73", "74"):
        heard(EventClass.DELETIONS, facts={"message_id": message_id, "text": "", "by": ["9"], "certain": False})
        clock.forward(milliseconds=1)
    clock.forward(seconds=3)

    found = posts.next_post(say.HARBOUR, LogChannels(common=LOG, by_class={EventClass.DELETIONS: LOG})).heard

    told = {one.facts["message_id"]: (one.facts.get("asked_by"), one.case_no) for one in found}
    who = str(say.ODALYS)
    assert told == {"71": (who, None), "73": (who, case.case_no), "74": (None, None)}


def test_who_deleted_is_kept_until_the_post_is_begun(keeper, posts, heard, clock, rows_of, say):
    heard(EventClass.DELETIONS, facts={"message_id": "71"})
    [(event_id,)] = rows_of("SELECT event_id FROM log_events")

    keeper.credit(say.HARBOUR, {event_id: Deleter(actor_ids=(say.ODALYS,), certain=False)})
    clock.forward(seconds=3)
    [told] = posts.next_post(say.HARBOUR, LogChannels(common=LOG, by_class={EventClass.DELETIONS: LOG})).heard
    keeper.credit(say.HARBOUR, {event_id: Deleter(actor_ids=(say.PELL,), certain=True)})

    assert told.facts == {"message_id": "71", "by": [str(say.ODALYS)], "certain": False}
    assert rows_of("SELECT facts FROM log_events") == [(told.facts,)]


def test_only_guilds_that_chose_a_channel_are_listened_to(keeper, web, guilds, mirror, say):
    settings, owner = SettingsBook(web, say.AUDIT_KEY), guilds.scope(say.OWNER, say.HARBOUR)
    before = keeper.wanted()

    settings.change_log_channels(owner, None, {EventClass.JOINS: say.MOD_LOG, EventClass.NOTES: None})

    assert (before, keeper.wanted()) == ({}, {say.HARBOUR: frozenset({EventClass.JOINS})})


def test_what_is_new_about_a_member_is_what_differs_from_the_mirror(keeper, mirror, rows_of, clock, say):
    before = MemberRow(
        user_id=say.PELL,
        username="pell",
        global_name=None,
        nick="Pell",
        avatar=None,
        bot=False,
        role_ids=(7, say.HARBOUR),
        joined_at=None,
        timed_out_until=None,
    )
    mirror.member(say.HARBOUR, before)
    both = frozenset({EventClass.NAMES, EventClass.ROLES})

    keeper.changed(say.HARBOUR, before, clock.now(), both)
    keeper.changed(say.HARBOUR, replace(before, nick=None, role_ids=(8,)), clock.now(), both)
    keeper.changed(say.HARBOUR, replace(before, nick=None, role_ids=(8,)), clock.now(), {EventClass.ROLES})

    roles = {"given": ["8"], "taken": ["7"]}
    found = rows_of("SELECT event_class, facts FROM log_events ORDER BY event_class")
    assert found == [("names", {"changed": {"nick": ["Pell", None]}}), ("roles", roles), ("roles", roles)]
