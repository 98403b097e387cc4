"""Many sessions and what their people may, in one trip: as each would be found alone."""

from __future__ import annotations

import hashlib

import pytest

from kovra.actions.capabilities import Capability
from kovra.ids import GuildId
from kovra.store.sessions import Sessions
from kovra.store.viewers import Viewers, Visitor


@pytest.fixture
def sessions(web):
    return Sessions(web)


@pytest.fixture
def viewers(web, guilds):
    return Viewers(web)


@pytest.fixture
def sign_in(sessions):
    """``sign_in(user_id)`` gives the cookie."""
    return lambda user_id: sessions.open(
        user_id=user_id, username=f"u{user_id}", name="U", avatar=None, access_token=b"sealed"
    )


def known_by(cookie):
    return hashlib.sha256(cookie.encode()).digest()


def test_many_together_are_what_each_would_be_alone(viewers, sessions, guilds, mirror, give, sign_in, say):
    give(Capability.MUTE, user_id=say.QUILLON, longest_s=3600)
    give(Capability.SETTINGS, role_id=say.MODERATOR_ROLE)
    mirror.member_gone(say.HARBOUR, say.PELL)
    people = [say.ODALYS, say.ODALYS, say.QUILLON, say.STRANGER, say.OWNER, say.PELL]
    cookies = [(user_id, sign_in(user_id)) for user_id in people]

    together = viewers.of(say.HARBOUR, [*(known_by(cookie) for _, cookie in cookies), known_by("nobody's")])

    assert together == {
        known_by(cookie): Visitor(session=sessions.find(cookie, touch=False), scope=guilds.scope(user_id, say.HARBOUR))
        for user_id, cookie in cookies
    }


def test_what_a_role_is_given_reaches_nobody_who_only_came_with_its_bearer(viewers, give, sign_in, say):
    give(Capability.SETTINGS, role_id=say.MODERATOR_ROLE)
    give(Capability.MUTE, user_id=say.QUILLON)
    odalys, quillon = known_by(sign_in(say.ODALYS)), known_by(sign_in(say.QUILLON))

    together = viewers.of(say.HARBOUR, [odalys, quillon])

    assert together[odalys].scope.may(Capability.SETTINGS)
    assert together[quillon].scope.may(Capability.MUTE)
    assert not together[quillon].scope.may(Capability.SETTINGS)


def test_a_guild_without_guard_shows_nothing_to_whom_it_knows(viewers, mirror, sign_in, say):
    odalys = known_by(sign_in(say.ODALYS))
    mirror.guild_gone(say.HARBOUR)

    found = [viewers.of(guild_id, [odalys])[odalys] for guild_id in (say.HARBOUR, say.MEADOW, GuildId(1))]

    assert [visitor.scope for visitor in found] == [None, None, None]
    assert {visitor.session.user_id for visitor in found} == {say.ODALYS}


def test_a_session_that_is_over_is_left_out_and_looking_keeps_none_awake(viewers, sessions, sign_in, clock, say):
    closed, idle = sign_in(say.ODALYS), sign_in(say.ODALYS)
    sessions.close(closed)
    clock.forward(minutes=60)
    before = viewers.of(say.HARBOUR, [known_by(closed), known_by(idle)])
    clock.forward(seconds=1)

    assert before.keys() == {known_by(idle)}
    assert viewers.of(say.HARBOUR, [known_by(idle)]) == {}
