"""A storm of hints becomes a handful of frames, and nothing of it is left out."""

from __future__ import annotations

import pytest

from kovra.ids import GuildId
from kovra.live.events import Hint, HintKind
from kovra.live.hints import MOST_IDS, Gathering

GUILD, OTHER = GuildId(110_000_000_000_000_001), GuildId(110_000_000_000_000_009)


def joined(user_id, guild_id=GUILD, kind=HintKind.MEMBER_JOINED):
    return Hint(guild_id=guild_id, kind=kind, facts={"user_id": str(user_id)})


def told_of(hints, until_s=60.0):
    """What is told, and when, of ``(moment, hint)`` in their order."""
    gathering, told = Gathering(), []

    def wait(until):
        while gathering.next_at <= until:
            now = gathering.next_at
            told.extend((now, hint) for hint in gathering.due(now))

    for moment, hint in hints:
        wait(moment)
        if at_once := gathering.take(hint, moment):
            told.append((moment, at_once))
    wait(until_s)
    return told


def test_a_single_hint_is_told_at_once():
    assert told_of([(5.0, joined(7))]) == [
        (5.0, Hint(guild_id=GUILD, kind=HintKind.MEMBER_JOINED, facts={"count": 1, "user_ids": ["7"]}))
    ]


def test_three_hundred_joins_in_ten_seconds_are_told_in_five_frames():
    told = told_of([(number / 30, joined(number)) for number in range(300)])

    assert [moment for moment, _ in told] == pytest.approx([0, 1, 3, 7, 11])
    assert sum(hint.facts["count"] for _, hint in told) == 300


def test_the_last_of_a_storm_is_told_too():
    told = told_of([(0.0, joined(1)), (0.2, joined(2)), (0.4, joined(3)), (0.4, joined(3))])

    assert [(moment, hint.facts) for moment, hint in told] == [
        (0.0, {"count": 1, "user_ids": ["1"]}),
        (1.0, {"count": 3, "user_ids": ["2", "3"]}),
    ]


def test_after_a_quiet_time_the_next_is_told_at_once_again():
    told = told_of([(0.0, joined(1)), (0.5, joined(2)), (3.5, joined(3))])

    assert [moment for moment, _ in told] == [0.0, 1.0, 3.5]


def test_kinds_and_guilds_do_not_hold_up_each_other():
    storm = [
        (0.0, joined(1)),
        (0.1, joined(1, kind=HintKind.MEMBER_LEFT)),
        (0.2, joined(1, guild_id=OTHER)),
    ]

    assert [moment for moment, _ in told_of(storm)] == [0.0, 0.1, 0.2]


def test_too_many_ids_to_name_mean_any():
    told = told_of([(0.0, joined(0)), *((0.1, joined(number)) for number in range(1, MOST_IDS + 2))])

    assert told[1][1].facts == {"count": MOST_IDS + 1}


def test_what_has_ended_leaves_nothing_behind():
    gathering = Gathering()
    gathering.take(joined(1), 0.0)

    assert gathering.due(2.0) == []
    assert gathering.next_at == float("inf")
    assert not gathering._spells
