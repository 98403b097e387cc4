"""The dashboard on a real database, a real Valkey and the real store; a browser's manners without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from kovra.actions.capabilities import GUARD_NEEDS, Permission
from kovra.actions.envelope import Key, open_envelope
from kovra.actions.request import CASE_ACTS, Action
from kovra.actions.reverse import Reverse
from kovra.actions.submit import Submit
from kovra.actions.submit_job import SubmitJob
from kovra.actions.submit_many import SubmitMany
from kovra.dashboard.access import masked, token_for
from kovra.dashboard.mass import MassDraft
from kovra.dashboard.site import create_site
from kovra.dashboard.streams import Pace
from kovra.guard.case import NoticeResult, NoticeStatus, PostResult, PostStatus
from kovra.guard.case_acts import change_of
from kovra.ids import ChannelId, GuildId, MessageId, RoleId, UserId, new_request_id
from kovra.live import bulletin
from kovra.live.bulletin import Bulletin
from kovra.live.hub import Hub
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.desk import LaneDesk
from kovra.queue.outbox import QUEUE, Outbox
from kovra.sandbox import DEFAULT_BOT_ID, DEFAULT_SECRET
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
from kovra.store.database import Database, PostgresClock
from kovra.store.events import Events
from kovra.store.evidence import Evidence
from kovra.store.grants import Grants
from kovra.store.guilds import Guilds
from kovra.store.health import Health
from kovra.store.job_control import JobControl
from kovra.store.jobs import Jobs
from kovra.store.lane_pauses import LanePauses
from kovra.store.ledger import Ledger
from kovra.store.liveness import new_claim_key
from kovra.store.member_list import MemberList
from kovra.store.members import Members
from kovra.store.message_tests import AskedTests
from kovra.store.migrate import upgrade
from kovra.store.mirror import BanRow, ChannelRow, GuildRow, MemberRow, Mirror, RoleRow
from kovra.store.overview import Overview
from kovra.store.profiles import Profiles
from kovra.store.requests import Requests
from kovra.store.roster import Roster
from kovra.store.saved_views import SavedViews
from kovra.store.sessions import Sessions
from kovra.store.settings import SettingsBook
from kovra.store.tables import ActionRequests, Base
from kovra.store.together import Together
from kovra.store.traffic import Traffic
from kovra.store.undoing import Undoing
from kovra.store.workers import Presence, Workers

BASE_URL = "http://localhost:8000"
ORIGIN = {"Sec-Fetch-Site": "same-origin", "Origin": BASE_URL}
SESSION_KEY = b"s" * 32
AUDIT_KEY = b"a" * 32
WEB_KEY = Key(kid="web-1", ring="web", secret=b"w" * 32)

HARBOUR = GuildId(200_000_000_000_000_001)
MEADOW = GuildId(200_000_000_000_000_002)
OWNER = UserId(300_000_000_000_000_001)
GUARD = UserId(300_000_000_000_000_002)
ADMIN = UserId(300_000_000_000_000_003)
MODERATOR = UserId(300_000_000_000_000_004)
TRIAL = UserId(300_000_000_000_000_005)
QUILLON = UserId(300_000_000_000_000_006)
NOBODY = UserId(300_000_000_000_000_007)
NEIGHBOUR = UserId(300_000_000_000_000_008)
AUDITOR = UserId(300_000_000_000_000_009)
BANNED = UserId(300_000_000_000_000_010)
STRANGER = UserId(300_000_000_000_000_099)


class Cast:
    """Everybody, for tests."""

    harbour, meadow = HARBOUR, MEADOW
    owner, guard, admin, moderator, trial = OWNER, GUARD, ADMIN, MODERATOR, TRIAL
    moderator_role = RoleId(400_000_000_000_000_003)
    quillon, nobody, neighbour, auditor, banned, stranger = QUILLON, NOBODY, NEIGHBOUR, AUDITOR, BANNED, STRANGER


_P = Permission
_ROLES = {
    "Guard": (RoleId(400_000_000_000_000_001), 9, reduce(or_, GUARD_NEEDS.values())),
    "Admin": (RoleId(400_000_000_000_000_002), 8, _P.ADMINISTRATOR),
    "Moderator": (RoleId(400_000_000_000_000_003), 5, _P.BAN_MEMBERS | _P.KICK_MEMBERS | _P.MODERATE_MEMBERS),
    "Trial": (RoleId(400_000_000_000_000_004), 3, _P.MODERATE_MEMBERS),
    "Auditor": (RoleId(400_000_000_000_000_005), 2, _P.VIEW_AUDIT_LOG),
}


def member(user_id: UserId, username: str, *roles: str, **more: Any) -> MemberRow:
    facts: dict[str, Any] = {"global_name": None, "nick": None, "avatar": None, "bot": False}
    facts |= {"joined_at": datetime.now(UTC) - timedelta(days=30), "timed_out_until": None}
    return MemberRow(user_id=user_id, username=username, role_ids=[_ROLES[role][0] for role in roles], **(facts | more))


@pytest.fixture(scope="session")
def migrated_url(new_database: Callable[..., str]) -> str:
    """The owner's address of a database at the newest revision, shared by the whole run."""
    url = new_database()
    upgrade(url)
    return url


@pytest.fixture(scope="session")
def owner(migrated_url: str) -> Iterator[Database]:
    """The database as its owner, to prepare and to look behind the walls."""
    database = Database(migrated_url, role=None, pool_size=1)
    yield database
    database.dispose()


@pytest.fixture
def url(migrated_url: str, owner: Database) -> str:
    """The owner's address of an empty, migrated database."""
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
    with owner.transaction(None) as session:
        session.execute(text(f"TRUNCATE {tables}"))
    return migrated_url


@pytest.fixture
def databases(url: str) -> Iterator[Callable[[str], Database]]:
    """``databases(role)`` opens the database as one process would, and closes it after the test."""
    opened: dict[str, Database] = {}

    def make(role: str) -> Database:
        return opened.setdefault(role, Database(url, role=role))

    yield make
    for database in opened.values():
        database.dispose()


@pytest.fixture
def mirror(databases: Callable[[str], Database]) -> Mirror:
    """Two guilds: the harbour with staff of every kind, and the meadow, whose staff is nobody there."""
    mirror = Mirror(databases("kovra_bot"))
    for guild_id, name in ((HARBOUR, "Harbour"), (MEADOW, "Meadow")):
        mirror.guild(GuildRow(guild_id=guild_id, name=name, icon=None, owner_id=OWNER, guard_id=GUARD, member_count=9))
        everyone = RoleRow(role_id=RoleId(guild_id), name="@everyone", position=0, permissions=0)
        others = [
            RoleRow(role_id=role_id, name=role, position=rank, permissions=bits.value)
            for role, (role_id, rank, bits) in _ROLES.items()
        ]
        mirror.roles(guild_id, [everyone, *others])
        mirror.channels(guild_id, [ChannelRow(channel_id=ChannelId(500), name="mod-log", kind=0)])
        common = [member(OWNER, "rosalind"), member(GUARD, "guard", "Guard", bot=True)]
        mirror.members(guild_id, [*common, member(QUILLON, "quillon", global_name="Quillon")], complete=True)
    for row in (
        member(ADMIN, "odalys", "Admin", global_name="Odalys"),
        member(MODERATOR, "pell", "Moderator"),
        member(TRIAL, "pip", "Trial"),
        member(AUDITOR, "argus", "Auditor"),
        member(NOBODY, "plain"),
    ):
        mirror.member(HARBOUR, row)
    mirror.member(MEADOW, member(NEIGHBOUR, "tansy", "Admin"))
    mirror.ban(
        HARBOUR, BanRow(user_id=BANNED, username="gone", global_name=None, avatar=None, bot=False, reason="raid")
    )
    mirror.heard(0, 1)
    return mirror


@pytest.fixture
def cast() -> type[Cast]:
    return Cast


@dataclass
class Site:
    """One dashboard, and what stands behind it."""

    app: Flask
    database: Database
    worker: Database
    sessions: Sessions
    mirror: Mirror
    hub: Hub
    discord_url: str
    _ledger: Ledger | None = field(default=None)

    def visitor(self) -> Visitor:
        """Somebody who is not signed in."""
        return Visitor(site=self, client=self.app.test_client())

    def signed_in(self, user_id: UserId, name: str = "somebody") -> Visitor:
        """A browser in which this person is signed in."""
        who = self.visitor()
        who.cookie = self.sessions.open(user_id=user_id, username=name, name=name, avatar=None, access_token=b"")
        who.client.set_cookie("kovra", who.cookie, domain="localhost")
        return who

    def carry_out(self, request_id: UUID, notice: NoticeStatus = NoticeStatus.SENT, code: int | None = None) -> int:
        """Do what the worker does with an accepted request, without Discord; gives the case number."""
        ledger = self._ledger or Ledger(self.worker, AUDIT_KEY, owner="test", claim_key=new_claim_key())
        self._ledger = ledger
        with self.worker.transaction(None) as session:
            row = session.get(ActionRequests, request_id)
            assert row is not None
        kept = open_envelope(row.body, row.kid, row.sig, keys={WEB_KEY.kid: WEB_KEY}, lane=GuildId(row.guild_id))
        claim = ledger.claim(kept)
        request = kept.request
        standing = Roster(self.worker).standing(request.guild_id, request.moderator_id, request.target_id)
        if request.action in CASE_ACTS:
            case = ledger.case(claim)
            assert case is not None
            if request.action is Action.RESEND:
                ledger.intend_notice(claim)
                ledger.record_notice(claim, NoticeResult(status=notice, text=f"About: {case.reason}", code=code))
            ledger.amend(claim, standing=standing, change=change_of(claim, case))
            ledger.close(claim)
            return case.case_no
        ledger.intend_notice(claim)
        ledger.record_notice(claim, NoticeResult(status=notice, text=f"About: {request.reason}", code=code))
        ledger.intend_effect(claim, {"until": None})
        length = request.params.get("duration_s")
        end = claim.now + timedelta(seconds=length) if length and not request.reverses else None
        case = ledger.finalise(claim, standing=standing, ends_at=end)
        ledger.intend_post(claim, ChannelId(500))
        posted = PostResult(status=PostStatus.SENT, channel_id=ChannelId(500), message_id=MessageId(501))
        ledger.finish(claim, posted)
        return case.case_no


@dataclass
class Visitor:
    """A person with a browser: same origin, the session's token in every form."""

    site: Site
    client: FlaskClient
    cookie: str = ""

    @property
    def token(self) -> str:
        return masked(token_for(SESSION_KEY, self.cookie)) if self.cookie else ""

    def get(self, path: str, **how: Any) -> TestResponse:
        return self.client.get(path, base_url=BASE_URL, **how)

    def fragment(self, path: str) -> TestResponse:
        return self.get(path, headers={**ORIGIN, "HX-Request": "true"})

    def post(self, path: str, form: dict[str, Any] | None = None, **how: Any) -> TestResponse:
        how.setdefault("headers", {**ORIGIN, "HX-Request": "true"})
        return self.client.post(path, base_url=BASE_URL, data={"csrf": self.token} | (form or {}), **how)

    def mass(self, targets: Iterable[int], action: Action = Action.BAN, guild: int = HARBOUR, **more: Any) -> Any:
        """Confirm a mass action as its review draws it."""
        ids = list(targets)
        form = {"batch_id": str(new_request_id()), "ids": "\n".join(map(str, ids)), "action": action.value}
        form |= {"reason": "raid", "delete_window_s": "0", "duration_s": "3600", "confirm": str(len(ids))}
        form["mark"] = MassDraft(ids=form["ids"], action=action, delete_window_s=0).mark
        return self.post(f"/g/{guild}/mass", form | more)

    def ask(
        self, action: Action = Action.WARN, /, target: int = QUILLON, guild: int = HARBOUR, **more: Any
    ) -> TestResponse:
        """Send the action dialog as it is drawn."""
        form: dict[str, Any] = {"request_id": str(new_request_id()), "action": action.value, "target_id": str(target)}
        form |= {"reason": "spam in #general"}
        form |= {"duration_s": "3600"} if action is Action.MUTE else {}
        form |= {"delete_window_s": "0"} if action is Action.BAN else {}
        return self.post(f"/g/{guild}/actions", form | more)


@pytest.fixture
def discord_url() -> str:
    """Where this site's Discord is; tests of the sign-in put a sandbox there."""
    return "http://127.0.0.1:9"


@pytest.fixture
def pace() -> dict[str, float]:
    """How often this site's streams do what; a test may say otherwise before it asks for the site."""
    return {"heartbeat_s": 0.05, "reauthorise_s": 0.2, "longest_s": 20, "workers_s": 3600}


@pytest.fixture
def site(
    databases: Callable[[str], Database],
    mirror: Mirror,
    url: str,
    valkey_url: str,
    discord_url: str,
    pace: dict[str, float],
) -> Iterator[Site]:
    """The dashboard as the web process has it, with its hub running."""
    database = databases("kovra_web")
    events, sessions = Events(database), Sessions(database)
    requests, audit, clock = Requests(database, AUDIT_KEY), AuditLog(database, AUDIT_KEY), PostgresClock(database)
    broker = LanesBroker(connect(valkey_url), middleware=[], serve=())
    broker.declare_queue(QUEUE)
    hub = Hub(valkey_url, events, tick_s=0.1)
    hub.start()
    submit = Submit(
        roster=Roster(database),
        requests=requests,
        outbox=Outbox(broker=broker),
        bulletin=Bulletin(bulletin.connect(valkey_url)),
        audit=audit,
        clock=clock,
        signing_key=WEB_KEY,
    )
    submit_many = SubmitMany(
        roster=Roster(database),
        requests=Together(database, AUDIT_KEY),
        outbox=submit.outbox,
        bulletin=submit.bulletin,
        clock=clock,
        signing_key=WEB_KEY,
    )
    app = create_site(
        base_url=BASE_URL,
        discord_base_url=discord_url,
        discord_cdn_url="https://cdn.example.org",
        client_id=str(DEFAULT_BOT_ID),
        client_secret=DEFAULT_SECRET,
        session_key=SESSION_KEY,
        database_url=url,
        submit=submit,
        submit_job=SubmitJob(
            roster=Roster(database),
            jobs=Jobs(database, AUDIT_KEY),
            outbox=submit.outbox,
            bulletin=submit.bulletin,
            clock=clock,
            signing_key=WEB_KEY,
        ),
        submit_many=submit_many,
        jobs=JobControl(database, AUDIT_KEY),
        requests=requests,
        cancelling=Cancelling(database, AUDIT_KEY),
        threads=Threads(database),
        undoing=Undoing(database, AUDIT_KEY),
        reverse=Reverse(
            roster=Roster(database),
            undoing=Undoing(database, AUDIT_KEY),
            submit=submit_many,
            audit=AuditLog(database, AUDIT_KEY),
            clock=clock,
        ),
        broken=BrokenRequests(database, AUDIT_KEY),
        pauses=LanePauses(database, AUDIT_KEY),
        views=SavedViews(database, AUDIT_KEY),
        grants=Grants(database, AUDIT_KEY),
        lanes=LaneDesk(broker=broker, audit=audit),
        workers=Workers(database),
        roster=Roster(database),
        guilds=Guilds(database),
        members=Members(database),
        member_list=MemberList(database),
        profiles=Profiles(database),
        account_links=AccountLinks(database, AUDIT_KEY),
        ban_list=BanList(database),
        bygone=Bygone(database),
        cases=Cases(database),
        overview=Overview(database),
        traffic=Traffic(database),
        health=Health(database),
        settings=SettingsBook(database, AUDIT_KEY),
        message_tests=AskedTests(database, AUDIT_KEY),
        evidence=Evidence(database),
        audit_log=AuditLog(database, AUDIT_KEY),
        audit_pages=AuditPages(database),
        casebook=Casebook(database, AUDIT_KEY),
        sessions=sessions,
        events=events,
        clock=clock,
        hub=hub,
        pace=Pace(**pace),
    )
    yield Site(
        app=app,
        database=database,
        worker=databases("kovra_worker"),
        sessions=sessions,
        mirror=mirror,
        hub=hub,
        discord_url=discord_url,
    )
    hub.stop()
    broker.close()


@pytest.fixture
def words() -> Callable[[Database, GuildId], list[dict[str, Any]]]:
    """``words(owner, guild)``: the audit log of a guild, oldest first."""

    def read(owner: Database, guild_id: GuildId) -> list[dict[str, Any]]:
        with owner.transaction(guild_id) as session:
            rows = session.execute(
                text("SELECT kind, actor_id, facts FROM audit_log WHERE guild_id = :g ORDER BY number"), {"g": guild_id}
            )
            return [dict(row._mapping) for row in rows]

    return read


@pytest.fixture
def worker(site: Site) -> Callable[..., Presence]:
    """``worker(shards, unheard_s=…)``: one that lives."""

    def make(shards: Iterable[int] = range(64), unheard_s: float = 0.0) -> Presence:
        key, serves = new_claim_key(), list(shards)
        made = Presence(site.worker, owner="quay-1:4711", claim_key=key, shards=serves, unheard_s=lambda: unheard_s)
        made.beat()
        return made

    return make


@pytest.fixture
def a_case(site: Site, cast: type[Cast]) -> Callable[..., int]:
    """``a_case(action, target, …)`` asks and carries out; gives the number."""
    moderator = site.signed_in(cast.moderator)

    def make(
        action: Action = Action.WARN,
        target: int | None = None,
        notice: NoticeStatus = NoticeStatus.SENT,
        code: int | None = None,
        **form: Any,
    ) -> int:
        asked = moderator.ask(action, target=target or cast.quillon, **form)
        assert asked.status_code == 202, asked.get_data(as_text=True)
        found = re.search(r'id="toast-([0-9a-f-]{36})"', asked.get_data(as_text=True))
        assert found is not None
        return site.carry_out(UUID(found[1]), notice, code)

    return make
