"""Cases, people and a profile over a long history: eight readers while twenty cases a second arrive.

What is timed is the whole answer: HTTP, the viewer's rights, the search, the drawing of fifty rows. As in production
there is a web process for each core, all behind one port (``web_processes``). Beside each time stands ``…_cpu_ms``,
what one answer costs them: on a busy machine that says more than the time. The history is ``benchmarks/casefile``:
1,000,000 cases on 50,000 members in one guild, and 10,000 to show how the cost grows. The short form has 50,000 and
2,000. Before the first kind some of each are asked and not counted: the webs have just started, and what they load and
prepare once is no reader's wait in production.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from benchmarks.casefile import seed
from benchmarks.casefile.export import exported
from benchmarks.casefile.readers import READERS, ask
from benchmarks.casefile.seed import GUARD, GUILD, MODERATORS, PEOPLE
from benchmarks.casefile.webs import Webs
from benchmarks.fanout.ways import cpu_s
from benchmarks.measure import Report, host, percentile, say
from kovra.actions.capabilities import Person
from kovra.actions.request import Action, ActionRequest, Source, State
from kovra.actions.rights import Standing
from kovra.guard.claim import Claim
from kovra.ids import UserId, new_request_id
from kovra.launcher.postgres import EmbeddedPostgres
from kovra.launcher.valkey import EmbeddedValkey
from kovra.store.database import Database
from kovra.store.ledger import Ledger
from kovra.store.migrate import upgrade
from kovra.store.sessions import Sessions
from kovra.store.tables import ActionRequests

CASES_PER_S = 20
PORT = 8793
#: How long the webs are asked before anything counts.
WARM_S = 4.0


def main(quick: bool, json: bool) -> int:
    """Run and print; 0 when the run was valid."""
    sizes = ((50_000, ""), (2_000, "_10k")) if quick else ((1_000_000, ""), (10_000, "_10k"))
    report = Report(name="cases", quick=quick, host=host())
    for total, suffix in sizes:
        with ExitStack() as opened:
            _measure(report, opened, total, suffix, 1.5 if quick else 8.0)
    if quick:
        report.notes["quick"] = "the short form has 50,000 cases, and 2,000 where the keys end in _10k"
    report.print(as_json=json)
    return 0


def _measure(report: Report, opened: ExitStack, total: int, suffix: str, seconds: float) -> None:
    folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="kovra-bench-")))
    folder.chmod(0o711)
    server = opened.enter_context(EmbeddedPostgres(folder / "postgres", durable=False))
    valkey = opened.enter_context(EmbeddedValkey(folder / "valkey", durable=False, port=0))
    upgrade(server.url)
    databases = {role: Database(server.url, role=role) for role in (None, "kovra_bot", "kovra_web", "kovra_worker")}
    for database in databases.values():
        opened.callback(database.dispose)
    say(f"writing {total:,} cases")
    began = time.monotonic()
    seed.write(databases[None], databases["kovra_bot"], total)
    report.add(f"seed_s{suffix}", time.monotonic() - began, digits=1)
    with databases[None].transaction(GUILD) as session:
        report.host = {**report.host, "postgres": str(session.scalars(text("SHOW server_version")).one())}
    cookie = Sessions(databases["kovra_web"]).open(
        user_id=seed.OWNER, username="owner", name="Owner", avatar=None, access_token=b""
    )
    webs = Webs(folder, opened, PORT, server.url, valkey.url)
    report.add("web_processes", len(webs))
    arriving = opened.enter_context(_Arriving(databases[None], databases["kovra_worker"], total))
    say(f"{READERS} readers, {CASES_PER_S} cases a second")
    questions, spent = _questions(total), lambda: cpu_s(webs.pids())
    ask(webs.address, cookie, {"warm": [paths[0] for paths in questions.values()]}, WARM_S, spent)
    for key, told in ask(webs.address, cookie, questions, seconds, spent).items():
        report.add(f"{key}_p95_ms{suffix}", percentile(told.ms, 0.95), digits=1)
        report.add(f"{key}_p50_ms{suffix}", percentile(told.ms, 0.5), digits=1)
        report.add(f"{key}_cpu_ms{suffix}", 1000 * told.cpu_s / max(1, len(told.ms)), digits=1)
        report.add(f"{key}_answers{suffix}", len(told.ms))
        if told.failed:
            report.notes[f"{key}_p95_ms{suffix}"] = f"{told.failed} of {len(told.ms)} were not answered"
    say("export")
    grown, lines, took = exported(webs.address, cookie, webs.pids)
    report.add(f"export_rss_growth_mb{suffix}", grown, digits=1)
    report.add(f"export_lines{suffix}", lines)
    report.add(f"export_s{suffix}", took, digits=1)
    report.add(f"arrived{suffix}", arriving.written)
    report.add(f"arriving_p95_ms{suffix}", percentile(arriving.ms, 0.95), digits=1)


def _questions(total: int) -> Mapping[str, Sequence[str]]:
    """What is asked, as the pages ask it. Pairs of filters are common with common, rare with rare, and such as meet
    in no case at all."""
    member, moderator = PEOPLE + MODERATORS + 50, PEOPLE + 3
    until = (datetime.now(UTC) - timedelta(days=380)).date()
    pairs = (
        *("action=ban&dm=refused", "action=note&source=automod", "action=kick&dm=unknown", "source=automod&dm=unknown"),
        *("action=warn&source=native", f"mod={moderator}&source=native", f"mod={PEOPLE}&source=automod"),
        *(f"mod={PEOPLE + 11}&action=note", f"who={member}&action=warn", f"to={until}&action=kick"),
        *(f"from={until}&dm=unknown", "holds=active&source=native", f"holds=active&mod={PEOPLE + 11}"),
        *("holds=over&action=ban", "state=applied&action=warn", "action=unban&source=dashboard"),
    )
    words = (
        "spam",
        "evidence",
        "spam+general",
        "raid+scam",
        "c4ca",
        "nobody+said+this",
        "spam&action=unban",
        "member123",
    )
    places = [f"before={total * share // 100}" for share in (95, 80, 50, 20, 3)]
    asked = {
        "two_filters": [f"/cases/list?{pair}" for pair in pairs],
        "text": [f"/cases/list?q={word}" for word in words],
        "sort_expiry": [
            "/cases/list?sort=ends&holds=active",
            "/cases/list?sort=-ends&action=ban",
            "/cases/list?sort=ends&source=automod",
        ],
        "deep_page": [*(f"/cases/list?{p}" for p in places), *(f"/cases/list?action=kick&{p}" for p in places)],
        "profile": [f"/members/{PEOPLE + MODERATORS + number}" for number in range(1, 4000, 97)],
        "members": [
            *("/members/list", "/members/list?q=member12", "/members/list?q=membr123", "/members/list?age=-365"),
            *("/members/list?is=punished", "/members/list?is=muted&q=mem", "/members/list?came=720"),
        ],
        "bans": ["/bans/list", "/bans/list?q=member12", "/bans/list?ends=1"],
        "palette": [f"/palette?q={word}" for word in ("member12", "membr123", "ban+member77", "case+42")],
        "sheet": [f"/cases/{number}" for number in range(1, total, max(1, total // 97))],
    }
    return {kind: [f"/g/{GUILD}{path}" for path in paths] for kind, paths in asked.items()}


class _Arriving:
    """Cases that the worker writes meanwhile, as it writes them: claimed requests are finalised."""

    def __init__(self, owner: Database, worker: Database, total: int) -> None:
        self._owner, self._stop = owner, threading.Event()
        self._ledger = Ledger(worker, b"a" * 32, owner="bench", claim_key=1)
        self._thread = threading.Thread(target=self._write, daemon=True)
        self.written, self.ms = 0, []

    def __enter__(self) -> _Arriving:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _write(self) -> None:
        started = time.monotonic()
        while not self._stop.wait(max(0.0, started + self.written / CASES_PER_S - time.monotonic())):
            request = _begun(self._owner, self.written)
            claim = Claim(
                request=request,
                epoch=1,
                attempt=1,
                state=State.EXECUTING,
                accepted_at=request.issued_at,
                expires_at=request.issued_at,
                now=request.issued_at,
            )
            began = time.monotonic()
            self._ledger.finalise(claim, standing=_STANDING, ends_at=None)
            self.ms.append((time.monotonic() - began) * 1000)
            self.written += 1


def _begun(owner: Database, number: int) -> ActionRequest:
    """A request that a worker has claimed."""
    now = datetime.now(UTC)
    request = ActionRequest(
        request_id=new_request_id(),
        guild_id=GUILD,
        action=Action.WARN,
        target_id=UserId(PEOPLE + MODERATORS + number % 50_000),
        moderator_id=UserId(PEOPLE),
        source=Source.DASHBOARD,
        reason="Spam links in #general, just now",
        issued_at=now,
    )
    row: dict[str, Any] = {
        "request_id": request.request_id,
        "guild_id": GUILD,
        "action": request.action.value,
        "target_id": request.target_id,
        "moderator_id": request.moderator_id,
        "source": request.source.value,
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
    with owner.transaction(GUILD) as session:
        session.execute(insert(ActionRequests), [row])
    return request


_SOMEBODY = Person(user_id=GUARD, name="Somebody", member=True)
_STANDING = Standing(guild_id=GUILD, owner_id=GUARD, guard=_SOMEBODY, moderator=_SOMEBODY, target=_SOMEBODY, grants={})
