"""Sign-ins and sessions."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import text

from kovra.store.sessions import Sessions


@pytest.fixture
def sessions(web):
    return Sessions(web)


@pytest.fixture
def sign_in(sessions, say):
    def open_one(user_id=say.ODALYS):
        return sessions.open(user_id=user_id, username="odalys", name="Odalys", avatar=None, access_token=b"sealed")

    return open_one


def test_a_session_is_found_by_its_cookie(sessions, sign_in, say):
    cookie = sign_in()

    found = sessions.find(cookie)

    assert (found.user_id, found.username, found.name, found.access_token) == (
        say.ODALYS,
        "odalys",
        "Odalys",
        b"sealed",
    )


@pytest.mark.parametrize("cookie", ["", "x", "\ud800", "a" * 5000, "\x00"])
def test_no_other_cookie_opens_anything(sessions, sign_in, cookie):
    sign_in()

    assert sessions.find(cookie) is None


def test_a_session_idle_for_60_minutes_is_over(sessions, sign_in, clock):
    cookie = sign_in()
    clock.forward(minutes=60)
    awake = sessions.find(cookie, touch=False)
    clock.forward(seconds=1)

    assert awake is not None
    assert sessions.find(cookie) is None


def test_activity_keeps_a_session_awake(sessions, sign_in, clock):
    cookie = sign_in()
    for _ in range(5):
        clock.forward(minutes=50)
        assert sessions.find(cookie) is not None


def test_a_live_stream_is_no_activity(sessions, sign_in, clock):
    cookie = sign_in()
    clock.forward(minutes=50)
    sessions.find(cookie, touch=False)
    clock.forward(minutes=11)

    assert sessions.find(cookie) is None


def test_which_of_many_sessions_are_open(sessions, sign_in, clock):
    old, closed, fresh = sign_in(), sign_in(), sign_in()
    sessions.close(closed)
    clock.forward(minutes=50)
    sessions.find(fresh)
    hashes = {name: hashlib.sha256(name.encode()).digest() for name in (old, closed, fresh, "never")}

    assert sessions.open_among(hashes.values()) == {hashes[old], hashes[fresh]}
    clock.forward(minutes=11)
    assert sessions.open_among(hashes.values()) == {hashes[fresh]}


def test_a_session_of_12_hours_is_over_whatever_happens(sessions, sign_in, clock):
    cookie = sign_in()
    for _ in range(24):
        clock.forward(minutes=30)
        assert sessions.find(cookie) is not None
    clock.forward(seconds=1)

    assert sessions.find(cookie) is None


def test_every_sign_in_has_a_new_id(sign_in):
    """Nobody can plant an id before a sign-in and use it after."""
    assert len({sign_in() for _ in range(5)}) == 5


def test_what_opens_a_session_is_nowhere_in_the_database(sessions, sign_in, owner):
    cookie = sign_in()
    sessions.begin_login("a-state", "verifier", "/")

    with owner.transaction(None) as session:
        kept = str(session.execute(text("SELECT id_hash FROM sessions")).all())
        states = str(session.execute(text("SELECT state_hash FROM pending_logins")).all())

    assert cookie not in kept
    assert cookie.encode().hex() not in kept
    assert "a-state" not in states


def test_a_closed_session_opens_nothing(sessions, sign_in):
    first, second = sign_in(), sign_in()

    sessions.close(first)

    assert sessions.find(first) is None
    assert sessions.find(second) is not None


def test_all_sessions_of_one_user_end_at_once(sessions, sign_in, say):
    mine, also_mine, other = sign_in(), sign_in(), sign_in(say.PELL)

    ended = sessions.close_all(say.ODALYS)

    assert ended == 2
    assert [sessions.find(cookie) is None for cookie in (mine, also_mine, other)] == [True, True, False]


def test_sessions_that_are_over_are_forgotten_at_the_next_sign_in(sign_in, clock, owner):
    sign_in()
    clock.forward(hours=2)
    sign_in()

    with owner.transaction(None) as session:
        assert session.scalars(text("SELECT count(*) FROM sessions")).one() == 1


def test_a_sign_in_comes_back_once(sessions):
    sessions.begin_login("a-state", "verifier", "/g/1/cases")

    pending, again = sessions.take_login("a-state"), sessions.take_login("a-state")

    assert (pending.verifier, pending.next_path, again) == ("verifier", "/g/1/cases", None)
    assert "verifier=" not in repr(pending)


def test_a_sign_in_that_took_10_minutes_is_void(sessions, clock):
    sessions.begin_login("a-state", "verifier", "/")
    clock.forward(minutes=10)

    assert sessions.take_login("a-state") is None


def test_a_state_nobody_began_is_unknown(sessions):
    assert sessions.take_login("other") is None
