"""Every named point of death with every action and a mass ban: nothing lost, doubled, or missing from any count.

Three workers share the lanes. For each cell one process is told to die the moment this request comes to this point, by
SIGKILL from within; whoever is left carries the request to its end, and the dead process is started again. A cell waits
until two workers are there: how long a machine takes to start the last one anew is not what is measured.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import requests

from benchmarks.chaos.cells import BULK_OF, MASS, PLACES, REVERSAL, Cell, arming, cells, sample
from benchmarks.chaos.judge import ENDS, Broken, Finding, whereabouts
from benchmarks.chaos.load import FIELDS
from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.waiting import until
from benchmarks.measure import Report, percentile, say
from kovra import wiring
from kovra.actions.request import Action, ActionRequest, Source
from kovra.config import Process, from_environment
from kovra.crash import DOOR, RELAY, SCHEDULER
from kovra.ids import GuildId, UserId, new_request_id
from kovra.sandbox.settlement import REGULAR
from kovra.store.database import Database

Answer = TypeVar("Answer")

#: How long a temporary ban lasts, and one whose end is what is looked at, in seconds.
HOUR_S, MOMENT_S = 3600, 3

#: Cells under way at once, and how long one may take to recover before it counts as lost.
AT_ONCE, PATIENCE_S = 2, 30.0

#: How many of the slowest cells are named, and how often a cell is run that is not hit at once.
SHOWN, TRIES = 5, 2

#: What is written for a purge: so many messages in each of two channels, so it has two parts.
WRITTEN, WRITTEN_IN = 2, ("main-hall", "mod-log")

#: What the figure ``doubled`` counts: what was done twice, and what was recorded otherwise than it was.
DOUBLED = (
    Broken.DEED_DOUBLED,
    Broken.CASE_DOUBLED,
    Broken.MESSAGE_DOUBLED,
    Broken.UNACCEPTED,
    Broken.UNPROVEN,
    Broken.UNINTENDED,
)


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
    """The rig that these cells need; each uses somebody up, each time it is run."""
    unbans, bulks = (sum(cell.action == action for cell in todo) for action in ("unban", MASS))
    members = TRIES * (len(todo) + BULK_OF * bulks)
    return {"webs": 1, "workers": 3, "guilds": 1, "members": members, "banned": TRIES * max(unbans, 1)}


def matrix(rig: Rig, report: Report, todo: list[Cell]) -> None:
    """Run these cells, some at a time, and judge."""
    run = Matrix(rig)
    say(f"{len(todo)} cells")
    try:
        with rig.reviving(), ThreadPoolExecutor(AT_ONCE) as hands:
            list(hands.map(run.cell, todo))
    finally:
        run.database.dispose()
    run.verdict(report, todo)


class Matrix:
    """One warm Kovra whose processes die when told to."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.armed, self.judge = rig, rig.armed, rig.judge
        self.crowd = rig.crowds[0]
        self.guild_id, self.person = self.crowd.guild_id, self.crowd.people[0]
        self._one_by_one, self._at_the_door = threading.Lock(), threading.Lock()
        self._in_place = {action: threading.Lock() for action in PLACES}
        self.channels = {one["name"]: int(one["id"]) for one in rig.discord("GET", f"guilds/{self.guild_id}/channels")}
        roles = rig.discord("GET", f"guilds/{self.guild_id}")["roles"]
        self.role_id = next(int(role["id"]) for role in roles if role["name"] == REGULAR)
        config = from_environment(Process.WEB, rig.stack.env)
        self.database = Database(config.database_url, role="kovra_web")
        self.submit = wiring.build_submit(config, self.database, config.web_keys[0])

    def cell(self, cell: Cell) -> None:
        """One cell; once more when the process it waited for died of the other cell under way."""
        with self._in_place.get(cell.action) or contextlib.nullcontext():
            for _ in range(TRIES):
                self._once(cell)
                if cell.action in PLACES:
                    self._plainly(self._target(cell), PLACES[cell.action])
                if cell.hit:
                    return

    def _once(self, cell: Cell) -> None:
        """From the form to the end of the request."""
        with self._one_by_one:
            targets = [self._target(cell) for _ in range(BULK_OF if cell.action == MASS else 1)]
        target = targets[0]
        self._prepare(cell, target)
        drawn = cell.action not in (MASS, REVERSAL)
        fields = until(lambda: self._draw(target, cell), PATIENCE_S) if drawn else {}
        cell.request_id = fields["request_id"] if drawn else str(new_request_id())
        for_all = cell.point in (*DOOR, *RELAY, *SCHEDULER)
        # At the door and at the relay nobody knows whose turn it is, so only one such cell is under way at a time.
        with self._at_the_door if for_all else contextlib.nullcontext():
            files = [self.armed / name for name in arming(cell)]
            until(lambda: self.rig.ready("worker") >= 2, PATIENCE_S)
            with self._one_by_one:
                for file in files:
                    file.touch()
                until(lambda: self._asked(cell, targets, fields), PATIENCE_S)
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

    def _target(self, cell: Cell) -> int:
        """Whom or what it is done to; a person is used up."""
        if cell.action in PLACES:
            return self.channels["side-hall"] if cell.action == "lock" else self.guild_id
        return (self.crowd.banned if cell.action == "unban" else self.crowd.members).popleft()

    def _prepare(self, cell: Cell, target: int) -> None:
        """What has to be so before there is anything to do."""
        them = {"guild_id": str(self.guild_id), "user_id": str(target)}
        if cell.action in ("quarantine", "role_remove"):
            self.rig.discord("POST", "roles", {**them, "role_id": str(self.role_id)})
        if cell.action == "purge":
            for name in WRITTEN_IN:
                for _ in range(WRITTEN):
                    said = {**them, "channel_id": str(self.channels[name]), "content": "spam"}
                    self.rig.discord("POST", "messages", said)
        if cell.action == REVERSAL:
            self._plainly(target, "mute")

    def _plainly(self, target: int, action: str) -> None:
        """Something done to its end that nobody has to die for, though its worker may die of another cell."""
        fields = until(lambda: self._draw(target, Cell("", action)), PATIENCE_S)
        until(lambda: self._sent(fields), PATIENCE_S)
        until(lambda: self._end(Cell("", action, fields["request_id"])), PATIENCE_S)

    def _reversed(self, cell: Cell, target: int) -> bool:
        """Ask for the opposite of the mute that was made before, as *Undo* does."""
        muted = (
            "SELECT case_no FROM mod_cases WHERE guild_id = ANY(:guilds) AND target_id = :target AND action = 'mute'"
        )
        wish = ActionRequest(
            request_id=UUID(cell.request_id),
            guild_id=GuildId(self.guild_id),
            action=Action.UNMUTE,
            target_id=UserId(target),
            moderator_id=UserId(self.person.user_id),
            source=Source.DASHBOARD,
            reason="chaos",
            params={"reverses": self.judge.rows(muted, target=target)[0].case_no},
            issued_at=datetime.now(UTC),
        )
        return self.submit(wish).accepted

    def _asked(self, cell: Cell, targets: Sequence[int], fields: dict[str, str]) -> bool:
        if cell.action == MASS:
            return self._sent_all(cell, targets)
        return self._reversed(cell, targets[0]) if cell.action == REVERSAL else self._sent(fields)

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
        if action.startswith("role_"):
            more["role_id"] = str(self.role_id)
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
