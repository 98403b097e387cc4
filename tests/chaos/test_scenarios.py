"""The quick form of each scenario holds its figures. They share one warm Kovra where their settings allow.

They take minutes: ``python3 -m kovra test --chaos tests/chaos/test_scenarios.py``. Without ``--chaos`` they are skipped
unless ``KOVRA_REQUIRE=all`` is set, as ``.ci/run`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.chaos import discord, matrix, net, pause, postgres, redis, rolling, soak, storm
from benchmarks.chaos.rig import Rig
from benchmarks.measure import Report

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


def run(rig: Rig, scenario: Callable[..., None], *more: Any) -> dict[str, Any]:
    """The figures of one scenario; the judge found nothing."""
    report = Report(name=scenario.__name__, quick=True, host={})

    scenario(rig, report, *more)

    assert [str(finding) for finding in rig.broken] == []
    return report.figures


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(members=900, banned=150) as started:
        yield started


def test_it_is_accepted_and_runs_when_valkey_is_away_or_forgets(rig):
    figures = run(rig, redis.redis)

    assert figures["accepts_refused"] == 0
    assert figures["back_ms"] <= 2000


def test_it_comes_back_after_postgresql_crashed(rig):
    assert run(rig, postgres.postgres)["back_ms"] <= 5000


def test_a_deploy_loses_nothing(rig):
    figures = run(rig, rolling.rolling)

    assert figures["accepted"] == figures["actions"]


def test_a_storm_loses_and_doubles_nothing(rig):
    figures = run(rig, storm.storm, storm.QUICK_S)

    assert figures["kills"] >= 8
    assert figures["flushes"] >= 2
    assert figures["pg_crashes"] >= 1


def test_nothing_is_left_behind(rig):
    figures = run(rig, soak.soak, soak.QUICK_S)

    assert figures["rss_growth_pct"] < 5
    assert figures["fds_growth"] == 0
    assert (figures["entries_left"], figures["pending_left"]) == (0, 0)


def test_no_point_of_death_loses_or_doubles_anything():
    todo = matrix.sample()
    with Rig(webs=1, workers=3, guilds=1, members=len(todo) + matrix.SPARE, banned=len(todo)) as rig:
        figures = run(rig, matrix.matrix, todo)

    assert figures["hit"] == figures["cells"] == matrix.QUICK_CELLS
    assert figures["recovery_max_ms"] <= 10_000


def test_who_stands_still_acts_for_nobody_else():
    with Rig(env=pause.PROFILE) as rig:
        assert run(rig, pause.pause)["taken_over"] > 0


def test_a_bad_day_of_discord_doubles_nothing():
    with Rig(guilds=6, members=80, banned=20, env=discord.PROFILE) as rig:
        assert run(rig, discord.discord)["invalid_requests"] < 1000


def test_a_bad_network_loses_nothing():
    with Rig() as rig:
        assert run(rig, net.net)["back_ms"] is not None
