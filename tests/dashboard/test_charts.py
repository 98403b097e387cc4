"""Where the bars and lines of a chart stand."""

from __future__ import annotations

import pytest

from kovra.dashboard import charts


@pytest.mark.parametrize(
    ("highest", "values"), [(0, [0, 1]), (1, [0, 1]), (83, [0, 50, 100]), (66, [0, 20, 40, 60, 80])]
)
def test_lines_across_stand_at_round_numbers_and_the_top_one_is_not_below_the_highest(highest, values):
    across = charts.ticks(highest)

    assert [tick.value for tick in across] == values
    assert (across[0].y, across[-1].y) == (100, 0)


def test_a_bar_is_as_high_as_its_parts_together():
    drawn = charts.bars([("1 Nov", "all", {"ban": 30, "warn": 50}), ("2 Nov", "none", {})], ("warn", "ban"), [1])

    first, second = drawn.columns
    assert [(part.series, part.y) for part in first.parts] == [("warn", 37.5), ("ban", 0)]
    assert second.parts == []
    assert [column.label for column in drawn.columns] == ["", "2 Nov"]
    assert first.x + first.width == second.x


def test_the_smallest_number_is_still_seen():
    drawn = charts.bars([("", "", {"ban": 1, "warn": 9_999})], ("warn", "ban"), [])

    assert min(part.height for part in drawn.columns[0].parts) >= 0.4


def test_a_line_has_a_gap_where_nothing_was_measured():
    drawn = charts.line([100, 50, None, 0, None, 25], top=100)

    assert drawn.path == "M0 0L20 50M60 100L60.6 100M99.4 75L100 75"


@pytest.mark.parametrize(("value", "highest", "level"), [(0, 9, 0), (1, 9, 1), (9, 9, 4), (1, 1, 1), (5, 9, 2)])
def test_a_field_of_a_heat_map_is_dark_as_its_number_is_high(value, highest, level):
    assert charts.shade(value, highest) == level


def test_the_fields_of_a_heat_map_stand_in_rows_and_columns():
    fields = charts.fields(
        [[(0, "Mon 00:00: 0 cases"), (4, "Mon 01:00: 9 cases")], [(1, "Tue 00:00"), (2, "Tue 01:00")]]
    )

    assert [(one.x, one.y, one.level) for one in fields] == [
        (0.25, 0.8, 0),
        (50.25, 0.8, 4),
        (0.25, 50.8, 1),
        (50.25, 50.8, 2),
    ]
    assert fields[1].title == "Mon 01:00: 9 cases"
