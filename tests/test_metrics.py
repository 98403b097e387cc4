"""What Prometheus reads."""

import socket
import urllib.request

import pytest

from kovra.metrics import Metrics, Reading


def page(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def served(unused_port):
    def served(metrics):
        return metrics.serve("127.0.0.1", unused_port)

    return served


@pytest.fixture
def unused_port():
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return line.getsockname()[1]


def test_what_is_watched_is_read_at_each_scrape(served):
    metrics, depths = Metrics(), iter((3, 5))
    metrics.watch("x", lambda: [Reading(name="kovra_depth", help="d", value=next(depths), labels={"queue": "guard"})])
    port = served(metrics)

    first, second = page(port), page(port)

    assert 'kovra_depth{queue="guard"} 3.0' in first
    assert 'kovra_depth{queue="guard"} 5.0' in second


def test_counts_are_told_as_counters(served):
    metrics = Metrics()
    metrics.relayed.inc(2)
    metrics.refused.labels("signature").inc()
    metrics.watch("x", lambda: [Reading(name="kovra_discord_limited", help="d", value=7, counts=True)])

    told = page(served(metrics))

    assert "kovra_relayed_total 2.0" in told
    assert 'kovra_envelopes_refused_total{cause="signature"} 1.0' in told
    assert "# TYPE kovra_discord_limited_total counter" in told
    assert "kovra_discord_limited_total 7.0" in told


def test_what_cannot_be_read_leaves_the_rest_on_the_page(served):
    metrics = Metrics()
    metrics.watch("the lanes", lambda: 1 / 0)
    metrics.watch("others", lambda: [Reading(name="kovra_other", help="o", value=1)])
    port = served(metrics)

    page(port)
    told = page(port)

    assert "kovra_other 1.0" in told
    assert 'kovra_readings_failed_total{what="the lanes"}' in told


def test_a_second_process_takes_the_next_port(served):
    first = served(Metrics())

    assert served(Metrics()) == first + 1
