"""The whole path of one action: from the click's request to the case on an open stream, against its floor.

200 actions through everything that is real (PostgreSQL, Valkey, gunicorn, Pycord, the sandbox with no added latency),
20 a second: bans and mutes with a notice, kicks with one, notes without. The floor is measured in the same run: the
Discord calls of such an action made bare through Pycord, one commit, and one round trip through the stream.
"""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Engine, create_engine, text

from benchmarks.measure import Report, host, percentile, say, sleep_until
from benchmarks.person import Person
from kovra.bot.pointing import point_pycord_at
from kovra.bot.rest import GuardRest
from kovra.errors import DiscordError
from kovra.guard.ports import Message
from kovra.ids import ChannelId, GuildId, UserId, message_nonce, new_request_id
from kovra.launcher.stack import Stack
from kovra.live.events import HintKind
from kovra.live.hints import GAPS_S
from kovra.store.database import sqlalchemy_url

#: Actions a second, and the cycle they come in: half of them send a notice.
RATE = 20
CYCLE = ("ban", "note", "mute", "note")

#: What the floor of the stream is measured with: kinds that end no stream.
HINTS = tuple(kind for kind in HintKind if kind not in (HintKind.GUILD_LEFT, HintKind.SESSION_ENDED))

#: How long the last action may take before the run counts it as missing.
PATIENCE_S = 30.0


@dataclass
class Trip:
    """The moments of one action, in monotonic seconds."""

    action: str
    asked: float = 0.0
    heard: dict[str, float] = field(default_factory=dict)

    def ms(self, kind: str) -> float | None:
        return (self.heard[kind] - self.asked) * 1000 if kind in self.heard else None


def main(quick: bool, json: bool) -> int:
    """Run and print; 0 when the run was valid."""
    count, late = (60, 20) if quick else (200, 100)
    with tempfile.TemporaryDirectory(prefix="kovra-bench-") as folder:
        Path(folder).chmod(0o711)
        say("starting everything")
        with Stack(Path(folder) / "data", extra_env={"KOVRA_PACING": "off", "KOVRA_LOG_LEVEL": "WARNING"}) as stack:
            bench = Bench(stack, count + late + 40)
            report = Report(name="path", quick=quick, host=host(**bench.versions()))
            say("measuring the floor")
            floor = bench.floor(20 if quick else 60)
            say(f"{count} actions, {RATE} a second")
            trips = bench.run(count)
            _figures(report, trips, floor)
            _steps(report, bench.steps())
            say(f"{late} actions with 50 ms at Discord")
            bench.latency(50)
            slow = bench.run(late)
            report.add("with_50ms_discord_p99_ms", percentile(_ms(slow, "case.created"), 0.99))
            report.add("missing", sum("action.done" not in trip.heard for trip in [*trips, *slow]))
    report.print(as_json=json)
    return 0


class Bench:
    """One warm Kovra with a signed-in moderator and an open stream."""

    def __init__(self, stack: Stack, people: int) -> None:
        self.stack = stack
        world = self._control("GET", "world")
        self.guild_id = GuildId(int(world["guild_id"]))
        self.log_channel = ChannelId(int(world["channels"]["mod-log"]))
        members = [UserId(int(user_id)) for user_id in world["notable"]["plain"]]
        if len(members) < people:
            members += self._join(people - len(members))
        self.targets: Iterator[UserId] = iter(members)
        owner = UserId(int(world["owner_id"]))
        self.person = Person(stack.web_url, owner)
        self.trips: dict[str, Trip] = {}
        self.engine: Engine = create_engine(sqlalchemy_url(stack.database_url))
        self.stream = self.person.listen(self.guild_id, self._hear)

    def run(self, count: int) -> list[Trip]:
        """Ask for ``count`` actions at the rate and wait until each is done."""
        forms = []
        for action, target in zip(itertools.cycle(CYCLE), itertools.islice(self.targets, count), strict=False):
            fields = self.person.draw(self.guild_id, target, action) | {"reason": "measured"}
            if action == "mute":
                fields["duration_s"] = "600"
            if action == "ban":
                fields["delete_window_s"] = "0"
            forms.append(fields)
        trips = [Trip(action=fields["action"]) for fields in forms]
        self.trips |= {fields["request_id"]: trip for fields, trip in zip(forms, trips, strict=True)}
        started = time.monotonic()
        with ThreadPoolExecutor(16) as senders:
            sent = []
            for number, (fields, trip) in enumerate(zip(forms, trips, strict=True)):
                sleep_until(started + number / RATE)
                sent.append(senders.submit(self._send, fields, trip))
            for answer in sent:
                answer.result()
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and not all("action.done" in trip.heard for trip in trips):
            time.sleep(0.05)  # between two looks
        return trips

    def floor(self, count: int) -> dict[str, list[float]]:
        """Milliseconds of the parts nobody can save: bare Discord calls, a commit, a stream round trip."""
        point_pycord_at(self.stack.sandbox_url, f"{self.stack.sandbox_url}/cdn")
        rest = GuardRest(self.stack.env["DISCORD_TOKEN"], self.stack.sandbox_url)
        rest.start()
        parts: dict[str, list[float]] = {"told": [], "untold": [], "commit": [], "stream": []}
        try:
            for number, target in enumerate(itertools.islice(self.targets, min(count, 20))):
                with _timed(parts["told"]):
                    channel = rest.open_dm(target)
                    rest.send(channel, Message(content="floor"), nonce=message_nonce(new_request_id(), "d"))
                    until = datetime.now(UTC) + timedelta(minutes=number + 1)
                    rest.mute(self.guild_id, target, until=until, reason="floor")
        except DiscordError as error:
            raise RuntimeError(f"the floor could not be measured: {error}") from error
        finally:
            rest.close()
        self._time_commits(parts["commit"], count)
        self._time_stream(parts["stream"], count)
        return parts

    def steps(self) -> dict[str, float]:
        """Median milliseconds of each step, as the rows tell them."""
        statement = (
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FROM (SELECT extract(epoch FROM {late} - {early})"
            " * 1000 AS ms FROM action_requests WHERE {late} IS NOT NULL AND {early} IS NOT NULL) AS spans"
        )
        spans = {
            "accept": ("issued_at", "accepted_at"),
            "queue": ("accepted_at", "claimed_at"),
            "check": ("claimed_at", "checked_at"),
            "notice": ("notice_at", "notice_done_at"),
            "effect": ("effect_at", "effect_done_at"),
            "finalise": ("effect_done_at", "applied_at"),
            "log": ("post_at", "post_done_at"),
            "whole": ("issued_at", "done_at"),
        }
        with self.engine.begin() as line:
            line.execute(text("SELECT set_config('kovra.guild', :g, true)"), {"g": str(self.guild_id)})
            found = {
                name: line.scalar(text(statement.format(early=early, late=late)))
                for name, (early, late) in spans.items()
            }
        return {name: float(value) for name, value in found.items() if value is not None}

    def latency(self, ms: int) -> None:
        """Let the sandbox answer that much later."""
        self._control("POST", "latency", {"ms": ms})

    def versions(self) -> dict[str, str]:
        with self.engine.connect() as line:
            postgres = line.scalar(text("SHOW server_version"))
        with redis.Redis.from_url(self.stack.redis_url) as client:
            info = client.info("server")
        return {"postgres": str(postgres), "redis": str(info.get("valkey_version") or info["redis_version"])}

    def _send(self, fields: dict[str, str], trip: Trip) -> None:
        trip.asked = time.monotonic()
        answer = self.person.send(self.guild_id, fields)
        if answer.status_code != 202:
            raise RuntimeError(f"an action was refused: {answer.status_code} {answer.text[:300]}")

    def _hear(self, kind: str, facts: dict[str, Any], at: float) -> None:
        trip = self.trips.get(str(facts.get("request_id")))
        if trip:
            trip.heard[kind] = at

    def _time_commits(self, into: list[float], count: int) -> None:
        with self.engine.connect() as line:
            line.execute(text("CREATE TABLE IF NOT EXISTS bench_floor (n int)"))
            line.commit()
            for number in range(count):
                with _timed(into):
                    line.execute(text("INSERT INTO bench_floor VALUES (:n)"), {"n": number})
                    line.commit()
            line.execute(text("DROP TABLE bench_floor"))
            line.commit()

    def _time_stream(self, into: list[float], count: int) -> None:
        """A hint through Pub/Sub, hub and stream: what showing costs when there is nothing to read.

        The hub holds back a second one of its kind for a while, so they take turns.
        """
        arrived = threading.Event()
        stream = self.person.listen(self.guild_id, lambda kind, facts, at: arrived.set())
        with redis.Redis.from_url(self.stack.redis_url) as client:
            for number in range(count):
                if number % len(HINTS) == 0:
                    time.sleep(2 * GAPS_S[0])  # until the hub has forgotten the last turn
                arrived.clear()
                with _timed(into):
                    client.publish("kovra:bulletin", b"%d %s {}" % (self.guild_id, HINTS[number % len(HINTS)].encode()))
                    if not arrived.wait(5):
                        raise RuntimeError("a hint did not come through the stream")
        stream.close()

    def _join(self, count: int) -> list[UserId]:
        joined = [self._control("POST", "join", {"username": f"newcomer{number}"}) for number in range(count)]
        return [UserId(int(answer["user"]["id"])) for answer in joined]

    def _control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.stack.sandbox_url}/control/{path}", data=data, method=method)
        asked.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.loads(answer.read() or b"null")


def _figures(report: Report, trips: list[Trip], floor: dict[str, list[float]]) -> None:
    created, done = _ms(trips, "case.created"), _ms(trips, "action.done")
    for share in (50, 95, 99):
        report.add(f"p{share}_ms", percentile(created, share / 100))
    report.add("done_p95_ms", percentile(done, 0.95))
    told = statistics.median(floor["told"])
    rest = statistics.median(floor["commit"]) + statistics.median(floor["stream"])
    # Half of the actions make the three Discord calls before their case, half make none.
    p95 = percentile([value + rest for value in floor["told"]], 0.95)
    report.add("floor_p50_ms", (told + rest + rest) / 2)
    report.add("floor_discord_ms", told)
    report.add("floor_commit_ms", statistics.median(floor["commit"]))
    report.add("floor_stream_ms", statistics.median(floor["stream"]))
    report.add("overhead_p50_ms", percentile(created, 0.5) - (told + rest + rest) / 2)
    report.add("overhead_p95_ms", percentile(created, 0.95) - p95)
    report.add("actions", len(trips))


def _steps(report: Report, steps: dict[str, float]) -> None:
    for name, value in steps.items():
        report.add(f"steps_{name}_ms", value)


def _ms(trips: list[Trip], kind: str) -> list[float]:
    return [ms for trip in trips if (ms := trip.ms(kind)) is not None]


@contextmanager
def _timed(into: list[float]) -> Iterator[None]:
    started = time.monotonic()
    yield
    into.append((time.monotonic() - started) * 1000)
