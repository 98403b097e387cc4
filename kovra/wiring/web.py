"""The dashboard."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kovra import readings
from kovra.config import Config
from kovra.live.hub import Hub
from kovra.metrics import Metrics
from kovra.queue.client import of_one_node
from kovra.queue.desk import LaneDesk
from kovra.store.account_links import AccountLinks
from kovra.store.audit import AuditLog
from kovra.store.audit_pages import AuditPages
from kovra.store.ban_list import BanList
from kovra.store.broken import BrokenRequests
from kovra.store.bygone import Bygone
from kovra.store.cancelling import Cancelling
from kovra.store.case_thread import Threads
from kovra.store.casebook import Casebook
from kovra.store.cases import Cases
from kovra.store.database import Database, PostgresClock, sqlalchemy_url
from kovra.store.events import Events
from kovra.store.evidence import Evidence
from kovra.store.grants import Grants
from kovra.store.guilds import Guilds
from kovra.store.health import Health
from kovra.store.job_control import JobControl
from kovra.store.lane_pauses import LanePauses
from kovra.store.member_list import MemberList
from kovra.store.members import Members
from kovra.store.message_tests import AskedTests
from kovra.store.overview import Overview
from kovra.store.profiles import Profiles
from kovra.store.requests import Requests
from kovra.store.roster import Roster
from kovra.store.saved_views import SavedViews
from kovra.store.sessions import Sessions
from kovra.store.settings import SettingsBook
from kovra.store.traffic import Traffic
from kovra.store.undoing import Undoing
from kovra.store.viewers import Viewers
from kovra.store.warming import warm
from kovra.store.workers import Workers

if TYPE_CHECKING:
    from flask import Flask

from kovra.wiring.common import AT_THE_DOOR_S, build_broker, serve_metrics
from kovra.wiring.submitting import build_reverse, build_submit, build_submit_job, build_submit_many

#: To PostgreSQL, for all pages of a process. As many as were ever needed at once stay open: a new one costs as much as
#: several pages, and knows none of the statements that the others have prepared.
CONNECTIONS = 15


def build_web(config: Config) -> Flask:
    """The dashboard: ``kovra_web`` in PostgreSQL.

    Nothing runs yet: a server builds it once, before it forks. Each process that serves it calls
    ``app.extensions["kovra_start"]()`` first, and its hub listens from then on.
    """
    from kovra.dashboard.site import create_site

    database = Database(config.database_url, role="kovra_web", pool_size=CONNECTIONS, max_overflow=0)
    events = Events(database)
    hub = Hub(of_one_node(config.redis_url), events)
    metrics = Metrics()
    metrics.watch("the streams", readings.of_hub(hub))
    requests, roster = Requests(database, config.audit_key), Roster(database)
    submit = build_submit(config, database, config.web_keys[0])

    def start() -> None:
        hub.start()
        serve_metrics(metrics, config)
        # Beside the start: a page may be served meanwhile, and a database that is away holds up nothing.
        warming = (database, 3, roster.warm, requests.warm)
        threading.Thread(target=warm, args=warming, name="warm-up", daemon=True).start()

    submit_many = build_submit_many(config, database, submit)
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
        submit_many=submit_many,
        threads=Threads(database),
        undoing=Undoing(database, config.audit_key),
        reverse=build_reverse(config, database, submit_many),
        jobs=JobControl(database, config.audit_key),
        requests=requests,
        cancelling=Cancelling(database, config.audit_key),
        broken=BrokenRequests(database, config.audit_key),
        pauses=LanePauses(database, config.audit_key),
        views=SavedViews(database, config.audit_key),
        grants=Grants(database, config.audit_key),
        lanes=LaneDesk(
            broker=build_broker(config, patience_s=AT_THE_DOOR_S, serve=()), audit=AuditLog(database, config.audit_key)
        ),
        workers=Workers(database),
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
        message_tests=AskedTests(database, config.audit_key),
        evidence=Evidence(database),
        audit_log=AuditLog(database, config.audit_key),
        audit_pages=AuditPages(database),
        casebook=Casebook(database, config.audit_key),
        sessions=Sessions(database),
        viewers=Viewers(database),
        events=events,
        clock=PostgresClock(database),
        hub=hub,
        trusted_proxies=config.proxies,
    )
    site.extensions["kovra_start"] = start
    return site
