"""Temporary bans that end while nobody is there to end them: each is lifted once, none early.

Everybody is banned for the same short time; then the workers die, Redis forgets everything, the bans run out, and
PostgreSQL crashes. What comes back dies at each of the scheduler's points, and once more when half of the bans are
lifted. The sandbox counts how often each was.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from benchmarks.chaos.judge import Broken, Finding
from benchmarks.chaos.load import Crowd
from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.waiting import must, until
from benchmarks.measure import Report, say
from benchmarks.person import Person
from kovra.crash import SCHEDULER
from kovra.ids import audit_ref, snowflake_ms

#: Temporary bans in all; guilds they are spread over; how long each lasts, in seconds, and how long nobody is there
#: after the last has run out.
LONG, QUICK = (1000, 10, 90, 5.0), (24, 2, 5, 0.5)

#: Of an audit-log entry (API reference, Audit Log Events).
UNBANNED = 23

#: How long everything may take to be lifted once all is back, in seconds.
PATIENCE_S = 120.0

#: Clicks at once.
HANDS = 16


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when an invariant broke."""
    count, guilds, lasts_s, away_s = QUICK if quick else LONG
    return perform(
        "chaos expiry",
        lambda rig, report: expiry(rig, report, count // guilds, lasts_s, away_s),
        quick=quick,
        json=json,
        webs=1,
        workers=3,
        guilds=guilds,
        members=count // guilds,
        banned=0,
    )


def expiry(rig: Rig, report: Report, each: int, lasts_s: int, away_s: float) -> None:
    """Ban, break, wait until all is lifted, and judge."""
    _raise_budgets(rig, each)
    asked = [(crowd, target) for crowd in rig.crowds for target in list(crowd.members)[:each]]
    say(f"{len(asked)} temporary bans of {lasts_s} s")
    with ThreadPoolExecutor(HANDS) as hands:
        list(hands.map(lambda pair: _ban(pair[0], pair[1], lasts_s), asked))
    must(lambda: _cases(rig, "ban") == len(asked), "the bans", PATIENCE_S)
    say("everybody leaves")
    for name in [name for name in rig.stack.processes if name.startswith("worker")]:
        rig.kill(name)
    rig.flush()
    must(lambda: not _waiting(rig), "the end of the bans", PATIENCE_S)
    due = len(rig.judge.rows("SELECT 1 FROM scheduled_ends WHERE guild_id = ANY(:guilds) AND ends_at < now()"))
    rig.crash_postgres()
    time.sleep(away_s)  # the outage itself
    rig.start_postgres()
    began = time.monotonic()
    for point in SCHEDULER:
        (rig.armed / point).touch()
    say("everybody comes back, and dies once more on the way")
    with rig.reviving():
        half = threading.Thread(target=_break_half_way, args=(rig, len(asked)), daemon=True)
        half.start()
        done = until(
            lambda: not rig.judge.rows("SELECT 1 FROM scheduled_ends WHERE guild_id = ANY(:guilds) AND state = 'open'"),
            PATIENCE_S,
        )
        half.join()
    drained_s = time.monotonic() - began
    unhit = [point for point in SCHEDULER if (rig.armed / point).exists()]
    rig.settle(report)
    lifted, early = _lifted(rig)
    never = due - sum(count == 1 for count in lifted.values())
    rig.broken += [Finding(Broken.LOST, f"the scheduler never came to {point}") for point in unhit]
    if never or early or not done:
        rig.broken.append(Finding(Broken.LOST, f"{never} of {due} bans were not lifted exactly once, {early} early"))
    report.add("due", due)
    report.add("unbanned_once", due - never)
    report.add("early", early)
    report.add("violations", len(rig.broken))
    report.add("drained_s", drained_s)
    report.add("scheduler_deaths", len(SCHEDULER) - len(unhit))


def _ban(crowd: Crowd, target: int, lasts_s: int) -> None:
    person: Person = crowd.people[target % len(crowd.people)]
    fields = person.draw(crowd.guild_id, target, "ban")
    fields |= {"reason": "chaos", "ban_duration_s": str(lasts_s), "delete_window_s": "0"}
    answer = person.send(crowd.guild_id, fields)
    if answer.status_code != 202:
        raise RuntimeError(f"a ban was answered with {answer.status_code}: {answer.text[:200]}")


def _break_half_way(rig: Rig, count: int) -> None:
    """When half of them are lifted, a worker dies and Redis forgets everything."""
    until(lambda: _cases(rig, "unban") * 2 >= count, PATIENCE_S)
    rig.kill(next(name for name in rig.stack.processes if name.startswith("worker")))
    rig.flush()


def _raise_budgets(rig: Rig, each: int) -> None:
    """More than a person may in an hour."""
    raised = text(
        "INSERT INTO guild_settings (guild_id, budgets, changed_at)"
        " VALUES (:guild, jsonb_build_object('ban', cast(:most AS int)), now())"
        " ON CONFLICT (guild_id) DO UPDATE SET budgets = excluded.budgets"
    )
    with rig.judge.engine.begin() as line:
        for guild_id in rig.judge.since:
            line.execute(raised, {"guild": guild_id, "most": each * 2})


def _cases(rig: Rig, action: str) -> int:
    asked = "SELECT 1 FROM mod_cases WHERE guild_id = ANY(:guilds) AND action = :action"
    return len(rig.judge.rows(asked, action=action))


def _waiting(rig: Rig) -> bool:
    return bool(rig.judge.rows("SELECT 1 FROM scheduled_ends WHERE guild_id = ANY(:guilds) AND ends_at >= now()"))


def _lifted(rig: Rig) -> tuple[Counter[int], int]:
    """How often Discord saw each person unbanned by Guard, and how many of them before their end."""
    asked = "SELECT guild_id, target_id, ends_at FROM scheduled_ends WHERE guild_id = ANY(:guilds)"
    ends = {(row.guild_id, row.target_id): row.ends_at for row in rig.judge.rows(asked)}
    changed = {
        effect["ref"]: effect["changed"]
        for effect in rig.discord("GET", "effects")["effects"]
        if effect["verb"] == "unban"
    }
    lifted: Counter[int] = Counter()
    for row in rig.judge.requests():
        if row.action == "unban":
            lifted[row.target_id] += changed.get(audit_ref(row.request_id)[4:-1], 0)
    early = 0
    for guild_id in rig.judge.since:
        for entry in rig.discord("GET", f"guilds/{guild_id}/audit"):
            end = ends.get((guild_id, int(entry["target_id"] or 0)))
            if entry["action_type"] == UNBANNED and end is not None:
                early += snowflake_ms(int(entry["id"])) < end.timestamp() * 1000
    return lifted, early
