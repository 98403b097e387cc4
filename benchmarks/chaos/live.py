"""Two hundred open streams while web processes die, nothing is told, and Redis and PostgreSQL restart.

Every tenth reader is slow. Afterwards each stream has every event of its guild once and in order, whatever broke in
between; then rights end, and so do their streams.
"""

from __future__ import annotations

import math
import random
import time
from itertools import pairwise

from benchmarks.chaos.judge import Broken, Finding
from benchmarks.chaos.listeners import Listener
from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.waiting import must, until
from benchmarks.measure import Report, percentile, say
from benchmarks.person import Person

#: Six guilds with two moderators each, and the streams of each one's sessions: a person may have twenty, of which the
#: rig's own reader takes one and breaks some that are not noticed yet.
CLIENTS, GUILDS, STREAMS = 200, 6, (5, 4, 4, 4)
KILLS, KILLS_QUICK, SILENT_S, SILENT_QUICK_S = 20, 4, 60.0, 4.0
TOLD_ON = 30
SEED = 7


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    return perform("chaos live", live, quick=quick, json=json, guilds=GUILDS, members=120, banned=20)


def live(rig: Rig, report: Report) -> None:
    """Everything that a stream must survive, then everything that must end it."""
    dice = random.Random(SEED)
    say("opening the streams")
    listeners: list[Listener] = []
    for crowd in rig.crowds:
        for person in crowd.people:
            for streams in STREAMS:
                again = Person(rig.stack.web_url, person.user_id)
                for _ in range(min(streams, CLIENTS - len(listeners))):
                    slow = len(listeners) % 10 == 9
                    listeners.append(Listener(again, crowd.guild_id, rig.judge.since[crowd.guild_id], slow=slow))
    kills = KILLS_QUICK if report.quick else KILLS
    with rig.reviving(), rig.load(rate=10):
        for listener in listeners:
            listener.await_open()
        say(f"{kills} kills of web processes")
        phases = [(time.monotonic(), "kills")]
        for number in range(kills):
            rig.kill(("web", "web-2")[number % 2])
            time.sleep(dice.uniform(0.5, 2.0))  # deaths come at no particular moment
            must(lambda: rig.ready("web") >= 2, "the other web process", 120)
        say("nothing is told")
        phases.append((time.monotonic(), "silence"))
        with rig.valkey() as client:
            client.execute_command("ACL", "SETUSER", "default", "resetchannels")
            time.sleep(SILENT_QUICK_S if report.quick else SILENT_S)  # the load goes on, and nobody hears of it
            client.execute_command("ACL", "SETUSER", "default", "allchannels")
        say("Valkey and PostgreSQL restart")
        phases.append((time.monotonic(), "valkey"))
        rig.kill("valkey")
        rig.stack.restart("valkey")
        must(rig.next_case_ms, "a case between the two restarts")
        phases.append((time.monotonic(), "postgres"))
        rig.crash_postgres()
        rig.start_postgres()
        must(rig.next_case_ms, "a case after them")
    rig.settle(report)
    _judge(rig, report, listeners, phases)
    _revoke(rig, report, listeners)
    report.add("clients", len(listeners))
    report.add("kills", rig.killed["web"])
    for listener in listeners:
        listener.close()


def _judge(rig: Rig, report: Report, listeners: list[Listener], phases: list[tuple[float, str]]) -> None:
    """Compare what each stream heard with what PostgreSQL has."""
    numbers = "SELECT guild_id, seq FROM guild_events WHERE guild_id = ANY(:guilds) ORDER BY seq"
    kept: dict[int, list[int]] = {guild_id: [] for guild_id in rig.judge.since}
    for guild_id, seq in rig.judge.rows(numbers):
        if seq > rig.judge.since[guild_id]:
            kept[guild_id].append(seq)
    # What is still missing then is counted below.
    until(lambda: all(listener.seen[-1:] == kept[listener.guild_id][-1:] for listener in listeners))
    missing = sum(len(set(kept[listener.guild_id]) - set(listener.seen)) for listener in listeners)
    doubled = sum(len(listener.seen) - len(set(listener.seen)) for listener in listeners)
    misordered = sum(sorted(listener.seen) != listener.seen for listener in listeners)
    report.add("events", sum(map(len, kept.values())))
    lost, twice = Broken.EVENT_MISSING, Broken.EVENT_DOUBLED
    for key, count, broken in (
        ("missing", missing, lost),
        ("doubled", doubled, twice),
        ("misordered", misordered, twice),
    ):
        report.add(key, count)
        if count:
            rig.broken.append(Finding(broken, f"{key}: {count}"))
    _resumes(report, listeners, phases)
    report.add("refused", sum(listener.refused for listener in listeners))
    report.add("resyncs", sum(listener.resyncs for listener in listeners))


def _resumes(report: Report, listeners: list[Listener], phases: list[tuple[float, str]]) -> None:
    """How long breaks lasted, in all and by the trouble that was on when they began."""
    every = [(began, ms, listener.slow) for listener in listeners for began, ms in listener.resumed]
    report.add("resumes", len(every))
    report.add("resume_max_ms", max((ms for _, ms, _ in every), default=None))
    report.add("resume_p95_ms", percentile([ms for _, ms, slow in every if not slow], 0.95))
    for (start, phase), (end, _) in pairwise([*phases, (math.inf, "")]):
        of_phase = [ms for began, ms, _ in every if start <= began < end]
        report.add(f"resumes_{phase}", len(of_phase))
        report.add(f"resume_max_{phase}_ms", max(of_phase, default=0))


def _revoke(rig: Rig, report: Report, listeners: list[Listener]) -> None:
    """Sign some out, let some leave their guild; the others go on."""
    out = listeners[0].person
    leaver = rig.crowds[1].people[1]
    gone = [each for each in listeners if each.person is out]
    gone += [
        each for each in listeners if each.guild_id == rig.crowds[1].guild_id and each.person.user_id == leaver.user_id
    ]
    say(f"{len(gone)} of {len(listeners)} streams lose their right")
    page = out.session.get(f"{out.web_url}/g/{listeners[0].guild_id}/cases", timeout=10).text
    token = page.split('name="csrf" value="')[1].split('"')[0]
    began = time.monotonic()
    out.session.post(f"{out.web_url}/logout", data={"csrf": token}, timeout=10)
    rig.discord("POST", "leave", {"guild_id": str(rig.crowds[1].guild_id), "user_id": str(leaver.user_id)})
    until(lambda: all(each.revoked_at for each in gone), 40)
    ended = [each.revoked_at for each in gone if each.revoked_at]
    if len(ended) == len(gone):
        report.add("revoked_ms", (max(ended) - began) * 1000)
    else:
        report.unmeasured("revoked_ms", f"{len(gone) - len(ended)} streams did not end")
        rig.broken.append(Finding(Broken.UNACCEPTED, "a stream went on after its right had ended"))
    stay = [(each, len(each.seen)) for each in listeners if each not in gone and not each.slow]
    with rig.load(rate=10):
        # So many the revoked must not hear, in each of their guilds.
        must(lambda: all(len(each.seen) >= heard + TOLD_ON for each, heard in stay), "the others' events", 60)
    after = sum(each.after_revocation for each in gone)
    report.add("events_after_revocation", after)
    if after:
        rig.broken.append(Finding(Broken.UNACCEPTED, f"{after} events told after a right had ended"))
    wrongly = sum(each.revoked_at is not None for each in listeners if each not in gone)
    report.add("revoked_wrongly", wrongly)
