"""The worker: Guard's hands."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dramatiq.worker
from dramatiq import Worker

from kovra import readings
from kovra.actions.request import ActionRequest
from kovra.config import Config
from kovra.errors import Unavailable
from kovra.guard.bulk import BulkBan
from kovra.guard.chunk import ExecuteChunk
from kovra.guard.execute import Execute
from kovra.guard.log_posts import LogPosts
from kovra.guard.message_tests import MessageTests
from kovra.guard.notices import Busy, Notices
from kovra.ids import GuildId
from kovra.live import bulletin
from kovra.live.bulletin import Bulletin
from kovra.metrics import Metrics
from kovra.queue.actors import declare_actions, declare_chunks
from kovra.queue.capture import Capture
from kovra.queue.client import of_one_node
from kovra.queue.dead_workers import DeadWorkers
from kovra.queue.janitor import Janitor
from kovra.queue.outbox import QUEUE, Outbox
from kovra.queue.pauses import KeepPauses
from kovra.queue.posting import Posting
from kovra.queue.relay import Relay
from kovra.queue.scheduler import Scheduler
from kovra.store.audit import Quarantine
from kovra.store.database import Database
from kovra.store.events import Events
from kovra.store.evidence import LooseEvidence
from kovra.store.expiry import Expiry
from kovra.store.forgetting import Forgetting
from kovra.store.job_backlog import JobBacklog
from kovra.store.job_ledger import JobLedger
from kovra.store.lane_pauses import LanePauses
from kovra.store.ledger import Backlog, Ledger, Liveness
from kovra.store.liveness import new_claim_key
from kovra.store.log_posts import PostLedger
from kovra.store.message_tests import MessageTestLedger
from kovra.store.native import Native
from kovra.store.operations import Operations
from kovra.store.retention import Retention
from kovra.store.roster import Roster
from kovra.store.schedule import Schedule
from kovra.store.warming import warm
from kovra.store.workers import Presence

if TYPE_CHECKING:
    from kovra.bot.rest import GuardRest
from kovra.wiring.common import build_broker, checkpoint_of, pacer_of, serve_metrics

log = logging.getLogger(__name__)


#: Actions a worker process has in hand at once: more than the eight that one guild may have, so that a burst in one
#: never fills a worker.
WORKER_THREADS = 12

#: What a silent worker had is given to others after this, in milliseconds. Giving too early does no harm: the claim in
#: Postgres decides who executes.
SILENT_MS = 2_500

#: How soon a consumer that lost Redis looks whether it is back, in seconds. Dramatiq's own 3 s is longer than what was
#: clicked meanwhile should wait.
RECONNECT_S = 0.5


#: How long a stopping worker lets the actions in its hands finish, in milliseconds.
STOP_MS = 20_000


#: A worker's name on the lanes: this and the key of the lock that shows that it lives.
_WORKER = "worker-"


@dataclass
class WorkerProcess:
    """Guard's hands: consumers over the lanes, relay, janitor, scheduler, and the proof that this process lives."""

    database: Database
    rest: GuardRest
    liveness: Liveness
    presence: Presence
    relay: Relay
    janitor: Janitor
    dead_workers: DeadWorkers
    pauses: KeepPauses
    retention: Retention
    expiry: Expiry
    scheduler: Scheduler
    capture: Capture
    posting: Posting
    workers: Worker
    #: Set when the process is to end: a chunk stops between two targets.
    ending: threading.Event
    warm_up: Callable[[], None]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start everything; returns when actions are being executed.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        self.rest.start()
        self.liveness.start()
        self.warm_up()
        for name in (
            "relay",
            "janitor",
            "liveness",
            "presence",
            "dead_workers",
            "pauses",
            "retention",
            "expiry",
            "scheduler",
            "capture",
            "posting",
        ):
            thread = threading.Thread(target=getattr(self, name).run, args=(self._stopping,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        self.workers.start()

    def stop(self) -> None:
        """Take nothing new, finish what is in hand, then let go of everything else."""
        self.ending.set()
        self.workers.stop(timeout=STOP_MS)
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=5)
        self.rest.close()
        self.liveness.close()
        self.database.dispose()


def build_worker(config: Config) -> WorkerProcess:
    """The worker: ``kovra_worker`` in PostgreSQL, Guard's token on Discord."""
    from kovra.bot.live_roster import LiveRoster
    from kovra.bot.pointing import point_pycord_at
    from kovra.bot.rest import GuardRest

    point_pycord_at(config.discord_base_url, config.discord_cdn_url)
    # Two connections for each action in hand would be too many; one, and some for the loops.
    database = Database(config.database_url, role="kovra_worker", pool_size=WORKER_THREADS, max_overflow=4)
    rest = GuardRest(config.discord_token, config.discord_base_url, pacer=pacer_of(config))
    mirror = Roster(database)
    roster = LiveRoster(mirror=mirror, discord=rest)
    claim_key, at = new_claim_key(), checkpoint_of(config)
    owner = f"{socket.gethostname()}:{os.getpid()}"[:100]
    ledger = Ledger(database, config.audit_key, owner=owner, claim_key=claim_key, claim_s=config.claim_s, at=at)
    busy, waiting = Busy(), PostLedger(database)
    metrics = Metrics()
    quarantine = _Counting(database, config.audit_key, metrics)
    liveness = Liveness(database, claim_key, free_left=ledger.free_left)
    broker = build_broker(
        config,
        on_quarantine=_reporting(quarantine),
        on_acknowledged=_watched_acks(config, at),
        heartbeat_timeout_ms=SILENT_MS,
        consumer_name=f"{_WORKER}{claim_key}",
        serve=config.worker_shards or None,
    )
    execute = Execute(
        ledger=ledger,
        roster=roster,
        discord=rest,
        notices=Notices(ledger=ledger, roster=roster, discord=rest, base_url=config.base_url, busy=busy, at=at),
        quarantine=quarantine,
        bulletin=Bulletin(bulletin.connect(of_one_node(config.redis_url))),
        keys=config.verifying_keys,
        at=at,
    )
    dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = RECONNECT_S
    declare_actions(broker, execute)
    jobs, ending = JobLedger(database, config.audit_key, owner=owner, claim_key=claim_key), threading.Event()
    chunks = ExecuteChunk(
        ledger=jobs,
        execute=execute,
        bulk=BulkBan(ledger=jobs, single=ledger, roster=roster, discord=rest, at=at),
        quarantine=quarantine,
        bulletin=execute.bulletin,
        keys=config.verifying_keys,
        at=at,
        stopping=ending.is_set,
    )
    posts = LogPosts(
        ledger=waiting,
        roster=roster,
        discord=rest,
        bulletin=execute.bulletin,
        base_url=config.base_url,
        busy=busy,
        at=at,
    )
    # What is set is read anew: what was saved a moment ago is what somebody wants to try.
    tests = MessageTests(ledger=MessageTestLedger(database), roster=mirror, discord=rest, bulletin=execute.bulletin)
    later = rest.behind(posts.run)
    # A click does not wait behind the calls of a mass action.
    declare_chunks(broker, rest.behind(chunks))
    metrics.watch("the lanes", readings.of_queue(broker, QUEUE))
    metrics.watch("the requests", readings.of_requests(Operations(database)))
    metrics.watch("Discord's limits", readings.of_discord(rest))
    serve_metrics(metrics, config)
    return WorkerProcess(
        database=database,
        rest=rest,
        liveness=liveness,
        presence=Presence(
            database,
            owner=owner,
            claim_key=claim_key,
            shards=broker.serve,
            unheard_s=lambda: broker.unheard_s(QUEUE),
        ),
        relay=Relay(
            backlog=Backlog(database),
            jobs=JobBacklog(database),
            outbox=Outbox(broker=broker),
            at=at,
            relayed=metrics.relayed.inc,
        ),
        janitor=Janitor(broker),
        dead_workers=DeadWorkers(broker=broker, proven=_proven_dead(liveness)),
        pauses=KeepPauses(decided=LanePauses(database, config.audit_key), broker=broker),
        retention=Retention(
            events=Events(database),
            evidence=LooseEvidence(database),
            forgetting=Forgetting(database, config.audit_key),
        ),
        expiry=Expiry(database, config.audit_key),
        scheduler=Scheduler(
            schedule=Schedule(database, config.audit_key, at=at),
            roster=Roster(database),
            outbox=Outbox(broker=broker),
            bulletin=execute.bulletin,
            signing_key=config.guard_keys[0],
            at=at,
        ),
        capture=Capture(
            native=Native(database, config.audit_key, config.verifying_keys),
            outbox=Outbox(broker=broker),
            bulletin=execute.bulletin,
            signing_key=config.guard_keys[0],
            at=at,
        ),
        # Nobody waits for the posts, so their calls stand behind what somebody waits for; a test somebody watches.
        posting=Posting(record=waiting, post=lambda guild_id: tests.run(guild_id) + later(guild_id)),
        workers=Worker(broker, worker_threads=WORKER_THREADS, worker_timeout=1000),
        ending=ending,
        warm_up=lambda: warm(database, WORKER_THREADS // 3, mirror.warm, ledger.warm),
    )


def _proven_dead(liveness: Liveness) -> Callable[[Collection[str]], Collection[str]]:
    """Which consumers are dead: the locks they are named after are free."""

    def proven(names: Collection[str]) -> Collection[str]:
        keys = {int(name.removeprefix(_WORKER)): name for name in names if name.startswith(_WORKER)}
        try:
            return [keys[key] for key in liveness.dead(keys)] if keys else []
        except Unavailable:
            return []

    return proven


class _Counting(Quarantine):
    """The quarantine, which tells the metrics what it took."""

    def __init__(self, database: Database, audit_key: bytes, metrics: Metrics) -> None:
        super().__init__(database, audit_key)
        self._metrics = metrics

    def refuse(self, *, lane: GuildId, body: bytes, cause: str, request: ActionRequest | None = None) -> None:
        self._metrics.refused.labels(cause).inc()
        super().refuse(lane=lane, body=body, cause=cause, request=request)


def _watched_acks(config: Config, at: Callable[[str], None]) -> Callable[[str], None] | None:
    """In tests, a checkpoint after Redis has taken an entry off its lane."""
    if not config.crash:
        return None

    def acknowledged(message_id: str) -> None:
        # By now no message is in hand any more.
        at("after_ack")
        at(f"after_ack@{message_id}")

    return acknowledged


def _reporting(quarantine: Quarantine) -> Callable[[str, bytes, str], None]:
    """What the broker tells of entries it could not hand out goes to the audit log of the lane's guild."""

    def report(lane: str, payload: bytes, cause: str) -> None:
        try:
            quarantine.unreadable(lane, payload, cause)
        except Unavailable:
            # The entry lies with the dead letters all the same; its consumer must go on.
            log.error("an entry of lane %.40r was refused (%s) and could not be audited", lane, cause)

    return report
