"""What waits in the log channels: ten cases share a message, and each message has one sender at a time."""

from __future__ import annotations

import pytest

from kovra.actions.request import Action
from kovra.guard.case import PostResult, PostStatus
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.ids import ChannelId, UserId
from kovra.store.events import Events
from kovra.store.log_posts import PostLedger, want_edit

LOG, NOTES = ChannelId(5), ChannelId(6)
CHANNELS = LogChannels(common=LOG)
APART = LogChannels(common=LOG, by_class={EventClass.NOTES: NOTES})


@pytest.fixture
def posts(worker):
    return PostLedger(worker)


@pytest.fixture
def a_case(accept, guard):
    """``a_case(action)`` is a case whose post waits; ``a_case(post=…)`` one of which this has become."""

    def make(action=Action.NOTE, post=None, **more):
        kept, _ = accept(action=action, reason="spam", **more)
        claim = guard.take(kept)
        case = guard.apply(claim)
        if post is not None:
            guard.ledger.intend_post(claim, LOG)
        guard.ledger.finish(claim, post or PostResult(status=PostStatus.WAITING))
        return case

    return make


def numbers(one):
    return one and [shown.case.case_no for shown in one.cases]


def sent(message_id=8):
    return PostResult(status=PostStatus.SENT, channel_id=LOG, message_id=message_id)


def test_cases_that_wait_are_posted_in_their_order_ten_at_a_time(posts, a_case, web, count_rows, say):
    assert posts.waiting() == []
    for _ in range(12):
        a_case()

    assert posts.waiting() == [say.HARBOUR]
    found = [posts.next_post(say.HARBOUR, CHANNELS) for _ in range(3)]
    posts.end_post(found[0], sent())

    assert [numbers(one) for one in found] == [list(range(1, 11)), [11, 12], None]
    assert posts.waiting() == []
    assert count_rows("SELECT count(*) FROM mod_cases WHERE post_status = 'sent' AND post_message_id = 8") == 10
    assert count_rows("SELECT count(*) FROM action_requests WHERE post_status = 'waiting'") == 2
    told = Events(web).after(say.HARBOUR, 0)[-1]
    assert (told.kind, told.facts) == ("post.changed", {"from_case": 1, "to_case": 10})


def test_cases_for_one_channel_share_a_message_and_others_do_not(posts, a_case, say):
    for action in (Action.NOTE, Action.WARN, Action.NOTE):
        a_case(action, target_id=UserId(700 + len(action)))

    first, second = (posts.next_post(say.HARBOUR, APART) for _ in range(2))

    assert [(one.channel_id, numbers(one)) for one in (first, second)] == [(NOTES, [1, 3]), (LOG, [2])]


def test_a_post_whose_sender_died_is_taken_up_with_the_same_cases_and_the_first_writes_no_more(
    posts, a_case, clock, count_rows, say
):
    a_case()
    first = posts.next_post(say.HARBOUR, CHANNELS)
    assert posts.next_post(say.HARBOUR, CHANNELS) is None
    clock.forward(seconds=6)

    again = posts.next_post(say.HARBOUR, CHANNELS)
    posts.end_post(first, PostResult(status=PostStatus.UNKNOWN))

    assert (again.post_id, again.cases, again.first_at) == (first.post_id, first.cases, first.first_at)
    assert count_rows("SELECT count(*) FROM mod_cases WHERE post_status = 'unknown'") == 0


def test_while_a_channel_rests_its_cases_wait_and_those_of_others_do_not(posts, a_case, clock, say):
    a_case(Action.WARN)
    posts.put_off_post(posts.next_post(say.HARBOUR, APART), delay_s=30, code=50013)
    a_case(Action.WARN, target_id=UserId(701))
    a_case(Action.NOTE)

    meanwhile = [posts.next_post(say.HARBOUR, APART) for _ in range(2)]
    posts.end_post(meanwhile[0], sent())
    clock.forward(seconds=31)
    later = [posts.next_post(say.HARBOUR, APART) for _ in range(3)]

    assert [numbers(one) for one in meanwhile] == [[3], None]
    assert [numbers(one) for one in later[:2]] == [[1], [2]]
    assert later[0].first_at == later[0].now


def test_what_was_not_sent_goes_where_it_is_wanted_now(posts, a_case, clock, say):
    a_case()
    posts.put_off_post(posts.next_post(say.HARBOUR, CHANNELS), delay_s=30, code=10003)
    clock.forward(seconds=31)

    assert posts.next_post(say.HARBOUR, APART).channel_id == NOTES


def test_what_may_have_been_sent_is_looked_for_where_it_was(posts, a_case, clock, say):
    a_case()
    posts.next_post(say.HARBOUR, CHANNELS)
    clock.forward(seconds=6)

    assert posts.next_post(say.HARBOUR, APART).channel_id == LOG


def test_cases_outlive_the_channel_that_was_found_by_its_name(posts, a_case, clock, count_rows, say):
    for _ in range(2):
        a_case()
    gone, made_again = LogChannels(common=None), LogChannels(common=ChannelId(7))

    lost = posts.next_post(say.HARBOUR, gone)
    posts.put_off_post(lost, delay_s=30)
    meanwhile = posts.next_post(say.HARBOUR, gone)
    clock.forward(seconds=31)
    found = posts.next_post(say.HARBOUR, made_again)

    assert (lost.channel_id, lost.lost, meanwhile) == (None, True, None)
    assert (found.channel_id, found.lost, numbers(found)) == (7, False, [1, 2])
    assert count_rows("SELECT count(*) FROM action_requests WHERE post_status = 'waiting'") == 2


def test_cases_that_are_wanted_nowhere_are_not_lost(posts, a_case, say):
    a_case()

    found = posts.next_post(say.HARBOUR, LogChannels(common=None, by_class={EventClass.NOTES: None}))

    assert (found.channel_id, found.lost) == (None, False)


class TestEdits:
    """A post that does not say any more what its case is, is edited, once for all that changed."""

    @pytest.fixture
    def changed(self, worker, clock, say):
        def mark(*case_nos):
            with worker.transaction(say.HARBOUR) as session:
                for case_no in case_nos:
                    want_edit(session.connection(), say.HARBOUR, case_no, clock.now())

        return mark

    def test_all_changes_of_a_message_are_one_edit(self, posts, a_case, changed, say):
        for _ in range(3):
            a_case()
        posts.end_post(posts.next_post(say.HARBOUR, CHANNELS), sent())
        changed(1, 3, 1)
        assert posts.waiting() == [say.HARBOUR]

        edit, more = (posts.next_edit(say.HARBOUR) for _ in range(2))
        posts.end_edit(edit)

        assert (edit.channel_id, edit.message_id, numbers(edit), more) == (LOG, 8, [1, 2, 3], None)
        assert posts.waiting() == []

    def test_a_change_that_comes_meanwhile_is_another_edit(self, posts, a_case, changed, clock, say):
        a_case(post=sent())
        changed(1)
        edit = posts.next_edit(say.HARBOUR)
        clock.forward(seconds=1)
        changed(1)

        posts.end_edit(edit)

        assert numbers(posts.next_edit(say.HARBOUR)) == [1]

    def test_an_edit_that_was_put_off_or_whose_editor_died_comes_again(self, posts, a_case, changed, clock, say):
        a_case(post=sent())
        changed(1)
        posts.put_off_edit(posts.next_edit(say.HARBOUR), delay_s=10)
        clock.forward(seconds=11)
        assert posts.next_edit(say.HARBOUR) is not None
        clock.forward(seconds=6)

        assert posts.next_edit(say.HARBOUR) is not None

    def test_a_case_whose_post_is_still_to_come_is_edited_once_it_is_there(self, posts, a_case, changed, clock, say):
        a_case()
        changed(1)
        assert posts.next_edit(say.HARBOUR) is None
        posts.end_post(posts.next_post(say.HARBOUR, CHANNELS), sent())
        clock.forward(seconds=2)

        assert numbers(posts.next_edit(say.HARBOUR)) == [1]

    def test_a_case_that_has_no_post_is_not_edited(self, posts, a_case, changed, say):
        a_case(post=PostResult(status=PostStatus.REFUSED, code=50035))
        changed(1)

        assert (posts.next_edit(say.HARBOUR), posts.waiting()) == (None, [])

    def test_a_post_that_was_deleted_is_on_its_cases(self, posts, a_case, changed, count_rows, say):
        a_case(post=sent())
        changed(1)

        posts.end_edit(posts.next_edit(say.HARBOUR), gone=True)

        assert (
            count_rows("SELECT count(*) FROM mod_cases WHERE post_status = 'deleted' AND post_message_id IS NULL") == 1
        )
        assert posts.waiting() == []

    def test_an_act_on_a_case_and_its_reversal_want_an_edit_and_a_comment_does_not(
        self, posts, a_case, accept, guard, roster, count_rows, say
    ):
        from kovra.guard.case_acts import change_of

        banned = a_case(Action.BAN, post=sent())
        waiting = []
        for action, reason in ((Action.COMMENT, "hm"), (Action.VOID, "wrong person")):
            kept, _ = accept(action=action, reason=reason, params={"case_no": banned.case_no})
            claim = guard.take(kept)
            standing = roster.around(claim.request, guard.standing(claim.request))
            guard.ledger.amend(claim, standing=standing, change=change_of(claim, guard.ledger.case(claim)))
            waiting.append(count_rows("SELECT count(*) FROM post_edits"))
        posts.end_edit(posts.next_edit(say.HARBOUR))

        a_case(Action.UNBAN, post=sent(9), params={"reverses": banned.case_no})

        assert waiting == [0, 1]
        [shown] = posts.next_edit(say.HARBOUR).cases
        assert (shown.case.voided, shown.reversed_by) == (True, banned.case_no + 1)
