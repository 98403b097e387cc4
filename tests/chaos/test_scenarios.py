"""The quick form of each scenario keeps every promise. Some share one warm Kovra, others need settings of their own.

They take minutes: ``python3 -m kovra test --chaos tests/chaos/test_scenarios.py``. Without ``--chaos`` they are skipped
unless ``KOVRA_REQUIRE=all`` is set, as ``.ci/run`` does. What hangs on the speed of the machine, such as how soon it
was back, is printed and not judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.chaos import discord, gateway, matrix, net, pause, postgres, redis, rolling, soak, storm
from benchmarks.chaos.rig import Rig
from benchmarks.measure import Report

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

#: Of a guild in which things happen for half a minute. Each member is one more for the mirror to take in at the start.
FEW = {"guilds": 2, "members": 100, "banned": 12}


def run(rig: Rig, scenario: Callable[..., None], *more: Any) -> dict[str, Any]:
    """The figures of one scenario; the judge found nothing, and saw something happen."""
    report = Report(name=scenario.__name__, quick=True, host={})

    scenario(rig, report, *more)

    report.print(as_json=True)
    assert [str(finding) for finding in rig.broken] == []
    assert report.figures["ended_done"] > 0
    return report.figures


def test_no_point_of_death_loses_or_doubles_anything():
    todo = matrix.sample()
    with Rig(**matrix.shape(todo)) as rig:
        figures = run(rig, matrix.matrix, todo)

    assert figures["hit"] == figures["cells"] == len(todo)


def test_who_stands_still_acts_for_nobody_else():
    with Rig(**FEW, env=pause.PROFILE) as rig:
        assert run(rig, pause.pause)["taken_over"] > 0


def test_a_bad_day_of_discord_doubles_nothing():
    with Rig(**FEW, env=discord.PROFILE) as rig:
        assert run(rig, discord.discord)["invalid_requests"] < 1000


def test_a_bad_network_loses_nothing():
    with Rig(**FEW) as rig:
        assert run(rig, net.net)["back_ms"] is not None


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(members=250, banned=40) as started:
        yield started


def test_it_is_accepted_and_runs_when_valkey_is_away_or_forgets(rig):
    figures = run(rig, redis.redis)

    assert figures["accepts_refused"] == 0
    assert figures["back_ms"] is not None


def test_it_comes_back_after_postgresql_crashed(rig):
    assert run(rig, postgres.postgres)["back_ms"] is not None


def test_a_deploy_loses_nothing(rig):
    figures = run(rig, rolling.rolling)

    assert figures["accepted"] == figures["actions"]


def test_nothing_done_by_hand_is_missed_or_doubled_while_the_gateway_breaks(rig):
    figures = run(rig, gateway.gateway)

    assert figures["by_hand"] > 0
    assert figures["violations"] == 0


def test_a_storm_loses_and_doubles_nothing(rig):
    figures = run(rig, storm.storm, storm.QUICK_S)

    assert min(figures["kills"], figures["flushes"], figures["pg_crashes"], figures["valkey_kills"]) > 0


def test_nothing_is_left_behind(rig):
    figures = run(rig, soak.soak, soak.QUICK_S)

    assert figures["fds_growth"] == 0
    assert (figures["entries_left"], figures["pending_left"]) == (0, 0)
