"""Two workers of the same lanes, and one of them stands still now and then: nobody may act for the other as well.

SIGSTOP is worse than death. The process holds its claims, its locks and its half-sent calls, others take over what its
claim's time allows, and then it goes on as if nothing had been. Claims last ``CLAIM_S`` here, a tenth of what they do.

First the worst moment, on purpose: a worker stands still when its intent is committed and the call has not left. Its
successor finds nothing done and acts; whoever was kicked comes back at once, so a call that still left would show.
"""

from __future__ import annotations

import random
import time

from benchmarks.chaos.load import FIELDS
from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.waiting import must
from benchmarks.measure import Report, say
from kovra.crash import STOP

#: How often, and between which seconds a pause lasts: up to twice a claim.
PAUSES, PAUSES_QUICK, LASTS_S = 40, 5, (0.5, 6.0)
WORKERS = ("worker", "worker-2")
#: What a worker is about to do when it stands still at the worst moment.
WORST, WORST_QUICK = ("kick", "softban", "ban", "mute", "unban", "kick", "kick", "kick"), ("kick", "softban")
CLAIM_S = 3
#: How long Discord takes for each call: at any moment several actions are half way, so a pause finds some.
LATENCY_MS = 100
SEED = 7


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    return perform("chaos pause", pause, quick=quick, json=json, env=PROFILE)


PROFILE = {"KOVRA_CLAIM_S": str(CLAIM_S)}


def pause(rig: Rig, report: Report) -> None:
    """One worker after the other stands still; the load goes on."""
    dice = random.Random(SEED)
    pauses = PAUSES_QUICK if report.quick else PAUSES
    for action in WORST_QUICK if report.quick else WORST:
        _at_the_worst_moment(rig, action)
    rig.discord("POST", "latency", {"ms": LATENCY_MS})
    say(f"{pauses} pauses")
    with rig.load(rate=10) as load:
        for number in range(pauses):
            name = WORKERS[number % 2]
            time.sleep(dice.uniform(0.1, 0.5))  # pauses come at no particular moment
            rig.pause(name)
            time.sleep(dice.uniform(*LASTS_S) if number % 3 else LASTS_S[1])  # the pause itself
            rig.resume(name)
    rig.settle(report)
    taken_over = sum(row.claim_epoch > 1 for row in rig.judge.requests())
    report.add("actions", len(load.wishes))
    report.add("pauses", pauses)
    report.add("taken_over", taken_over)


def _at_the_worst_moment(rig: Rig, action: str) -> None:
    """One action whose first worker stands still between intent and call until another one has ended it."""
    say(f"{action} at the worst moment")
    crowd = rig.crowds[0]
    person, target = crowd.people[0], crowd.target(action)
    assert target is not None
    fields = person.draw(crowd.guild_id, target, action) | {"reason": "chaos"} | FIELDS.get(action, {})
    armed = rig.armed / f"{STOP}after_effect_intent@{fields['request_id']}"
    armed.touch()
    person.send(crowd.guild_id, fields).raise_for_status()
    try:
        must(lambda: not armed.exists(), "a worker that stands still")
        must(lambda: rig.judge.request(fields["request_id"]).state == "done", "the end by its successor")
    finally:
        for name in WORKERS:
            rig.resume(name)
