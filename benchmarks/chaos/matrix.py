"""Every named point of death with every action and a mass ban: nothing lost, doubled, or missing from any count.

Three workers share the lanes. For each cell one process is told to die the moment this request comes to this point, by
SIGKILL from within; whoever is left carries the request to its end, and the dead process is started again. A cell waits
until two workers are there: how long a machine takes to start the last one anew is not what is measured.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import requests

from benchmarks.chaos.judge import ENDS, Broken, Finding, whereabouts
from benchmarks.chaos.load import FIELDS
from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.waiting import until
from benchmarks.measure import Report, percentile, say
from kovra.crash import BULK, DOOR, EXECUTOR, HALVES, RELAY, SCHEDULER
from kovra.ids import new_request_id

Answer = TypeVar("Answer")

ACTIONS = ("ban", "temporary ban", "softban", "kick", "mute", "warn", "unban", "note")
TOLD = frozenset({"ban", "temporary ban", "softban", "kick", "mute", "warn"})
DEEDS = frozenset({"ban", "temporary ban", "softban", "kick", "mute", "unban"})

#: A mass ban of this many, and where its door and its chunk can die beside the points of a bulk call.
BULK_OF, MASS = 50, "bulk of 50"
MASS_POINTS = (
    *("before_accept", "after_accept", "after_enqueue", "before_answer", *RELAY, "after_read", "after_verify"),
    *("after_claim", "after_authz", *BULK, "after_probe", "after_log_intent", "after_log_post"),
    *("before_ack", "after_ack"),
)

#: How long a temporary ban lasts, and one whose end is what is looked at, in seconds.
HOUR_S, MOMENT_S = 3600, 3

#: Cells in the quick form, cells under way at once, and how long one may take to recover before it counts as lost.
QUICK_CELLS, AT_ONCE, PATIENCE_S = 24, 2, 30.0
SEED = 7

#: How many of the slowest cells are named, and how many people there are for cells that are run again.
SHOWN, SPARE, SPARE_BANNED = 5, 20, 5

#: What the figure ``doubled`` counts: what was done twice, and what was recorded otherwise than it was.
DOUBLED = (
    Broken.DEED_DOUBLED,
    Broken.CASE_DOUBLED,
    Broken.MESSAGE_DOUBLED,
    Broken.UNACCEPTED,
    Broken.UNPROVEN,
    Broken.UNINTENDED,
)


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
    points = (*DOOR, *RELAY, *SCHEDULER, *EXECUTOR, *HALVES)
    alone = [Cell(point, action) for point in points for action in ACTIONS if _occurs(point, action)]
    return alone + [Cell(point, MASS) for point in MASS_POINTS]


def sample() -> list[Cell]:
    """The cells of the quick form: always the same ones, each point of a bulk call, and the half of a softban."""
    always = [*(Cell(point, MASS) for point in BULK), *(Cell(point, "softban") for point in HALVES)]
    alone = [cell for cell in cells() if cell.action != MASS and cell.point not in HALVES]
    return random.Random(SEED).sample(alone, QUICK_CELLS - len(always)) + always


def _occurs(point: str, action: str) -> bool:
    """Left out: notices of what nobody is told of, effects of what changes nothing, ends of what does not end, halves
    of what is done in one call.
    """
    if point in HALVES:
        return action == "softban"
    if point in SCHEDULER:
        return action == "temporary ban"
    if "notice" in point:
        return action in TOLD
    return action in DEEDS if "effect" in point or point == "after_probe" else True


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when an invariant broke."""
    todo = sample() if quick else cells()
    return perform(
        "chaos matrix",
        lambda rig, report: matrix(rig, report, todo),
        quick=quick,
        json=json,
        **shape(todo),
    )


def shape(todo: Sequence[Cell]) -> dict[str, int]:
    """The rig that these cells need; each uses somebody up."""
    unbans, bulks = (sum(cell.action == action for cell in todo) for action in ("unban", MASS))
    members = len(todo) + SPARE + BULK_OF * (bulks + bool(bulks))
    return {"webs": 1, "workers": 3, "guilds": 1, "members": members, "banned": unbans + SPARE_BANNED}


def matrix(rig: Rig, report: Report, todo: list[Cell]) -> None:
    """Run these cells, some at a time, and judge."""
    run = Matrix(rig)
    say(f"{len(todo)} cells")
    with rig.reviving(), ThreadPoolExecutor(AT_ONCE) as hands:
        list(hands.map(run.cell, todo))
    run.verdict(report, todo)


class Matrix:
    """One warm Kovra whose processes die when told to."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.armed, self.judge = rig, rig.armed, rig.judge
        self.crowd = rig.crowds[0]
        self.guild_id, self.person = self.crowd.guild_id, self.crowd.people[0]
        self._one_by_one, self._at_the_door = threading.Lock(), threading.Lock()

    def cell(self, cell: Cell) -> None:
        """One cell; once more when the process it waited for died of the other cell under way."""
        for _ in range(2):
            self._once(cell)
            if cell.hit:
                return

    def _once(self, cell: Cell) -> None:
        """From the form to the end of the request."""
        with self._one_by_one:
            free = self.crowd.banned if cell.action == "unban" else self.crowd.members
            targets = [free.popleft() for _ in range(BULK_OF if cell.action == MASS else 1)]
        target = targets[0]
        fields = {} if cell.action == MASS else until(lambda: self._draw(target, cell), PATIENCE_S)
        cell.request_id = str(new_request_id()) if cell.action == MASS else fields["request_id"]
        for_all = cell.point in (*DOOR, *RELAY, *SCHEDULER)
        # At the door and at the relay nobody knows whose turn it is, so only one such cell is under way at a time.
        with self._at_the_door if for_all else contextlib.nullcontext():
            files = [self.armed / name for name in _arming(cell)]
            until(lambda: self.rig.ready("worker") >= 2, PATIENCE_S)
            with self._one_by_one:
                for file in files:
                    file.touch()
                until(lambda: self._sent_all(cell, targets) if cell.action == MASS else self._sent(fields), PATIENCE_S)
                if for_all:
                    until(lambda: not files[0].exists(), PATIENCE_S)
            cell.hit = bool(until(lambda: not any(file.exists() for file in files), PATIENCE_S))
            died = time.monotonic()
            for file in files:
                file.unlink(missing_ok=True)
        if cell.point in SCHEDULER:
            cell.request_id = until(lambda: self._lifting(target), PATIENCE_S) or cell.request_id
        state = until(lambda: self._end(cell), PATIENCE_S)
        cell.state = state or self._stuck(cell)
        cell.recovery_s = time.monotonic() - died if state and cell.hit else None

    def verdict(self, report: Report, done: list[Cell]) -> None:
        """Write the figures; say what broke."""
        lost = [Finding(Broken.LOST, f"{cell} ended {cell.state}") for cell in done if cell.state != "done"]
        unhit = [Finding(Broken.LOST, f"{cell} was never hit") for cell in done if not cell.hit]
        found = self.rig.settle(report)
        for finding in [*lost, *unhit]:
            say(str(finding))
        self.rig.broken += [*lost, *unhit]
        for cell in sorted(done, key=lambda cell: cell.recovery_s or 0, reverse=True)[:SHOWN]:
            say(f"{cell}: back after {cell.recovery_s or 0:.1f} s")
        kinds = Counter(finding.broken for finding in found)
        recoveries = [cell.recovery_s * 1000 for cell in done if cell.recovery_s is not None]
        report.add("cells", len(done))
        report.add("hit", len(done) - len(unhit))
        report.add("lost", len(lost) + kinds[Broken.LOST])
        report.add("doubled", sum(kinds[kind] for kind in DOUBLED))
        report.add("gaps", kinds[Broken.CASE_MISSING])
        report.add("sse_missing", kinds[Broken.EVENT_MISSING])
        report.add("sse_doubled", kinds[Broken.EVENT_DOUBLED])
        report.add("recovery_p50_ms", percentile(recoveries, 0.5))
        report.add("recovery_p95_ms", percentile(recoveries, 0.95))
        report.add("recovery_max_ms", max(recoveries, default=None))

    def _end(self, cell: Cell) -> str | None:
        """The end that was reached; of a mass action, by all of it."""
        if cell.action != MASS:
            row = self.judge.request(cell.request_id)
            return row.state if row and row.state in ENDS and row.post_status != "waiting" else None
        rows = self.judge.job(cell.request_id)
        if len(rows) < BULK_OF or any(row.state not in ENDS or row.post_status == "waiting" for row in rows):
            return None
        return " and ".join(sorted({row.state for row in rows}))

    def _stuck(self, cell: Cell) -> str:
        if cell.action == MASS:
            rows = self.judge.job(cell.request_id)
            return str(dict(Counter((row.state, row.post_status) for row in rows)))
        row = self.judge.request(cell.request_id)
        return whereabouts(row) if row else "without a row"

    def _draw(self, target: int, cell: Cell) -> dict[str, str] | None:
        action = cell.action.removeprefix("temporary ")
        more = {"reason": "chaos"} | FIELDS.get(action, {})
        if cell.action == "temporary ban":
            more["duration_s"] = str(MOMENT_S if cell.point in SCHEDULER else HOUR_S)
        drawn = _answered(lambda: self.person.draw(self.guild_id, target, action))
        return drawn and drawn | more

    def _lifting(self, target: int) -> str | None:
        """The request by which Guard ends the ban of somebody."""
        lifting = (
            "SELECT request_id FROM action_requests WHERE guild_id = ANY(:guilds) AND target_id = :target"
            " AND action = 'unban' AND source = 'system'"
        )
        found = self.judge.rows(lifting, target=target)
        return str(found[0].request_id) if found else None

    def _sent_all(self, cell: Cell, targets: Sequence[int]) -> bool:
        """The same for the button of a mass action."""
        answer = _answered(lambda: self.person.ban_many(self.guild_id, cell.request_id, targets))
        return answer is not None and answer.status_code == 303

    def _sent(self, fields: dict[str, str]) -> bool:
        """Press the button; after a broken answer the browser's person presses it again."""
        answer = _answered(lambda: self.person.send(self.guild_id, fields))
        return answer is not None and answer.status_code == 202


def _answered(ask: Callable[[], Answer]) -> Answer | None:
    """What the dashboard answers; None when nobody does, as in the moment in which its process dies of a cell."""
    try:
        return ask()
    except requests.RequestException:
        return None


def _arming(cell: Cell) -> list[str]:
    """The points at which somebody has to die for this cell to occur, in order."""
    if cell.point in (*DOOR, *SCHEDULER):
        return [cell.point]
    if cell.point in RELAY:
        return ["after_accept", cell.point]
    # All of a mass action this small is in its first chunk.
    bulk = cell.action == MASS
    message_id = f"{cell.request_id}.0" if bulk else cell.request_id
    if bulk and "_log_" in cell.point:
        # Its posts are nobody's entry: they go by the name of the job.
        return [f"{cell.point}@{cell.request_id}"]
    mine, call = [f"{cell.point}@{message_id}"], "after_bulk_call" if bulk else "after_effect_call"
    return [f"{call}@{message_id}", *mine] if cell.point == "after_probe" else mine
