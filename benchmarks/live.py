"""How fast one event reaches every open page of a guild, what that costs, and what it does to everybody else.

Clients on one web process (one gunicorn gevent worker), all in one guild, at 2 and at 50 events a second; beside it, in
the same run, three others with the same payload and the same reader: a Redis connection per client, nginx with nchan,
and bare sends. All hold their clients at the same time and take turns of a second or two, so that whatever else the
machine does meets each of them; a Redis connection per client comes after the others, for it falls behind. An event's
time begins when it is due: whoever is slow to take it in, as nchan is while it writes, is late with the next. Kovra's
holds its transaction, nchan's its POST. CPU is that of the process that writes to the sockets, per event and client,
with its heartbeats and looks at rights; memory is what it grew by.
"""

from __future__ import annotations

import http.client
import itertools
import resource
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import redis
from sqlalchemy import create_engine, text

from benchmarks.fanout.readers import Readers
from benchmarks.fanout.ways import Floor, Kovra, Nchan, PerClient, Way, cpu_s, rss_kib
from benchmarks.measure import Report, host, percentile, say, sleep_until
from kovra.launcher.postgres import EmbeddedPostgres
from kovra.launcher.valkey import EmbeddedValkey
from kovra.store.database import sqlalchemy_url
from kovra.store.migrate import upgrade

CLIENTS = (200, 1000, 4000)
#: Held at once on one worker.
MOST = 10_000
#: Events a second, what their keys end in, how many of them are a turn, and turns of each way: short and long form.
RATES = ((2, "", 4, (1, 6)), (50, "_50", 40, (1, 4)))
PREFIXES = ("", "per_client_", "nchan_", "floor_")
#: Opened and closed again before memory is looked at: what a process loads once belongs to no client.
WARM = 20
#: How long the last event may be on its way, in seconds.
PATIENCE_S = 20.0


def main(quick: bool, json: bool, clients: Sequence[int] | None = None) -> int:
    """Run and print; 0 when the run was valid."""
    asked = clients or (*CLIENTS, *([] if quick else [MOST]))
    counts, most = [count for count in asked if count < MOST], [count for count in asked if count >= MOST]
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="kovra-bench-")))
        folder.chmod(0o711)
        postgres = opened.enter_context(EmbeddedPostgres(folder / "postgres", durable=False))
        valkey = opened.enter_context(EmbeddedValkey(folder / "valkey", durable=False, port=0))
        report = Report(name="live", quick=quick, host=host(**_versions(postgres.url, valkey.url)))
        say("starting everything")
        upgrade(postgres.url)
        ways: list[Way] = [
            Kovra(folder, postgres.url, valkey.url, max(asked)),
            PerClient(folder, valkey.url),
            *([] if Nchan.lacking() else [Nchan(folder)]),
            Floor(),
        ]
        for way in ways:
            opened.callback(way.close)
        for way in ways:
            warm = Readers(way.address, way.heads(WARM))
            warm.open()
            way.publish(time.monotonic())
            warm.close()
        grown_from = {way.prefix: rss_kib(way.pids) for way in ways}
        for count in counts:
            too_long = quick and count == max(CLIENTS)
            if too_long:
                why = "opening them takes longer than the short form may"
                report.unmeasured(f"{PerClient.prefix}p99_{count}_ms", why)
            held = [way for way in ways if not (too_long and isinstance(way, PerClient))]
            _compare(report, held, count, quick, grown_from)
        if Nchan.lacking():
            for count, key in itertools.product(counts, ("p50_{}_ms", "p99_{}_ms", "cpu_us_{}", "kib_client_{}")):
                report.unmeasured(f"nchan_{key.format(count)}", str(Nchan.lacking()))
        for count in most:
            say(f"{count} clients")
            report.add("max_clients", _held(ways[0], count))
        for count in set(CLIENTS) - set(counts):
            report.unmeasured(f"p99_{count}_ms", "not asked for: --clients")
        if not most:
            why = "opening 10,000 streams takes longer than the short form may" if quick else "not asked for: --clients"
            report.unmeasured("max_clients", why)
    report.print(as_json=json)
    return 0


def _compare(report: Report, ways: Sequence[Way], clients: int, quick: bool, grown_from: Mapping[str, int]) -> None:
    measured = [_Measured(way, clients, grown_from[way.prefix], report) for way in ways]
    behind = [each for each in measured if isinstance(each.way, PerClient)]
    abreast = [each for each in measured if each not in behind]
    for rate, suffix, count, turns in RATES:
        for number in range(turns[not quick]):
            first = number % len(abreast)
            for each in abreast[first:] + abreast[:first]:
                each.turn(rate, count)
        for each in behind:
            each.turn(rate, count)
        for each in measured:
            each.add_to(report, suffix)
        say(f"{clients} clients, {rate} events a second: measured")
    for each in measured:
        each.close()


class _Measured:
    """One way with its clients, and what its turns came to."""

    def __init__(self, way: Way, clients: int, grown_from: int, report: Report) -> None:
        self.way, self._clients = way, clients
        began = cpu_s(way.pids)
        self._readers = Readers(way.address, way.heads(clients))
        self._held = self._readers.open()
        report.add(f"{way.prefix}kib_client_{clients}", (rss_kib(way.pids) - grown_from) / clients)
        report.add(f"{way.prefix}connect_cpu_us_{clients}", (cpu_s(way.pids) - began) / clients * 1e6, digits=0)
        if self._held < clients:
            report.notes[f"{way.prefix}clients_{clients}"] = f"only {self._held} streams opened"
        self._begin()

    def _begin(self) -> None:
        self._heard, self._others = list[float](), list[float]()
        self._events = self._failed = 0
        self._cpu_s = 0.0

    def turn(self, rate: int, count: int) -> None:
        """So many events, and half as many again with others about: what they ask for costs CPU too."""
        self._readers.heard()
        spent = cpu_s(self.way.pids)
        self._heard += _publish(self.way, self._readers, rate, count, self._held)
        self._cpu_s += cpu_s(self.way.pids) - spent
        self._events += count
        with _Others(self.way) as others:
            _publish(self.way, self._readers, rate, count // 2, self._held)
        self._others += others.ms
        self._failed += others.failed

    def add_to(self, report: Report, suffix: str) -> None:
        """Report the turns since the last time."""
        prefix, ms = self.way.prefix, f"{self._clients}_ms{suffix}"
        sent = self._events * max(1, self._held)
        report.add(f"{prefix}cpu_us_{self._clients}{suffix}", self._cpu_s / sent * 1e6)
        report.add(f"{prefix}p50_{ms}", percentile(self._heard, 0.5))
        report.add(f"{prefix}p99_{ms}", percentile(self._heard, 0.99))
        report.add(f"{prefix}other_p99_{ms}", percentile(self._others, 0.99))
        if self._failed:
            report.notes[f"{prefix}other_p99_{ms}"] = f"{self._failed} requests were not answered"
        if len(self._heard) != self._events * self._held:
            report.notes[f"{prefix}p99_{ms}"] = f"{len(self._heard)} of {self._events * self._held} arrived"
        self._begin()

    def close(self) -> None:
        self._readers.close()


def _publish(way: Way, readers: Readers, rate: float, count: int, held: int) -> list[float]:
    """The times on the way, in ms, of every event at every client."""
    started = time.monotonic()
    for number in range(count):
        due = started + number / rate
        sleep_until(due)
        way.publish(due)
    heard: list[float] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(heard) < count * held and time.monotonic() < deadline:
        time.sleep(0.2)  # between two looks
        heard += readers.heard().ms
    return heard


def _held(way: Way, clients: int) -> int:
    """How many of so many clients are open and hear an event."""
    readers = Readers(way.address, way.heads(clients))
    held = readers.open()
    heard = len(_publish(way, readers, 1, 1, held))
    readers.close()
    return heard


class _Others:
    """Somebody else's requests on the same server meanwhile, one every 20 ms.

    ``ms`` is how long each took that was answered; ``failed`` counts the others.
    """

    def __init__(self, way: Way) -> None:
        self._way, self._ended, self.ms, self.failed = way, threading.Event(), list[float](), 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Others:
        if self._way.other_path:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._way.other_path:
            self._thread.join()

    def _run(self) -> None:
        line = http.client.HTTPConnection(*self._way.address, timeout=30)
        while not self._ended.wait(0.02):
            began = time.monotonic()
            try:
                line.request("GET", self._way.other_path)
                line.getresponse().read()
            except (OSError, http.client.HTTPException):
                self.failed += 1
                line.close()  # the next one opens a line of its own
            else:
                self.ms.append((time.monotonic() - began) * 1000)
        line.close()


def _versions(database_url: str, redis_url: str) -> dict[str, str]:
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as line, redis.Redis.from_url(redis_url) as client:
        info = client.info("server")
        versions = {"postgres": str(line.scalar(text("SHOW server_version")))}
    engine.dispose()
    return versions | {"redis": str(info.get("valkey_version") or info["redis_version"])}
