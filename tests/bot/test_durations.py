"""Durations as people type them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.actions.request import MAX_MUTE
from kovra.bot import durations
from kovra.errors import Malformed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("7d", 604_800),
        ("1w", 604_800),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        (" 2 Hours ", 7200),
        ("1 day, 2 hours", 93_600),
        ("5 min 30 secs", 330),
        ("3hrs", 10_800),
        ("2 wks", 1_209_600),
    ],
)
def test_a_duration_is_read_as_people_write_it(text, seconds):
    assert durations.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "10", "m", "10x", "-5m", "1.5h", "0s", "10m!", "h10", "９m", "9" * 30 + "d", "1mo", "2 months", "1y", "1h30"],
)
def test_what_is_no_duration_is_malformed_and_told_with_an_example(text):
    with pytest.raises(Malformed, match="10m, 2h"):
        durations.parse(text)


def test_exactly_28_days_are_the_longest_time_out_and_more_is_more():
    assert durations.parse_punishment("28d") == int(MAX_MUTE.total_seconds())
    assert durations.parse_punishment("27d") == 27 * 86_400
    assert durations.parse_punishment("60d") == 60 * 86_400


def test_what_is_longer_than_anything_ends_by_itself_is_refused():
    assert durations.parse_punishment("3650d") == 3650 * 86_400
    with pytest.raises(Malformed, match="3650 days end by themselves. Write a shorter time"):
        durations.parse_punishment("3651d")
