"""Rules that hold whoever asks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.actions.request import MAX_DELETE_WINDOW_S, MAX_DURATION, MAX_REASON, Action, Source, State
from kovra.errors import Malformed
from kovra.ids import GuildId, UserId
from tests.wishes import ASKED


@pytest.mark.parametrize("action", ASKED)
def test_every_action_can_be_asked_for(a, action):
    assert a(action).action is action


@pytest.mark.parametrize("action", [Action.WARN, Action.NOTE])
@pytest.mark.parametrize("reason", ["", "  ", "\n\t"])
def test_warn_and_note_need_a_reason(a, action, reason):
    with pytest.raises(Malformed, match="needs a reason"):
        a(action, reason=reason)


@pytest.mark.parametrize("action", [Action.BAN, Action.UNBAN, Action.KICK, Action.MUTE, Action.UNMUTE])
def test_other_actions_need_none(a, action):
    assert a(action, reason="").reason == ""


def test_a_reason_keeps_its_length_up_to_the_limit_and_is_trimmed_before_it_is_measured(a):
    assert a(reason=f"  {'x' * MAX_REASON}\n").reason == "x" * MAX_REASON
    with pytest.raises(Malformed, match="4001"):
        a(reason="x" * (MAX_REASON + 1))


@pytest.mark.parametrize("letter", ["\x00", "\x01", "\x1b", "\ud800"])
def test_a_character_that_no_text_may_hold_is_refused(a, letter):
    with pytest.raises(Malformed, match="character"):
        a(reason=f"a{letter}b")


@pytest.mark.parametrize("reason", ["zwei\nZeilen", "🦊 ünï", "<script>alert(1)</script>", "'; DROP TABLE x; --"])
def test_any_other_text_is_kept_as_it_is(a, reason):
    assert a(reason=reason).reason == reason


@pytest.mark.parametrize(
    ("action", "params"),
    [
        (Action.BAN, {"delete_window_s": -1}),
        (Action.BAN, {"delete_window_s": MAX_DELETE_WINDOW_S + 1}),
        (Action.BAN, {"delete_window_s": 1.0}),
        (Action.BAN, {"delete_window_s": True}),
        (Action.BAN, {"delete_window_s": "60"}),
        (Action.BAN, {"delete_window_s": None}),
        (Action.BAN, {"duration_s": 0}),
        (Action.BAN, {"duration_s": int(MAX_DURATION.total_seconds()) + 1}),
        (Action.KICK, {"duration_s": 60}),
        (Action.KICK, {"delete_window_s": 0}),
        (Action.MUTE, {}),
        (Action.MUTE, {"duration_s": 0}),
        (Action.MUTE, {"duration_s": int(MAX_DURATION.total_seconds()) + 1}),
        (Action.UNMUTE, {"duration_s": 60}),
        (Action.NOTE, {"anything": 1}),
    ],
)
def test_a_parameter_out_of_its_bounds_is_refused(a, action, params):
    with pytest.raises(Malformed):
        a(action, params=params)


@pytest.mark.parametrize(
    ("action", "params"),
    [
        (Action.BAN, {"delete_window_s": 0}),
        (Action.BAN, {"delete_window_s": MAX_DELETE_WINDOW_S}),
        (Action.MUTE, {"duration_s": 1}),
        (Action.MUTE, {"duration_s": int(MAX_DURATION.total_seconds())}),
        (Action.BAN, {"duration_s": int(MAX_DURATION.total_seconds())}),
    ],
)
def test_the_bounds_themselves_are_allowed(a, action, params):
    assert dict(a(action, params=params).params) == params


def test_a_request_cannot_be_changed_through_the_mapping_it_was_made_from(a):
    params = {"duration_s": 60}
    request = a(Action.MUTE, params=params)
    params["duration_s"] = 9_999_999

    assert request.params["duration_s"] == 60
    with pytest.raises(TypeError):
        request.params["duration_s"] = 1


@pytest.mark.parametrize(
    "changed",
    [
        {"guild_id": GuildId(1)},
        {"target_id": UserId(1)},
        {"moderator_id": UserId(1)},
        {"source": Source.API},
        {"reason": "other"},
        {"params": {"delete_window_s": 60}},
    ],
)
def test_two_wishes_have_two_fingerprints_and_the_moment_is_no_part_of_it(a, changed, noon):
    assert a(**changed).fingerprint() != a().fingerprint()
    assert a(issued_at=noon + timedelta(minutes=1)).fingerprint() == a().fingerprint()


def test_three_states_have_something_to_come():
    assert {state for state in State if not state.terminal} == {State.ACCEPTED, State.EXECUTING, State.APPLIED}


@pytest.mark.parametrize("action", [Action.UNBAN, Action.MUTE])
def test_only_guard_itself_keeps_the_end_of_a_case(a, action):
    for source in Source:
        if source is Source.SYSTEM:
            assert a(action, source=source, params={"for_case": 42}).for_case == 42
            continue
        with pytest.raises(Malformed):
            a(action, source=source, params={"for_case": 42})
