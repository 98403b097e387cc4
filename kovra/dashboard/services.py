"""What the pages are given, and how a view reaches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, current_app

from kovra.actions.lanes import LaneDesk
from kovra.actions.ports import Clock
from kovra.actions.reverse import Reverse
from kovra.actions.submit import Submit
from kovra.actions.submit_job import SubmitJob
from kovra.actions.submit_many import SubmitMany
from kovra.dashboard.arrivals import Arrivals
from kovra.dashboard.streams import Pace, Streams
from kovra.dashboard.watch import Watch
from kovra.dashboard.worker_watch import WorkerWatch
from kovra.live.hub import Hub
from kovra.live.wires import Wires
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
from kovra.store.workers import Workers

_NAME = "kovra"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Public addresses, without a slash at their end."""

    base_url: str
    discord_base_url: str
    discord_cdn_url: str

    @property
    def secure(self) -> bool:
        """True when browsers reach the dashboard over https."""
        return self.base_url.startswith("https://")

    @property
    def redirect_uri(self) -> str:
        """Where Discord sends people back to; it must stand in the application's settings exactly so."""
        return f"{self.base_url}/login/callback"

    @staticmethod
    def origin(url: str) -> str:
        """Scheme, host and port of an address, as browsers name it."""
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything a view may use. Built once per process by ``create_site``."""

    addresses: Addresses
    client_id: str
    client_secret: str = field(repr=False)
    session_key: bytes = field(repr=False)
    submit: Submit
    submit_job: SubmitJob
    submit_many: SubmitMany
    jobs: JobControl
    requests: Requests
    cancelling: Cancelling
    broken: BrokenRequests
    pauses: LanePauses
    views: SavedViews
    grants: Grants
    lanes: LaneDesk
    workers: Workers
    roster: Roster
    guilds: Guilds
    members: Members
    member_list: MemberList
    profiles: Profiles
    account_links: AccountLinks
    ban_list: BanList
    bygone: Bygone
    cases: Cases
    overview: Overview
    traffic: Traffic
    health: Health
    settings: SettingsBook
    message_tests: AskedTests
    evidence: Evidence
    threads: Threads
    undoing: Undoing
    reverse: Reverse
    audit_log: AuditLog
    audit_pages: AuditPages
    casebook: Casebook
    sessions: Sessions
    events: Events
    clock: Clock
    hub: Hub
    viewers: Viewers
    arrivals: Arrivals
    streams: Streams
    watch: Watch
    worker_watch: WorkerWatch
    wires: Callable[[], Wires | None]
    pace: Pace


def install(app: Flask, services: Services) -> None:
    """Hand the services to an application."""
    app.extensions[_NAME] = services


def services() -> Services:
    """The services of the application that answers now."""
    return cast(Services, current_app.extensions[_NAME])
