"""Builds every process from plain constructor arguments. The only module that knows all rooms.

Each ``build_…`` opens what its process needs and returns it whole; nothing is opened by importing this module.
Libraries that only one kind of process may load (Flask, Pycord) are imported by the builder that needs them.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dramatiq.worker
from dramatiq import Worker
from dramatiq.middleware import CurrentMessage, Retries

from kovra import readings
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Key
from kovra.actions.request import ActionRequest
from kovra.actions.reverse import Reverse, Undo
from kovra.actions.submit import Submit
from kovra.actions.submit_job import SubmitJob
from kovra.config import Config
from kovra.crash import checkpoint
from kovra.errors import Unavailable
from kovra.guard.bulk import BulkBan
from kovra.guard.chunk import ExecuteChunk
from kovra.guard.execute import Execute
from kovra.guard.health import Finding
from kovra.guard.log_posts import LogPosts
from kovra.guard.notices import Busy, Notices
from kovra.ids import GuildId, UserId
from kovra.live import bulletin
from kovra.live.bulletin import Bulletin
from kovra.live.hub import Hub
from kovra.live.outcomes import Outcomes
from kovra.metrics import Metrics
from kovra.queue.actors import declare_actions, declare_chunks
from kovra.queue.broker import LanesBroker
from kovra.queue.capture import Capture
from kovra.queue.client import connect, of_one_node
from kovra.queue.dead_workers import DeadWorkers
from kovra.queue.desk import LaneDesk
from kovra.queue.janitor import Janitor
from kovra.queue.outbox import QUEUE, Outbox
from kovra.queue.pauses import KeepPauses
from kovra.queue.posting import Posting
from kovra.queue.relay import Relay
from kovra.queue.scheduler import Scheduler
from kovra.store.account_links import AccountLinks
from kovra.store.audit import AuditLog, Quarantine
from kovra.store.audit_pages import AuditPages
from kovra.store.ban_list import BanList
from kovra.store.broken import BrokenRequests
from kovra.store.bygone import Bygone, BygoneKeeper
from kovra.store.cancelling import Cancelling
from kovra.store.case_thread import Threads
from kovra.store.casebook import Casebook
from kovra.store.cases import CaseDetail, CaseRow, Cases
from kovra.store.database import Database, PostgresClock, sqlalchemy_url
from kovra.store.events import Events
from kovra.store.evidence import Evidence, EvidenceKeeper, LooseEvidence
from kovra.store.expiry import Expiry
from kovra.store.forgetting import Forgetting
from kovra.store.guilds import Guilds, GuildScope
from kovra.store.health import Health, HealthKeeper
from kovra.store.job_backlog import JobBacklog
from kovra.store.job_control import JobControl
from kovra.store.job_ledger import JobLedger
from kovra.store.jobs import Jobs
from kovra.store.lane_pauses import LanePauses
from kovra.store.ledger import Backlog, Ledger, Liveness
from kovra.store.liveness import new_claim_key
from kovra.store.log_posts import PostLedger
from kovra.store.member_list import MemberList
from kovra.store.members import Members
from kovra.store.mirror import Mirror
from kovra.store.native import Native
from kovra.store.native_inbox import NativeInbox
from kovra.store.operations import Operations
from kovra.store.overview import Overview
from kovra.store.profiles import Profiles
from kovra.store.requests import Requests
from kovra.store.retention import Retention
from kovra.store.roster import Roster
from kovra.store.saved_views import SavedViews
from kovra.store.schedule import Schedule
from kovra.store.sessions import Sessions
from kovra.store.settings import SettingsBook
from kovra.store.traffic import Traffic
from kovra.store.undoing import Undoing
from kovra.store.warming import warm

if TYPE_CHECKING:
    from flask import Flask

    from kovra.bot.gateway import BotProcess
    from kovra.bot.ports import Pacer
    from kovra.bot.rest import GuardRest

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

#: How long somebody who clicks waits for a Redis that hangs, in seconds; the relay brings what it did not take.
AT_THE_DOOR_S = 1.0

#: How long a stopping worker lets the actions in its hands finish, in milliseconds.
STOP_MS = 20_000


def build_broker(config: Config, *, patience_s: float = 5.0, **options: Any) -> LanesBroker:
    """The lanes, as every process sees them. Retries only marks what failed: an action's row says what comes next.

    ``patience_s`` is how long an answer of Redis is waited for.
    """
    middleware = [CurrentMessage(), Retries(max_retries=0)]
    client = connect(config.redis_url, socket_timeout_s=patience_s, connect_timeout_s=min(2.0, patience_s))
    broker = LanesBroker(client, middleware=middleware, **options)
    broker.declare_queue(QUEUE)
    return broker


def build_submit(config: Config, database: Database, signing_key: Key) -> Submit:
    """The one way in, for a process that signs with this key."""
    return Submit(
        roster=Roster(database),
        requests=Requests(database, config.audit_key, at=_checkpoint(config)),
        outbox=Outbox(broker=build_broker(config, patience_s=AT_THE_DOOR_S, serve=())),
        bulletin=Bulletin(bulletin.connect(of_one_node(config.redis_url))),
        audit=AuditLog(database, config.audit_key),
        clock=PostgresClock(database),
        signing_key=signing_key,
        at=_checkpoint(config),
    )


def build_reverse(config: Config, database: Database, submit: Submit) -> Reverse:
    """Taking back many cases at once, for a process that submits so."""
    return Reverse(
        roster=Roster(database),
        undoing=Undoing(database, config.audit_key),
        submit=submit,
        audit=AuditLog(database, config.audit_key),
        clock=PostgresClock(database),
    )


def build_submit_job(config: Config, database: Database, signing_key: Key) -> SubmitJob:
    """The one way in for mass actions, for a process that signs with this key."""
    return SubmitJob(
        roster=Roster(database),
        jobs=Jobs(database, config.audit_key),
        outbox=Outbox(broker=build_broker(config, patience_s=AT_THE_DOOR_S, serve=())),
        bulletin=Bulletin(bulletin.connect(of_one_node(config.redis_url))),
        clock=PostgresClock(database),
        signing_key=signing_key,
        at=_checkpoint(config),
    )


@dataclass
class WorkerProcess:
    """Guard's hands: consumers over the lanes, relay, janitor, scheduler, and the proof that this process lives."""

    database: Database
    rest: GuardRest
    liveness: Liveness
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
    rest = GuardRest(config.discord_token, config.discord_base_url, pacer=_pacer(config))
    mirror = Roster(database)
    roster = LiveRoster(mirror=mirror, discord=rest)
    claim_key, at = new_claim_key(), _checkpoint(config)
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
    # A click does not wait behind the calls of a mass action.
    declare_chunks(broker, rest.behind(chunks))
    metrics.watch("the lanes", readings.of_queue(broker, QUEUE))
    metrics.watch("the requests", readings.of_requests(Operations(database)))
    metrics.watch("Discord's limits", readings.of_discord(rest))
    _serve(metrics, config)
    return WorkerProcess(
        database=database,
        rest=rest,
        liveness=liveness,
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
        # Nobody waits for these posts, so their calls stand behind what somebody waits for.
        posting=Posting(record=waiting, post=rest.behind(posts.run)),
        workers=Worker(broker, worker_threads=WORKER_THREADS, worker_timeout=1000),
        ending=ending,
        warm_up=lambda: warm(database, WORKER_THREADS // 3, mirror.warm, ledger.warm),
    )


@dataclass(frozen=True, kw_only=True)
class CaseBook:
    """The cases as the bot's commands read them."""

    guilds: Guilds
    cases: Cases
    undoing: Undoing
    health: Health

    def scope(self, user_id: UserId, guild_id: GuildId) -> GuildScope | None:
        return self.guilds.scope(user_id, guild_id)

    def case(self, scope: GuildScope, case_no: int) -> Undo | None:
        return self.undoing.case(scope.guild_id, case_no)

    def detail(self, scope: GuildScope, case_no: int) -> CaseDetail | None:
        return self.cases.detail(scope, case_no)

    def latest(self, scope: GuildScope, user_id: UserId | None) -> Sequence[CaseRow]:
        if user_id is not None:
            return self.cases.earlier(scope, user_id, None)
        return self.cases.latest(scope, 10)

    def findings(self, scope: GuildScope) -> Sequence[Finding]:
        return self.health.findings(scope)


def build_bot(config: Config) -> BotProcess:
    """The bot: ``kovra_bot`` in PostgreSQL, the gateway, and the door ``/mod``."""
    from kovra.bot.evidence import EvidenceRoom
    from kovra.bot.gateway import BotProcess
    from kovra.bot.pointing import point_pycord_at
    from kovra.shared_state.identifying import IdentifyTurns

    point_pycord_at(config.discord_base_url, config.discord_cdn_url)
    database = Database(config.database_url, role="kovra_bot")
    requests = Requests(database, config.audit_key)
    hub = Hub(of_one_node(config.redis_url), Events(database))
    hub.start()
    return BotProcess(
        token=config.discord_token,
        base_url=config.discord_base_url,
        mirror=Mirror(database),
        native=NativeInbox(database),
        bygone=BygoneKeeper(database),
        health=HealthKeeper(database),
        submit=build_submit(config, database, config.guard_keys[0]),
        outcomes=Outcomes(hub, requests.progress),
        evidence=EvidenceRoom(EvidenceKeeper(database), config.discord_cdn_url),
        book=CaseBook(
            guilds=Guilds(database),
            cases=Cases(database),
            undoing=Undoing(database, config.audit_key),
            health=Health(database),
        ),
        dashboard_url=config.base_url,
        hints=Bulletin(bulletin.connect(of_one_node(config.redis_url))).hint,
        pacer=_pacer(config),
        turns=IdentifyTurns(connect(config.redis_url)) if config.pacing else None,
        shard_count=config.shard_count or None,
        shard_ids=list(config.shard_ids) or None,
    )


def build_web(config: Config) -> Flask:
    """The dashboard: ``kovra_web`` in PostgreSQL.

    Nothing runs yet: a server builds it once, before it forks. Each process that serves it calls
    ``app.extensions["kovra_start"]()`` first, and its hub listens from then on.
    """
    from kovra.dashboard.site import create_site

    database = Database(config.database_url, role="kovra_web")
    events = Events(database)
    hub = Hub(of_one_node(config.redis_url), events)
    metrics = Metrics()
    metrics.watch("the streams", readings.of_hub(hub))
    requests, roster = Requests(database, config.audit_key), Roster(database)
    submit = build_submit(config, database, config.web_keys[0])

    def start() -> None:
        hub.start()
        _serve(metrics, config)
        # Beside the start: a page may be served meanwhile, and a database that is away holds up nothing.
        warming = (database, 3, roster.warm, requests.warm)
        threading.Thread(target=warm, args=warming, name="warm-up", daemon=True).start()

    site = create_site(
        base_url=config.base_url,
        discord_base_url=config.discord_base_url,
        discord_cdn_url=config.discord_cdn_url,
        client_id=config.discord_client_id,
        client_secret=config.discord_client_secret,
        session_key=config.session_key,
        database_url=sqlalchemy_url(config.database_url).render_as_string(hide_password=False),
        submit=submit,
        submit_job=build_submit_job(config, database, config.web_keys[0]),
        threads=Threads(database),
        undoing=Undoing(database, config.audit_key),
        reverse=build_reverse(config, database, submit),
        jobs=JobControl(database, config.audit_key),
        requests=requests,
        cancelling=Cancelling(database, config.audit_key),
        broken=BrokenRequests(database, config.audit_key),
        pauses=LanePauses(database, config.audit_key),
        views=SavedViews(database, config.audit_key),
        lanes=LaneDesk(
            broker=build_broker(config, patience_s=AT_THE_DOOR_S, serve=()), audit=AuditLog(database, config.audit_key)
        ),
        roster=roster,
        guilds=Guilds(database),
        members=Members(database),
        member_list=MemberList(database),
        profiles=Profiles(database),
        account_links=AccountLinks(database, config.audit_key),
        ban_list=BanList(database),
        bygone=Bygone(database),
        cases=Cases(database),
        overview=Overview(database),
        traffic=Traffic(database),
        health=Health(database),
        settings=SettingsBook(database, config.audit_key),
        evidence=Evidence(database),
        audit_log=AuditLog(database, config.audit_key),
        audit_pages=AuditPages(database),
        casebook=Casebook(database, config.audit_key),
        sessions=Sessions(database),
        events=events,
        clock=PostgresClock(database),
        hub=hub,
        trusted_proxies=config.proxies,
    )
    site.extensions["kovra_start"] = start
    return site


#: A worker's name on the lanes: this and the key of the lock that shows that it lives.
_WORKER = "worker-"


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


def _serve(metrics: Metrics, config: Config) -> None:
    """Serve this process's metrics when the operator wants them."""
    if config.metrics_port:
        try:
            metrics.serve(config.metrics_host, config.metrics_port)
        except OSError as error:  # nobody's ban waits for a graph
            log.error("there are no metrics of this process: %s", error)


def _pacer(config: Config) -> Pacer | None:
    """The pace that all processes of this token share; a sandbox may do without."""
    if not config.pacing:
        return None
    from kovra.shared_state.pacing import RedisPacer

    return RedisPacer(connect(config.redis_url))


def _checkpoint(config: Config) -> Callable[[str], None]:
    """Where this process dies, when a test wants it to."""
    return checkpoint(config.crash, _request_in_hand) if config.crash else nowhere


def _request_in_hand() -> str | None:
    """The request whose entry this thread is working on: the message's id is its."""
    message = CurrentMessage.get_current_message()
    return message.message_id if message is not None else None


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
