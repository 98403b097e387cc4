"""Which cells the matrix has, and which of them its quick form takes."""

from __future__ import annotations

from benchmarks.chaos.cells import ACTIONS, HALVED, MASS, QUICK_CELLS, cells, sample
from kovra.crash import BULK, EXECUTOR, HALVES, OVER_MESSAGE, POINTS, TOGETHER


def named(found):
    return {(cell.point, cell.action) for cell in found}


def test_every_action_dies_wherever_an_executor_can():
    missing = {(point, action) for point in EXECUTOR for action in ACTIONS} - named(cells())

    assert {point for point, _ in missing} == {
        *("after_notice_intent", "after_notice_post", "after_effect_intent", "after_effect_call", "after_probe")
    }
    assert {action for point, action in missing if "notice" not in point} == {"warn", "note"}


def test_no_cell_comes_twice_and_every_point_has_one():
    every = cells()

    assert len(named(every)) == len(every)
    # Those two need company, or a message: tests/path kills a worker there.
    assert {cell.point for cell in every} == set(POINTS) - {*OVER_MESSAGE, *TOGETHER}


def test_the_quick_form_is_the_same_each_time_and_has_what_is_rare():
    first, second = named(sample()), named(sample())

    assert first == second <= named(cells())
    assert len(sample()) == len(first) == QUICK_CELLS <= 24
    assert {(point, MASS) for point in BULK} | {(point, action) for point in HALVES for action in HALVED} <= first
    assert set(ACTIONS) - {"ban", "temporary ban", "softban", "kick", "mute", "warn", "unban", "note"} <= {
        action for _, action in first
    }
