"""The dashboard on a real database, a real Valkey and the real store; a browser's manners without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.actions.reverse import Reverse
from kovra.actions.submit import Submit
from kovra.actions.submit_job import SubmitJob
from kovra.actions.submit_many import SubmitMany
from kovra.dashboard.site import create_site
from kovra.dashboard.streams import Pace
from kovra.guard.case import NoticeStatus
from kovra.ids import ChannelId, GuildId, RoleId
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
from kovra.store.liveness import new_claim_key
from kovra.store.member_list import MemberList
from kovra.store.members import Members
from kovra.store.message_tests import AskedTests
from kovra.store.migrate import upgrade
from kovra.store.mirror import BanRow, ChannelRow, GuildRow, Mirror, RoleRow
from kovra.store.overview import Overview
from kovra.store.profiles import Profiles
from kovra.store.requests import Requests
from kovra.store.roster import Roster
from kovra.store.saved_views import SavedViews
from kovra.store.sessions import Sessions
from kovra.store.settings import SettingsBook
from kovra.store.tables import Base
from kovra.store.together import Together
from kovra.store.traffic import Traffic
from kovra.store.undoing import Undoing
from kovra.store.viewers import Viewers
from kovra.store.workers import Presence, Workers
from tests.dashboard.people import (
    ADMIN,
    AUDITOR,
    BANNED,
    GUARD,
    HARBOUR,
    MEADOW,
    MODERATOR,
    NEIGHBOUR,
    NOBODY,
    OWNER,
    QUILLON,
    ROLES,
    TRIAL,
    Cast,
    member,
)
from tests.dashboard.visitor import AUDIT_KEY, BASE_URL, SESSION_KEY, WEB_KEY, Site


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
            for role, (role_id, rank, bits) in ROLES.items()
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
        viewers=Viewers(database),
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


@pytest.fixture
def carry_out_all(site: Site, cast: type[Cast], owner: Database) -> Callable[[], int]:
    """Does everything that waits in the harbour; says how much it was."""

    def carry() -> int:
        with owner.transaction(cast.harbour) as session:
            waiting = list(session.scalars(text("SELECT request_id FROM action_requests WHERE state = 'accepted'")))
        for request_id in waiting:
            site.carry_out(UUID(str(request_id)))
        return len(waiting)

    return carry
