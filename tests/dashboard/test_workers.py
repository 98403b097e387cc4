"""The workers on the page of the Action Queue: who reads what of them, and that pages hear of a change."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from kovra.dashboard.worker_words import ranges
from tests.dashboard.test_live import Stream

#: Where the harbour's lane lies: ``(guild id >> 22) % 64``.
SHARD = (200_000_000_000_000_001 >> 22) % 64


@pytest.fixture
def pace():
    return {"heartbeat_s": 0.05, "reauthorise_s": 0.2, "longest_s": 20, "workers_s": 0.05}


@pytest.fixture
def shown(site, cast):
    def read(who):
        return site.signed_in(who).fragment(f"/g/{cast.harbour}/queue/workers").get_data(as_text=True)

    return read


def silence(owner):
    with owner.transaction(None) as session:
        session.execute(text("UPDATE workers SET heard_at = heard_at - interval '1 minute'"))


def test_the_page_says_who_executes_and_which_shard_carries_the_server(site, cast, worker):
    worker()

    page = site.signed_in(cast.moderator).get(f"/g/{cast.harbour}/queue").get_data(as_text=True)

    assert "1 worker for this server" in page
    assert f"its shard: {SHARD} of 64" in page
    assert "Alive" in page
    assert "All 64" in page


def test_only_who_runs_the_queue_reads_names_of_machines(cast, worker, shown):
    worker()

    assert "quay-1:4711" not in shown(cast.moderator)
    assert "Worker 1" in shown(cast.moderator)
    assert "quay-1:4711" in shown(cast.admin)


def test_shards_that_nobody_serves_are_told_with_the_remedy(cast, worker, shown):
    worker(shards=[SHARD, 0, 1, 2])

    assert f"Nobody serves the shards {ranges({*range(3, 64)} - {SHARD})}" in shown(cast.admin)
    assert "KOVRA_WORKER_SHARDS" in shown(cast.admin)
    # Other servers' shards are no moderator's business.
    assert "Nobody serves" not in shown(cast.moderator)


def test_a_server_whose_shard_nobody_serves_is_told_so_to_everybody_there(cast, worker, shown):
    worker(shards=[number for number in range(64) if number != SHARD])

    read = shown(cast.moderator)

    assert f"No worker serves shard {SHARD}, which carries this server." in read
    assert f"adds {SHARD} to the KOVRA_WORKER_SHARDS" in read
    assert "None for this server" in read


def test_no_worker_at_all_is_told_with_the_remedy(cast, worker, shown, owner):
    nobody = shown(cast.moderator)
    worker()
    silence(owner)
    silent = shown(cast.moderator)

    for read in (nobody, silent):
        assert "No worker runs, so nothing is executed." in read
        assert "starts one: the line “worker” of the Procfile" in read
    assert "It ended without a word, or cannot reach PostgreSQL." in silent


def test_a_worker_without_redis_is_told_apart(cast, worker, shown):
    worker(unheard_s=60.0)

    read = shown(cast.moderator)

    assert "No worker reaches Redis, so nothing is executed." in read
    assert "Waits for Redis" in read


def test_the_overview_and_the_health_check_say_that_nothing_is_executed_until_a_worker_serves_here(site, cast, worker):
    worker(shards=[number for number in range(64) if number != SHARD])
    admin = site.signed_in(cast.admin)

    def read(part):
        return admin.fragment(f"/g/{cast.harbour}/{part}").get_data(as_text=True)

    stopped = {part: read(part) for part in ("overview/now", "settings/health")}
    worker()
    back = {part: read(part) for part in stopped}

    for page in stopped.values():
        assert f"No worker serves shard {SHARD}, which carries this server." in page
        assert "waits until its time runs out" in page
        assert f"adds {SHARD} to the KOVRA_WORKER_SHARDS" in page
    assert "Executes nothing" in stopped["overview/now"]
    assert not any("No worker" in page or "Executes nothing" in page for page in back.values())


def test_open_pages_hear_that_a_worker_came_fell_silent_and_left(site, cast, worker, owner):
    stream = Stream(site.signed_in(cast.moderator), cast.harbour)

    def told(times):
        counts = [event[2]["count"] for event in stream.events if event[1] == "workers.changed"]
        return sum(counts) >= times

    stream.until(lambda _: told(1))  # the first look: the page may have been drawn before
    one = worker()
    stream.until(lambda _: told(2))
    silence(owner)
    stream.until(lambda _: told(3))
    one.leave()
    stream.until(lambda _: told(4))

    site.app.extensions["kovra_streams"].close()
    assert stream.ended.wait(20)


@pytest.mark.parametrize(
    ("numbers", "said"), [((), "None"), ((4,), "4"), ((0, 1, 2, 40), "0–2, 40"), ((9, 7, 8, 1), "1, 7–9")]
)
def test_numbers_in_a_row_are_one_range(numbers, said):
    assert ranges(numbers) == said
