"""One budget under twenty mass actions at once: what is granted, and whether every refusal is on record.

200 bans, asked by one moderator as 20 mass actions of 10 at the same moment, with 170 left in the hour. Each goes the
whole way of acceptance: rights from the mirror, seals, one transaction in PostgreSQL, the lane. Nobody executes them.
The long form repeats it in fresh hours; its figures are those of the round that was furthest from exact.
"""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from benchmarks.measure import Report, host, say
from kovra import wiring
from kovra.actions.budget import DEFAULT_LIMITS
from kovra.actions.job import Job, JobReceipt
from kovra.actions.request import Action, Source
from kovra.actions.submit_job import SubmitJob
from kovra.config import Process, from_environment
from kovra.ids import GuildId, UserId, new_request_id
from kovra.launcher.postgres import SUPERUSER
from kovra.launcher.stack import Stack
from kovra.store.database import Database, sqlalchemy_url

JOBS, TARGETS = 20, 10
LIMIT = DEFAULT_LIMITS[Action.BAN]

#: Who asks: the head moderator of the sandbox's server.
_WHO = "tamsin_reed"


def main(quick: bool, json: bool) -> int:
    """Run and print; 0 when the run was valid."""
    with tempfile.TemporaryDirectory(prefix="kovra-bench-") as folder:
        Path(folder).chmod(0o711)
        say("starting everything")
        with Stack(Path(folder) / "data", extra_env={"KOVRA_PACING": "off", "KOVRA_LOG_LEVEL": "WARNING"}) as stack:
            stack.processes["worker"].stop(20)
            bench = Bench(stack)
            report = Report(name="budget", quick=quick, host=host(postgresql=bench.version()))
            rounds = []
            for number in range(1 if quick else 10):
                rounds.append(bench.round(number))
                say(f"round {number + 1}: asked {rounds[-1][0]}, granted {rounds[-1][1]}, audited {rounds[-1][2]}")
            worst = max(rounds, key=lambda figures: abs(figures[1] - LIMIT) + abs(figures[2] - figures[0] + LIMIT))
            for name, figure in zip(("asked", "granted", "refusals_audited"), worst, strict=True):
                report.add(name, figure)
            report.add("rounds", len(rounds))
            report.add("rounds_exact", rounds.count((JOBS * TARGETS, LIMIT, JOBS * TARGETS - LIMIT)))
            bench.close()
    report.print(as_json=json)
    return 0


class Bench:
    """A warm Kovra and twenty tabs of one moderator."""

    def __init__(self, stack: Stack) -> None:
        config = from_environment(Process.WEB, stack.env)
        self.database = Database(config.database_url, role="kovra_web", pool_size=JOBS)
        self.submit: SubmitJob = wiring.build_submit_job(config, self.database, config.web_keys[0])
        self.engine: Engine = create_engine(sqlalchemy_url(stack.postgres.url_of("kovra", SUPERUSER)))
        with self.engine.connect() as line:
            who = text("SELECT guild_id, user_id FROM members WHERE username = :name")
            guild_id, user_id = line.execute(who, {"name": _WHO}).one()
        self.guild_id, self.moderator_id = GuildId(guild_id), UserId(user_id)

    def round(self, number: int) -> tuple[int, int, int]:
        """Asked, granted, and refusals found in the audit log with the action that was attempted."""
        with self.engine.begin() as line:
            # A fresh hour: what was accepted before is as if it had been long ago.
            line.execute(text("UPDATE action_requests SET accepted_at = accepted_at - interval '2 hours'"))
        start = threading.Barrier(JOBS)

        def ask(place: int) -> JobReceipt:
            job = self._job(number * 1_000 + place * TARGETS)
            start.wait()
            return self.submit(job)

        with ThreadPoolExecutor(JOBS) as tabs:
            receipts = list(tabs.map(ask, range(JOBS)))
        ids = [str(receipt.batch_id) for receipt in receipts]
        found = text(
            "SELECT count(*) FROM audit_log WHERE kind = 'action.rejected' AND facts->>'batch_id' = ANY (:ids)"
            " AND facts->>'action' = 'ban' AND facts->>'refusal' = 'budget'"
        )
        with self.engine.connect() as line:
            audited = line.execute(found, {"ids": ids}).scalar_one()
        asked = sum(len(receipt.receipts) for receipt in receipts)
        return asked, sum(len(receipt.accepted) for receipt in receipts), audited

    def _job(self, first: int) -> Job:
        strangers = range(800_000_000_000_000_000 + first, 800_000_000_000_000_000 + first + TARGETS)
        return Job(
            batch_id=new_request_id(),
            guild_id=self.guild_id,
            action=Action.BAN,
            targets=tuple(UserId(user_id) for user_id in strangers),
            moderator_id=self.moderator_id,
            source=Source.DASHBOARD,
            reason="raid",
            issued_at=datetime.now(UTC),
        )

    def version(self) -> str:
        with self.engine.connect() as line:
            return str(line.execute(text("SHOW server_version")).scalar_one()).split()[0]

    def close(self) -> None:
        self.database.dispose()
        self.engine.dispose()
