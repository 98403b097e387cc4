"""Builds the Flask application. Importing this module opens nothing; building it opens no connection either."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from flask import Flask, Response, g, request
from flask_compress import Compress
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.proxy_fix import ProxyFix

from kovra.actions.lanes import LaneDesk
from kovra.actions.ports import Clock
from kovra.actions.reverse import Reverse
from kovra.actions.submit import Submit
from kovra.actions.submit_job import SubmitJob
from kovra.actions.submit_many import SubmitMany
from kovra.dashboard import access, addresses, assets, drawn_lines, parts, problems, wording
from kovra.dashboard.access import OPEN, REPORTS, csrf_token, policy
from kovra.dashboard.arrivals import Arrivals
from kovra.dashboard.live import live
from kovra.dashboard.login import login
from kovra.dashboard.pages.act import act
from kovra.dashboard.pages.audit import audit as audit_page
from kovra.dashboard.pages.bans import bans
from kovra.dashboard.pages.case_acts import case_acts
from kovra.dashboard.pages.case_many import case_many
from kovra.dashboard.pages.cases import cases
from kovra.dashboard.pages.evidence import evidence as evidence_files
from kovra.dashboard.pages.grants import grants as grant_pages
from kovra.dashboard.pages.jobs import jobs as job_pages
from kovra.dashboard.pages.looks import as_engraved, chosen, chosen_density, looks
from kovra.dashboard.pages.mass import mass
from kovra.dashboard.pages.mass_pick import mass_pick
from kovra.dashboard.pages.members import members as member_pages
from kovra.dashboard.pages.message_tests import message_tests as message_test_pages
from kovra.dashboard.pages.overview import overview as overview_pages
from kovra.dashboard.pages.palette import palette
from kovra.dashboard.pages.profile import profile
from kovra.dashboard.pages.queue import queue
from kovra.dashboard.pages.queue_deeds import queue_deeds
from kovra.dashboard.pages.reversal import reversal
from kovra.dashboard.pages.servers import servers
from kovra.dashboard.pages.settings import settings as settings_pages
from kovra.dashboard.pages.views import views as saved_views
from kovra.dashboard.services import Addresses, Services, install
from kovra.dashboard.streams import Pace, Streams
from kovra.dashboard.watch import Watch
from kovra.dashboard.worker_watch import WorkerWatch
from kovra.errors import Unavailable
from kovra.live.events import BEAT
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
from kovra.store.database import sqlalchemy_url
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
from kovra.store.migrate import ENGINE_OPTIONS, MIGRATIONS
from kovra.store.overview import Overview
from kovra.store.profiles import Profiles
from kovra.store.requests import Requests
from kovra.store.roster import Roster
from kovra.store.saved_views import SavedViews
from kovra.store.sessions import Sessions
from kovra.store.settings import SettingsBook
from kovra.store.tables import Base
from kovra.store.traffic import Traffic
from kovra.store.undoing import Undoing
from kovra.store.viewers import Viewers
from kovra.store.workers import Workers

log = logging.getLogger(__name__)

#: The largest form: a reason of 4,000 characters, each up to twelve bytes when it is percent-encoded.
MAX_FORM_BYTES = 128 * 1024
_MAX_REPORT_BYTES = 8 * 1024
_YEAR_S = 31_536_000


def create_site(
    *,
    base_url: str,
    discord_base_url: str,
    discord_cdn_url: str,
    client_id: str,
    client_secret: str,
    session_key: bytes,
    database_url: str,
    submit: Submit,
    submit_job: SubmitJob,
    submit_many: SubmitMany,
    jobs: JobControl,
    requests: Requests,
    cancelling: Cancelling,
    threads: Threads,
    undoing: Undoing,
    reverse: Reverse,
    broken: BrokenRequests,
    pauses: LanePauses,
    views: SavedViews,
    grants: Grants,
    lanes: LaneDesk,
    workers: Workers,
    roster: Roster,
    guilds: Guilds,
    members: Members,
    member_list: MemberList,
    profiles: Profiles,
    account_links: AccountLinks,
    ban_list: BanList,
    bygone: Bygone,
    cases: Cases,
    overview: Overview,
    traffic: Traffic,
    health: Health,
    settings: SettingsBook,
    message_tests: AskedTests,
    evidence: Evidence,
    audit_log: AuditLog,
    audit_pages: AuditPages,
    casebook: Casebook,
    sessions: Sessions,
    viewers: Viewers,
    events: Events,
    clock: Clock,
    hub: Hub,
    trusted_proxies: int = 0,
    pace: Pace | None = None,
) -> Flask:
    """Build the dashboard.

    Args:
        base_url: the public address of the dashboard, without a slash at its end.
        discord_base_url, discord_cdn_url: Discord and its pictures; both stand in the content security policy.
        client_id, client_secret: of the Discord application.
        session_key: 32 bytes that bind forms to sessions.
        database_url: of the owner of the database, for ``flask db upgrade`` alone.
        submit, submit_job, submit_many: the one way in for actions, for mass actions, and for many actions at once.
        jobs: follows and steers mass actions.
        cancelling: takes back what still waits.
        threads: what was added to cases and changed in them.
        undoing, reverse: what there is to take back, and taking back many at once.
        views: the views of the case list that people keep.
        grants: what admins give to roles.
        broken, pauses, lanes: what failed, which lanes are paused, and what lies on them.
        workers: which processes execute, and whether they live.
        requests, roster, guilds, cases, health, traffic, sessions, events: what pages read.
        members, member_list, profiles, account_links, ban_list, bygone: people, as pages read them.
        settings, message_tests: what people set for their server, and try.
        requests, roster, guilds, members, bygone, cases, health, evidence, sessions, events: what pages read.
        viewers: sessions together with their rights.
        clock: the database's clock.
        hub: hands out streams of events; its owner starts and stops it.
        trusted_proxies: how many proxies in front may say who the client is and whether it came by https.
        pace: how often streams look after themselves; tests set it.

    ``app.extensions["kovra_streams"].close()`` ends all open streams, for a stop that does not wait for them. A web
    server that can let go of a connection puts what ``kovra_make_wires(selector)`` makes into ``kovra_wires``.
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        SQLALCHEMY_DATABASE_URI=sqlalchemy_url(database_url),
        # Bound for migrations alone: pages read through the store, whose engine works with fewer rights.
        SQLALCHEMY_ENGINE_OPTIONS=dict(ENGINE_OPTIONS),
    )
    streams, pace = Streams(), pace or Pace()
    watch = Watch(streams, sessions, guilds, pace.reauthorise_s)
    hub.on_hint(watch.hear)
    known = Services(
        addresses=Addresses(base_url=base_url, discord_base_url=discord_base_url, discord_cdn_url=discord_cdn_url),
        client_id=client_id,
        client_secret=client_secret,
        session_key=session_key,
        submit=submit,
        submit_job=submit_job,
        submit_many=submit_many,
        jobs=jobs,
        requests=requests,
        cancelling=cancelling,
        threads=threads,
        undoing=undoing,
        reverse=reverse,
        broken=broken,
        pauses=pauses,
        views=views,
        grants=grants,
        lanes=lanes,
        workers=workers,
        roster=roster,
        guilds=guilds,
        members=members,
        member_list=member_list,
        profiles=profiles,
        account_links=account_links,
        ban_list=ban_list,
        bygone=bygone,
        cases=cases,
        overview=overview,
        traffic=traffic,
        health=health,
        settings=settings,
        message_tests=message_tests,
        evidence=evidence,
        audit_log=audit_log,
        audit_pages=audit_pages,
        casebook=casebook,
        sessions=sessions,
        events=events,
        clock=clock,
        hub=hub,
        viewers=viewers,
        arrivals=Arrivals(viewers),
        streams=streams,
        watch=watch,
        worker_watch=WorkerWatch(streams, workers, hub, pace.workers_s),
        wires=lambda: app.extensions.get("kovra_wires"),
        pace=pace,
    )
    install(app, known)
    app.extensions["kovra_streams"] = streams
    app.extensions["kovra_make_wires"] = lambda selector: Wires(BEAT, pace.heartbeat_s, pace.longest_s, selector)
    _bind_migrations(app)
    _name_requests(app)
    access.enforce(app)
    problems.install(app)
    _dress_templates(app, known)
    _add_headers(app, known.addresses)
    _compress(app)
    _add_routes(app)
    if trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=trusted_proxies, x_proto=trusted_proxies, x_host=trusted_proxies
        )
    return app


def content_security_policy(addresses: Addresses) -> str:
    """What a page may load and where its forms may go: nothing from elsewhere but Discord's pictures and consent."""
    pictures, discord = addresses.origin(addresses.discord_cdn_url), addresses.origin(addresses.discord_base_url)
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' {pictures}",
        "connect-src": "'self'",
        "font-src": "'self'",
        "form-action": f"'self' {discord}",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "report-uri": "/csp-report",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _bind_migrations(app: Flask) -> None:
    database = SQLAlchemy(metadata=Base.metadata)
    database.init_app(app)
    Migrate(app, database, directory=str(MIGRATIONS))


def _name_requests(app: Flask) -> None:
    @app.before_request
    def name() -> None:
        # Ours, not the client's: it stands in the log and on the page of a failure, and must join the two.
        g.request_ref = f"e-{secrets.token_hex(4)}"

    @app.after_request
    def tell(answer: Response) -> Response:
        answer.headers["X-Request-Id"] = g.get("request_ref", "")
        return answer


def _dress_templates(app: Flask, known: Services) -> None:
    assets.shelf()  # now, and not while somebody waits for a page
    app.register_blueprint(assets.assets)
    wording.install(app)

    def avatar_url(user_id: int, image: str | None) -> str | None:
        if not image:
            return None
        return f"{known.addresses.discord_cdn_url}/avatars/{user_id}/{image}.png?{urlencode({'size': 64})}"

    app.jinja_env.filters["as_engraved"] = as_engraved
    app.jinja_env.globals.update(
        asset=assets.address,
        icon_paths=assets.icon_paths(),
        avatar_url=avatar_url,
        csrf_token=csrf_token,
        case_line=drawn_lines.case_lines(app.jinja_env),
        member_line=drawn_lines.member_lines(app.jinja_env),
        ban_line=drawn_lines.ban_lines(app.jinja_env),
        url_each=addresses.url_each,
        url_for=addresses.url_once,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    parts.keep(app.jinja_env)

    @app.context_processor
    def look() -> Mapping[str, object]:
        # A POST's address is no page to come back to.
        here = request.full_path.rstrip("?") if request.method == "GET" else "/"
        return {"theme": chosen(), "density_chosen": chosen_density(), "here": here, "notice": None}


def _add_headers(app: Flask, addresses: Addresses) -> None:
    policy_text = content_security_policy(addresses)

    @app.after_request
    def protect(answer: Response) -> Response:
        headers = answer.headers
        headers["Content-Security-Policy"] = policy_text
        headers["Referrer-Policy"] = "same-origin"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        headers.setdefault("Cache-Control", "no-store")
        if addresses.secure:
            headers["Strict-Transport-Security"] = f"max-age={_YEAR_S}; includeSubDomains"
        return answer


def _compress(app: Flask) -> None:
    """Pages, styles and scripts go out compressed; streams of events and exports as they are, line by line.

    Nothing secret stands in a page as it stood in the last one: ``access.masked``.
    """
    app.config.update(
        COMPRESS_MIMETYPES=["text/html", "text/css", "text/javascript", "image/svg+xml", "application/json"],
        COMPRESS_ALGORITHM=["br", "gzip"],
        COMPRESS_STREAMS=False,
        COMPRESS_BR_LEVEL=5,
    )
    Compress(app)


def _add_routes(app: Flask) -> None:
    for part in (
        login,
        servers,
        overview_pages,
        cases,
        member_pages,
        profile,
        bans,
        case_acts,
        case_many,
        reversal,
        saved_views,
        evidence_files,
        act,
        palette,
        audit_page,
        mass,
        mass_pick,
        job_pages,
        queue,
        queue_deeds,
        settings_pages,
        grant_pages,
        message_test_pages,
        looks,
        live,
    ):
        app.register_blueprint(part)

    @app.get("/healthz")
    @policy(OPEN)
    def healthz() -> Response:
        """200 when this process can read; a balancer takes it out otherwise."""
        try:
            access.services().clock.now()
        except Unavailable:
            return Response("the database does not answer\n", status=503, mimetype="text/plain")
        return Response("ok\n", mimetype="text/plain")

    @app.post("/csp-report")
    @policy(REPORTS)
    def csp_report() -> Response:
        """What a browser was kept from doing: a mistake of ours, or an attack that failed."""
        if (request.content_length or 0) > _MAX_REPORT_BYTES:
            return Response(status=413)
        log.warning("content security policy: %s", ascii(request.get_data(as_text=True)[:_MAX_REPORT_BYTES]))
        return Response(status=204)
