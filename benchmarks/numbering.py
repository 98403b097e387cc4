"""Case numbers under pressure: 16 writers finalise in one guild, and every tenth of them fails just before its commit.

Nothing but finalise is timed, as the worker runs it: the claim's row is locked, the guild's next number is taken, the
case is sealed to the one before, everything is written and committed to disk, by those who finish together in one
transaction. Most of those who fail break off by themselves; one of a hundred is refused by PostgreSQL, which rolls back
the others with it. Afterwards the numbers are counted and the chain of cases is walked.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from benchmarks.measure import Report, host, say
from kovra.actions.capabilities import Person
from kovra.actions.request import Action, ActionRequest, Source, State
from kovra.actions.rights import Standing
from kovra.guard.claim import Claim
from kovra.ids import GuildId, UserId, new_request_id
from kovra.launcher.postgres import EmbeddedPostgres
from kovra.store.casebook import Casebook
from kovra.store.database import Database
from kovra.store.ledger import Ledger
from kovra.store.migrate import upgrade
from kovra.store.tables import ActionRequests

#: Writers, and the workers they live in: eight threads each, as many as work beside each other in a worker.
WRITERS, PROCESSES = 16, 2
#: Of so many finalises one breaks off; of so many one is refused by PostgreSQL as well.
BROKEN_OFF_OF, REFUSED_OF = 10, 100

GUILD, GUARD = GuildId(200_000_000_000_000_001), UserId(300_000_000_000_000_001)
AUDIT_KEY = b"a" * 32


class BrokenOff(Exception):
    """What makes a finalise fail before its commit."""


def main(quick: bool, json: bool) -> int:
    """Run and print; 0 when the run was valid."""
    requests = 4_000 if quick else 16_000
    with tempfile.TemporaryDirectory(prefix="kovra-bench-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            upgrade(server.url)
            owner = Database(server.url, role=None)
            with owner.transaction(None) as session:
                version = str(session.scalars(text("SHOW server_version")).one())
            report = Report(name="numbering", quick=quick, host=host(postgres=version))
            say(f"{requests} requests being executed")
            ids = _begun(owner, requests)
            say(f"{WRITERS} writers in {PROCESSES} processes")
            before = _cpu_of_children(server.pid)
            took, rolled_back, python_s = _finalise(server.url, ids)
            postgres_s = _cpu_of_children(server.pid) - before
            with owner.transaction(GUILD) as session:
                numbers = list(session.scalars(text("SELECT case_no FROM mod_cases ORDER BY case_no")))
            report.add("commits_per_s", len(numbers) / took)
            report.add("gaps", max(numbers) - len(set(numbers)))
            report.add("duplicates", len(numbers) - len(set(numbers)))
            report.add("commits", len(numbers))
            report.add("rollbacks", rolled_back)
            # Two cores allow at best 2,000 over the sum of both; other work on the machine changes them little.
            report.add("python_cpu_ms", python_s * 1000 / requests)
            report.add("postgres_cpu_ms", postgres_s * 1000 / requests)
            report.add("lost", requests - rolled_back - len(numbers))
            report.add("broken_seals", int(Casebook(owner, AUDIT_KEY).verify(GUILD) is not None))
            owner.dispose()
    report.print(as_json=json)
    return 0


def _begun(owner: Database, count: int) -> list[UUID]:
    """Requests that a worker has claimed, each on somebody else."""
    now = datetime.now(UTC)
    rows = [
        {
            "request_id": new_request_id(),
            "guild_id": GUILD,
            "action": Action.BAN.value,
            "target_id": GUARD + number,
            "moderator_id": GUARD,
            "source": Source.DASHBOARD.value,
            "body": b"",
            "kid": "",
            "sig": "",
            "fingerprint": b"",
            "state": State.EXECUTING.value,
            "claim_epoch": 1,
            "issued_at": now,
            "created_at": now,
            "expires_at": now + timedelta(hours=1),
        }
        for number in range(1, count + 1)
    ]
    with owner.transaction(GUILD) as session:
        session.execute(insert(ActionRequests), rows)
    # As autovacuum would soon: without it PostgreSQL takes all that is being executed, not one row, for the short way.
    with owner.connect_alone() as line:
        line.exec_driver_sql("ANALYZE action_requests")
    return [row["request_id"] for row in rows]


def _finalise(url: str, ids: list[UUID]) -> tuple[float, int, float]:
    """Seconds from the first to the last, how many were broken off, and the seconds of CPU of all writers."""
    spawned = multiprocessing.get_context("spawn")
    start, answers = spawned.Barrier(PROCESSES + 1), spawned.Queue()
    processes = [
        spawned.Process(target=_process, args=(url, ids[number::PROCESSES], start, answers), daemon=True)
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    start.wait(60)
    began = time.monotonic()
    answered = [answers.get(timeout=300) for _ in processes]
    took = time.monotonic() - began
    for process in processes:
        process.join(10)
    return took, sum(broken_off for broken_off, _ in answered), sum(python_s for _, python_s in answered)


def _cpu_of_children(pid: int | None) -> float:
    """Seconds of CPU of PostgreSQL's backends that live, and of those that are gone."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, *fields = stat.read_text().rpartition(")")[2].split()
            own, gone = fields[9:11], fields[11:13]
            ticks += sum(map(int, own)) if int(parent) == pid else 0
            ticks += sum(map(int, gone)) if int(stat.parent.name) == pid else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _process(url: str, ids: list[UUID], start: Any, answers: Any) -> None:
    """One process's share of the writers."""
    database = Database(url, role="kovra_worker", pool_size=WRITERS // PROCESSES)
    ledger = Ledger(database, AUDIT_KEY, owner="bench", claim_key=1)
    waiting, failed = iter(enumerate(ids, 1)), []

    def write() -> None:
        for number, request_id in _shared(waiting):
            standing = _STANDING
            if number % BROKEN_OFF_OF == 0:
                standing = _UNKEPT if number % REFUSED_OF == 0 else _Breaking()
            try:
                ledger.finalise(_claim(request_id), standing=standing, ends_at=None)
            except (BrokenOff, DBAPIError):
                failed.append(request_id)

    # Connections and statements are made before the clock runs, as in a worker that is warm.
    database.once(GUILD, text("SELECT 1"))
    writers = [threading.Thread(target=write) for _ in range(WRITERS // PROCESSES)]
    start.wait(60)
    before = time.process_time()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    answers.put((len(failed), time.process_time() - before))
    database.dispose()


_turn = threading.Lock()


def _shared(items: Iterator[Any]) -> Iterator[Any]:
    """What is left of an iterator that several threads take from."""
    while True:
        with _turn:
            taken = list(islice(items, 1))
        if not taken:
            return
        yield taken[0]


def _claim(request_id: UUID) -> Claim:
    now = datetime.now(UTC)
    request = ActionRequest(
        request_id=request_id,
        guild_id=GUILD,
        action=Action.BAN,
        target_id=UserId(GUARD + 1),
        moderator_id=GUARD,
        source=Source.DASHBOARD,
        reason="measured",
        issued_at=now,
        params={"delete_window_s": 0},
    )
    return Claim(request=request, epoch=1, attempt=1, state=State.EXECUTING, accepted_at=now, expires_at=now, now=now)


_SOMEBODY = Person(user_id=GUARD, name="Somebody", member=True)
_STANDING = Standing(guild_id=GUILD, owner_id=GUARD, guard=_SOMEBODY, moderator=_SOMEBODY, target=_SOMEBODY, grants={})
#: PostgreSQL keeps no NUL: with this name a case is refused as it is written, and its transaction is rolled back.
_UNKEPT = replace(_STANDING, target=replace(_SOMEBODY, name="\x00"))


class _Breaking:
    """A standing that breaks when it is read: the counters are held by then."""

    @property
    def target(self) -> Person:
        raise BrokenOff
