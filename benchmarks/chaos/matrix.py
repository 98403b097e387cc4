"""Every named point of death with every action: nothing lost, nothing doubled, no number or event missing.

Two workers share the lanes. For each cell one process is told to die the moment this request comes to this point, by
SIGKILL from within; whoever is left carries the request to its end, and the dead process is started again.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import create_engine

from benchmarks.chaos.judge import ENDS, Judge, control
from benchmarks.chaos.source import Source
from benchmarks.measure import Report, host, percentile, say
from benchmarks.person import Person
from kovra.crash import DOOR, EXECUTOR, RELAY
from kovra.launcher.postgres import SUPERUSER
from kovra.launcher.stack import Stack
from kovra.store.database import sqlalchemy_url

ACTIONS = ("ban", "kick", "mute", "warn", "unban", "note")
TOLD = frozenset({"ban", "kick", "mute", "warn"})
DEEDS = frozenset({"ban", "kick", "mute", "unban"})

#: Cells in the quick form, cells under way at once, and how long one may take to recover before it counts as lost.
QUICK_CELLS, AT_ONCE, PATIENCE_S = 24, 4, 30.0
SEED = 7


@dataclass
class Cell:
    """One point with one action, and what became of it. ``recovery_s`` runs from the death to the end."""

    point: str
    action: str
    request_id: str = ""
    hit: bool = False
    state: str = "never asked"
    recovery_s: float | None = None

    def __str__(self) -> str:
        return f"{self.point} × {self.action}"


def cells() -> list[Cell]:
    """Every cell that can occur."""
    return [Cell(point, action) for point in (*DOOR, *RELAY, *EXECUTOR) for action in ACTIONS if _occurs(point, action)]


def _occurs(point: str, action: str) -> bool:
    if "notice" in point:
        return action in TOLD
    return action in DEEDS if "effect" in point or point == "after_probe" else True


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when an invariant broke."""
    todo = cells()
    random.Random(SEED).shuffle(todo)
    todo = todo[:QUICK_CELLS] if quick else todo
    with tempfile.TemporaryDirectory(prefix="kovra-chaos-") as folder:
        Path(folder).chmod(0o711)
        armed = Path(folder) / "armed"
        armed.mkdir()
        env = {"KOVRA_ENV": "test", "KOVRA_CRASH": f"@{armed}", "KOVRA_PACING": "off", "KOVRA_LOG_LEVEL": "WARNING"}
        say("starting everything")
        with Stack(Path(folder) / "data", extra_env=env, durable=False) as stack:
            report = Report(name="chaos matrix", quick=quick, host=host())
            stack.add_process("worker-2")
            matrix = Matrix(stack, armed, len(todo))
            say(f"{len(todo)} cells")
            with matrix.reviving(), ThreadPoolExecutor(AT_ONCE) as hands:
                list(hands.map(matrix.run, todo))
                broken = matrix.verdict(report, todo)
    for line in broken:
        say(line)
    report.print(as_json=json)
    return 1 if broken else 0


class Matrix:
    """One warm Kovra whose processes die when told to."""

    def __init__(self, stack: Stack, armed: Path, people: int) -> None:
        self.stack, self.armed = stack, armed
        world = control(stack.sandbox_url, "GET", "world")
        self.guild_id = int(world["guild_id"])
        members = [int(user_id) for user_id in world["notable"]["plain"]]
        for number in range(people - len(members)):
            joined = control(stack.sandbox_url, "POST", "join", {"username": f"newcomer{number}"})
            members.append(int(joined["user"]["id"]))
        self._targets = iter(members)
        self._one_by_one, self._at_the_door = threading.Lock(), threading.Lock()
        self.person = Person(stack.web_url, int(world["owner_id"]))
        engine = create_engine(sqlalchemy_url(stack.postgres.url_of("kovra", SUPERUSER)))
        self.judge = Judge(engine=engine, sandbox_url=stack.sandbox_url, guild_id=self.guild_id)
        last = self.judge.rows("SELECT coalesce(max(seq), 0) FROM guild_events WHERE guild_id = :g")[0][0]
        self.judge = Judge(engine=engine, sandbox_url=stack.sandbox_url, guild_id=self.guild_id, since=last)
        self.source = Source(self.person, self.guild_id, last)

    @contextlib.contextmanager
    def reviving(self) -> Iterator[None]:
        """Start again whatever dies."""
        ended = threading.Event()

        def revive() -> None:
            while not ended.wait(0.05):
                for process in list(self.stack.processes.values()):
                    if process.pid is None:
                        process.start()

        thread = threading.Thread(target=revive, daemon=True)
        thread.start()
        yield
        ended.set()
        thread.join(5)

    def run(self, cell: Cell) -> None:
        """One cell, from the form to the end of its request."""
        with self._one_by_one:
            target = next(self._targets)
        if cell.action == "unban":
            control(self.stack.sandbox_url, "POST", "bans", {"user_id": str(target), "reason": "earlier"})
        fields = _until(lambda: self._draw(target, cell.action))
        cell.request_id = fields["request_id"]
        for_all = cell.point in (*DOOR, *RELAY)
        # At the door and at the relay nobody knows whose turn it is, so only one such cell is under way at a time.
        with self._at_the_door if for_all else contextlib.nullcontext():
            files = [self.armed / name for name in _arming(cell)]
            with self._one_by_one:
                for file in files:
                    file.touch()
                _until(lambda: self._sent(fields))
                if for_all:
                    _until(lambda: not files[0].exists())
            cell.hit = bool(_until(lambda: not any(file.exists() for file in files)))
            died = time.monotonic()
        row = _until(lambda: (row := self.judge.request(cell.request_id)) and row.state in ENDS and row)
        cell.state = row.state if row else self._whereabouts(cell)
        cell.recovery_s = time.monotonic() - died if row and cell.hit else None

    def verdict(self, report: Report, done: list[Cell]) -> list[str]:
        """Write the figures; what broke, in words."""
        ids = [cell.request_id for cell in done]
        lost = [f"lost: {cell} ended {cell.state}" for cell in done if cell.state != "done"]
        unhit = [f"not hit: {cell}" for cell in done if not cell.hit]
        doubled = [f"doubled: {what}" for what in self.judge.doubled(ids)]
        wrong = [f"wrong: {what}" for what in self.judge.unproven(ids)]
        gaps = self.judge.gaps()
        missing, again = self.judge.stream(self.source.seen)
        self.source.close()
        recoveries = [cell.recovery_s * 1000 for cell in done if cell.recovery_s is not None]
        report.add("cells", len(done))
        report.add("hit", len(done) - len(unhit))
        report.add("lost", len(lost))
        report.add("doubled", len(doubled) + len(wrong))
        report.add("gaps", gaps)
        report.add("sse_missing", missing)
        report.add("sse_doubled", again)
        report.add("recovery_p95_ms", percentile(recoveries, 0.95))
        report.add("recovery_max_ms", max(recoveries, default=None))
        broken = [*lost, *unhit, *doubled, *wrong]
        broken += [f"{gaps} case numbers are missing"] if gaps else []
        broken += [f"the stream missed {missing} events and told {again} again"] if missing or again else []
        return broken

    def _whereabouts(self, cell: Cell) -> str:
        """Where a request that reaches no end is stuck."""
        row = self.judge.request(cell.request_id)
        if row is None:
            return "without a row"
        moments = {name: getattr(row, name) for name in ("enqueued_at", "relayed_at", "claimed_at", "claim_until")}
        times = " ".join(f"{name}={moment:%H:%M:%S}" for name, moment in moments.items() if moment)
        return f"nowhere: {row.state}, attempt {row.attempts}, owner {row.claim_owner}, {times}"

    def _draw(self, target: int, action: str) -> dict[str, str] | None:
        more = {"reason": "chaos"} | {"mute": {"duration_s": "600"}, "ban": {"delete_window_s": "0"}}.get(action, {})
        with contextlib.suppress(requests.RequestException):
            return self.person.draw(self.guild_id, target, action) | more
        return None

    def _sent(self, fields: dict[str, str]) -> bool:
        """Press the button; after a broken answer the browser's person presses it again."""
        with contextlib.suppress(requests.RequestException):
            return self.person.send(self.guild_id, fields).status_code == 202
        return False


def _arming(cell: Cell) -> list[str]:
    """The points at which somebody has to die for this cell to occur, in order."""
    if cell.point in DOOR:
        return [cell.point]
    if cell.point in RELAY:
        return ["after_accept", cell.point]
    mine = [f"{cell.point}@{cell.request_id}"]
    return [f"after_effect_call@{cell.request_id}", *mine] if cell.point == "after_probe" else mine


def _until(look: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """The first true answer of ``look``, or its last."""
    deadline = time.monotonic() + patience_s
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
