"""Somebody writes to Redis: a thousand forged, spoiled, repeated and senseless entries, straight onto the lanes.

Nothing of it is executed. Each is in the audit log, or, true to the letter, acknowledged and counted at its request.
The good traffic beside it goes on. Then the keys are changed under load, and one is revoked while requests wait.
"""

from __future__ import annotations

import random
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.chaos.forgeries import Envelope, Forgery, garbage, spoiled, whole
from benchmarks.chaos.judge import Broken, Finding
from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.waiting import until
from benchmarks.measure import Report, percentile, say, sleep_until
from kovra.actions.envelope import Key
from kovra.queue.keys import Keys, spread
from kovra.queue.outbox import QUEUE

#: Good actions a second meanwhile, and while keys change.
RATE, ROTATING_RATE = 5, 20
SEED = 7

#: True requests that forgeries are made from.
LONG_MODELS, QUICK_MODELS = 16, 6

#: So many wait under a key when it is revoked.
WAITING = 20

#: Hostile entries a second.
HOSTILE_RATE = 150

#: How long the last hostile entry may wait to be refused, in seconds.
PATIENCE_S = 60.0

#: What would show that a forgery was executed.
EXECUTED = (Broken.UNACCEPTED, Broken.DEED_DOUBLED, Broken.CASE_DOUBLED, Broken.MESSAGE_DOUBLED, Broken.UNINTENDED)


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    keys = [Key(kid=kid, ring="web", secret=secrets.token_bytes(32)) for kid in ("web1", "web2")]
    guard = Key(kid="guard1", ring="guard", secret=secrets.token_bytes(32))
    env = {"KOVRA_WEB_KEYS": words(keys), "KOVRA_GUARD_KEYS": words([guard])}
    return perform(
        "chaos attack",
        lambda rig, report: attack(rig, report, keys, guard, QUICK_MODELS if quick else LONG_MODELS, quick),
        quick=quick,
        json=json,
        webs=1,
        env=env,
    )


def words(keys: Sequence[Key]) -> str:
    """A ring as it is configured."""
    return ",".join(f"{key.kid}:{key.secret.hex()}" for key in keys)


def attack(rig: Rig, report: Report, keys: Sequence[Key], guard: Key, models: int, quick: bool) -> None:
    """The forgeries, then the keys."""
    with rig.load(rate=RATE) as load:
        until(lambda: len(finished(rig)) >= models, PATIENCE_S)
        true = finished(rig)[:models]
        hostile = forgeries(true, keys, guard, [crowd.guild_id for crowd in rig.crowds])
        say(f"{len(hostile)} hostile entries")
        before = replays(rig, true)
        began = time.monotonic()
        put(rig, hostile)
        copies = sum(forgery.copy for forgery in hostile)
        done = until(lambda: audited(rig) + replays(rig, true) - before >= len(hostile), PATIENCE_S)
        report.add("refused_within_s", time.monotonic() - began if done else None, digits=1)
        refused, repeated = audited(rig), replays(rig, true) - before
    rows = [rig.judge.request(request_id) for request_id in load.answered]
    ages = [(row.done_at - row.accepted_at).total_seconds() * 1000 for row in rows if row and row.done_at]
    findings = rig.settle(report)
    report.add("messages", len(hostile))
    report.add("executed", sum(finding.broken in EXECUTED for finding in findings))
    report.add("audited", refused)
    report.add("replays", repeated)
    report.add("unaccounted", max(0, len(hostile) - copies - refused) + max(0, copies - repeated))
    report.add("audited_twice", max(0, refused - (len(hostile) - copies)))
    report.add("good_actions", len(load.answered))
    report.add("good_p95_ms", percentile(ages, 0.95), digits=0)
    if report.figures["unaccounted"]:
        rig.broken.append(Finding(Broken.LOST, f"{report.figures['unaccounted']} hostile entries are on no record"))
    for cause, count in causes(rig).most_common():
        report.add(f"cause_{cause}", count)
    web, other = keys
    if quick:
        for key in ("rotated_actions", "rotated_false_rejects"):
            report.unmeasured(key, "only the long form changes keys under load")
        revoke(rig, report, good=other, leaked=web)
    else:
        rotate(rig, report, keys)
        revoke(rig, report, good=web, leaked=other)
    report.add("violations", len(rig.broken))


def rotate(rig: Rig, report: Report, keys: Sequence[Key]) -> None:
    """The second key takes over from the first, one process after another, under load: nobody notices."""
    say("changing the keys")
    old, new = keys
    before = audited(rig)
    with rig.load(rate=ROTATING_RATE) as load:
        for name in ("web", "worker", "worker-2"):
            restart(rig, name, {"KOVRA_WEB_KEYS": words([new, old])})
        until(lambda: under(rig, load.answered, new), PATIENCE_S)
    rig.settle(report)
    rows = [rig.judge.request(request_id) for request_id in load.answered]
    wrongly = [row for row in rows if row.state == "expired" or row.refusal_kind == "key_revoked"]
    report.add("rotated_actions", len(rows))
    report.add("rotated_false_rejects", len(wrongly) + audited(rig) - before)
    if report.figures["rotated_false_rejects"]:
        rig.broken.append(Finding(Broken.LOST, "a change of keys refused good requests"))


def revoke(rig: Rig, report: Report, *, good: Key, leaked: Key) -> None:
    """The key that signs now turns out to have leaked: what waits under it is rejected, and none of it is done."""
    say("revoking a key")
    for name in ("worker", "worker-2"):
        rig.kill(name)
    with rig.load(rate=ROTATING_RATE) as load:
        until(lambda: len(under(rig, load.answered, leaked)) >= WAITING, PATIENCE_S)
    waiting = untouched(rig, leaked)
    with ThreadPoolExecutor() as hands:
        env = {"KOVRA_WEB_KEYS": words([good, leaked]), "KOVRA_REVOKED_KEYS": leaked.kid}
        list(hands.map(lambda name: restart(rig, name, env), ("worker", "worker-2")))
    rig.settle(report)
    ended = [rig.judge.request(request_id) for request_id in waiting]
    executed = [row for row in ended if row.effect_at is not None or row.case_no is not None]
    told = _first(
        rig,
        "SELECT count(*) FROM guild_events e JOIN audit_log a ON a.guild_id = e.guild_id AND a.kind = e.kind"
        " AND a.facts->>'request_id' = e.request_id::text WHERE e.kind = 'action.rejected'"
        " AND e.request_id = ANY(cast(:ids AS uuid[]))",
        ids=waiting,
    )
    report.add("revoked_waiting", len(waiting))
    report.add("revoked_executed", len(executed))
    report.add("revoked_rejected_on_record", told)
    if executed or told != len(waiting):
        what = f"of {len(waiting)} under a revoked key {len(executed)} were done and {told} rejected on record"
        rig.broken.append(Finding(Broken.UNACCEPTED, what))


def restart(rig: Rig, name: str, env: Mapping[str, str]) -> None:
    """One process again, with other settings."""
    process = rig.stack.processes[name]
    process.env = {**process.env, **env}
    process.restart()


def under(rig: Rig, request_ids: Sequence[str], key: Key) -> list[str]:
    """Those of these requests that this key has signed."""
    found = "SELECT request_id FROM action_requests WHERE kid = :kid AND request_id = ANY(cast(:ids AS uuid[]))"
    return [str(row.request_id) for row in rig.judge.rows(found, kid=key.kid, ids=list(request_ids))]


def untouched(rig: Rig, key: Key) -> list[str]:
    """What waits under this key and was never begun."""
    found = (
        "SELECT request_id FROM action_requests WHERE guild_id = ANY(:guilds) AND kid = :kid"
        " AND state = 'accepted' AND effect_at IS NULL"
    )
    return [str(row.request_id) for row in rig.judge.rows(found, kid=key.kid)]


def forgeries(true: Sequence[Envelope], keys: Sequence[Key], guard: Key, guilds: Sequence[int]) -> list[Forgery]:
    """Everything, in an order nobody planned."""
    web, other = keys
    forger = Key(kid="web9", ring="web", secret=secrets.token_bytes(32))
    made: list[Forgery] = []
    for number, envelope in enumerate(true):
        elsewhere = next(guild_id for guild_id in guilds if guild_id != envelope.guild_id)
        made += spoiled(envelope, web)
        made += whole(envelope, other, guard, forger, elsewhere, number)
        made += garbage(envelope)
    random.Random(SEED).shuffle(made)
    return made


def put(rig: Rig, hostile: Sequence[Forgery]) -> None:
    """Straight into the streams, as somebody would who has Redis and nothing else."""
    keys, shard_of = Keys("kovra", 64), spread(64)
    client, started = rig.valkey(), time.monotonic()
    for number, forgery in enumerate(hostile):
        lane = str(forgery.lane)
        client.xadd(keys.stream(QUEUE, shard_of(lane), lane, 0), forgery.fields)  # type: ignore[arg-type]
        sleep_until(started + number / HOSTILE_RATE)


def finished(rig: Rig) -> list[Envelope]:
    """Requests of the dashboard that are done, as forgers find them on a lane.

    What Guard signed itself would make its key's forgery a true copy.
    """
    found = rig.judge.rows(
        "SELECT guild_id, target_id, request_id, body, kid, sig FROM action_requests"
        " WHERE guild_id = ANY(:guilds) AND state = 'done' AND source = 'dashboard' ORDER BY done_at"
    )
    return [
        Envelope(row.guild_id, row.target_id, str(row.request_id), bytes(row.body), row.kid, row.sig) for row in found
    ]


def audited(rig: Rig) -> int:
    """Entries of the audit log about refused envelopes."""
    counted = "SELECT count(*) FROM audit_log WHERE kind = 'envelope.refused' AND guild_id = ANY(:guilds)"
    return int(_first(rig, counted))


def causes(rig: Rig) -> Counter[str]:
    """Why they were refused."""
    found = rig.judge.rows(
        "SELECT facts->>'cause' AS cause, count(*) AS many FROM audit_log"
        " WHERE kind = 'envelope.refused' AND guild_id = ANY(:guilds) GROUP BY 1"
    )
    return Counter({row.cause: row.many for row in found})


def replays(rig: Rig, true: Sequence[Envelope]) -> int:
    """How often true copies of these requests were acknowledged."""
    ids = [envelope.request_id for envelope in true]
    counted = "SELECT coalesce(sum(replays), 0) FROM action_requests WHERE request_id = ANY(cast(:ids AS uuid[]))"
    return int(_first(rig, counted, ids=ids))


def _first(rig: Rig, statement: str, **values: Any) -> Any:
    return rig.judge.rows(statement, **values)[0][0]
