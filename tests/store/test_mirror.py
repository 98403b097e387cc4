"""What the gateway tells is written in one trip each: Discord tells of every act of Guard's own."""

from __future__ import annotations

import pytest
from sqlalchemy import event, text

from kovra.guard.native import NativeEntry
from kovra.store.mirror import BanRow, Mirror
from kovra.store.native_inbox import NativeInbox


@pytest.fixture
def trips(connect):
    """``trips(work)``: what one connection that has seen it before sends to PostgreSQL for it."""
    database = connect("kovra_bot", pool_size=1, max_overflow=0)
    mirror, inbox = Mirror(database), NativeInbox(database)

    def sent(work):
        work(mirror, inbox)
        said = []
        event.listen(database.engine, "before_cursor_execute", lambda *each: said.append(each[2].split()[0]))
        work(mirror, inbox)
        return list(said)

    return sent


def test_each_word_about_one_person_is_one_trip(trips, mirror, say):
    words = {
        "changed": lambda to, _: to.member(say.HARBOUR, say.member_row(say.QUILLON, "quillon")),
        "banned": lambda to, _: to.banned(say.HARBOUR, [a_ban(say)]),
        "left": lambda to, _: to.members_gone(say.HARBOUR, [say.QUILLON]),
        "heard": lambda _, inbox: inbox.keep(say.HARBOUR, [NativeEntry(guild_id=say.HARBOUR, audit_id=9, **BANNED)], 9),
    }

    sent = {name: trips(word) for name, word in words.items()}

    assert sent == dict.fromkeys(words, ["EXECUTE"])


def test_the_last_of_several_words_about_one_ban_counts_and_a_known_reason_stays(mirror, owner, say):
    mirror.bans(say.HARBOUR, [a_ban(say, username="before", reason="spam")], complete=True)

    mirror.banned(say.HARBOUR, [a_ban(say, username="between"), a_ban(say, username="after")])

    with owner.transaction(say.HARBOUR) as session:
        kept = session.execute(text("SELECT username, reason FROM bans")).all()
    assert kept == [("after", "spam")]


BANNED = {"kind": 22, "actor_id": 1, "target_id": 2, "reason": "spam"}


def a_ban(say, username="quillon", reason=None):
    return BanRow(user_id=say.QUILLON, username=username, global_name=None, avatar=None, bot=False, reason=reason)
