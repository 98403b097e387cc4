"""A migrated database, empty for every test, the roles' ways into it, and people to act."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import pytest
from sqlalchemy import text

from kovra.actions import envelope
from kovra.actions.capabilities import Capability, Permission
from kovra.actions.envelope import Key, Sealed, Verified
from kovra.actions.request import Action, ActionRequest, Receipt, Refusal, RefusalKind, Source
from kovra.actions.rights import Standing
from kovra.guard.case import Case, NoticeResult, NoticeStatus, PostResult, PostStatus
from kovra.guard.claim import Claim
from kovra.ids import ChannelId, GuildId, RoleId, UserId, new_request_id
from kovra.launcher.postgres import SUPERUSER, EmbeddedPostgres
from kovra.store.audit import AuditLog
from kovra.store.database import Database, sqlalchemy_url
from kovra.store.events import Events
from kovra.store.guilds import Guilds, GuildScope
from kovra.store.ledger import Ledger
from kovra.store.liveness import Liveness, new_claim_key
from kovra.store.migrate import upgrade
from kovra.store.mirror import ChannelRow, GuildRow, MemberRow, Mirror, RoleRow
from kovra.store.requests import Requests
from kovra.store.roster import Roster
from kovra.store.tables import Base

AUDIT_KEY = b"a" * 32
KEYS = {
    "web": Key(kid="web-1", ring="web", secret=b"w" * 32),
    "guard": Key(kid="guard-1", ring="guard", secret=b"g" * 32),
}
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

HARBOUR = GuildId(200_000_000_000_000_001)
MEADOW = GuildId(200_000_000_000_000_002)
OWNER = UserId(300_000_000_000_000_001)
GUARD = UserId(300_000_000_000_000_002)
ODALYS = UserId(300_000_000_000_000_003)
PELL = UserId(300_000_000_000_000_004)
QUILLON = UserId(300_000_000_000_000_005)
STRANGER = UserId(300_000_000_000_000_009)
MODERATOR_ROLE = RoleId(400_000_000_000_000_001)
GUARD_ROLE = RoleId(400_000_000_000_000_002)
MOD_LOG = ChannelId(500_000_000_000_000_001)


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def forward(self, **amount: float) -> None:
        self.at += timedelta(**amount)


@pytest.fixture(scope="session")
def migrated_url(new_database: Callable[..., str]) -> str:
    """The owner's address of a database at the newest revision, shared by the whole run."""
    url = new_database()
    upgrade(url)
    return url


@pytest.fixture(scope="session")
def empty(migrated_url: str, postgres_server: EmbeddedPostgres) -> Iterator[Callable[[], None]]:
    """``empty()`` removes every row. As the superuser, whom row-level security does not stop."""
    name = sqlalchemy_url(migrated_url).database
    line = psycopg2.connect(postgres_server.url_of(str(name), SUPERUSER))
    line.autocommit = True
    # DELETE, not TRUNCATE: of tables with a handful of rows it takes a tenth of the time.
    statement = "; ".join(f"DELETE FROM {table.name}" for table in Base.metadata.sorted_tables)

    def run() -> None:
        with line.cursor() as cursor:
            cursor.execute(statement)

    yield run
    line.close()


@pytest.fixture
def url(migrated_url: str, empty: Callable[[], None]) -> str:
    """The owner's address of an empty, migrated database."""
    empty()
    return migrated_url


@pytest.fixture
def connect(url: str) -> Iterator[Callable[..., Database]]:
    """``connect(role, clock=None)`` opens the database as one process would, and closes it after the test."""
    opened: list[Database] = []

    def make(role: str | None, **how: Any) -> Database:
        opened.append(Database(url, role=role, **how))
        return opened[-1]

    yield make
    for database in opened:
        database.dispose()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def owner(connect: Callable[..., Database]) -> Database:
    return connect(None)


@pytest.fixture
def web(connect: Callable[..., Database], clock: SetClock) -> Database:
    return connect("kovra_web", clock=clock, pool_size=20)


@pytest.fixture
def worker(connect: Callable[..., Database], clock: SetClock) -> Database:
    return connect("kovra_worker", clock=clock, pool_size=20)


@pytest.fixture
def bot(connect: Callable[..., Database], clock: SetClock) -> Database:
    return connect("kovra_bot", clock=clock)


def member_row(user_id: UserId, username: str, *role_ids: int, **more: Any) -> MemberRow:
    facts: dict[str, Any] = {
        "global_name": None,
        "nick": None,
        "avatar": None,
        "bot": False,
        "joined_at": NOON - timedelta(days=30),
        "timed_out_until": None,
    }
    return MemberRow(user_id=user_id, username=username, role_ids=role_ids, **(facts | more))


@pytest.fixture
def mirror(bot: Database) -> Mirror:
    """The mirror, with two guilds in it: the harbour, with its people, and the meadow next door."""
    mirror = Mirror(bot)
    moderating = Permission.BAN_MEMBERS | Permission.KICK_MEMBERS | Permission.MODERATE_MEMBERS
    for guild_id, name in ((HARBOUR, "Harbour"), (MEADOW, "Meadow")):
        mirror.guild(GuildRow(guild_id=guild_id, name=name, icon=None, owner_id=OWNER, guard_id=GUARD, member_count=5))
        mirror.roles(
            guild_id,
            [
                RoleRow(role_id=RoleId(guild_id), name="@everyone", position=0, permissions=0),
                RoleRow(role_id=MODERATOR_ROLE, name="Moderator", position=5, permissions=moderating.value),
                RoleRow(role_id=GUARD_ROLE, name="Guard", position=9, permissions=moderating.value),
            ],
        )
        mirror.channels(guild_id, [ChannelRow(channel_id=MOD_LOG, name="mod-log", kind=0)])
        mirror.members(
            guild_id,
            [
                member_row(OWNER, "rosalind"),
                member_row(GUARD, "guard", GUARD_ROLE, bot=True),
                member_row(PELL, "pell", MODERATOR_ROLE),
                member_row(QUILLON, "quillon", global_name="Quillon", nick="Brass Key", avatar="q1"),
            ],
            complete=True,
        )
    mirror.member(HARBOUR, member_row(ODALYS, "odalys", MODERATOR_ROLE, global_name="Odalys"))
    mirror.heard(0, 1)
    return mirror


def a_request(**changes: Any) -> ActionRequest:
    """A ban of Quillon by Odalys from the dashboard, unless something else is said."""
    facts: dict[str, Any] = {
        "request_id": new_request_id(),
        "guild_id": HARBOUR,
        "action": Action.BAN,
        "target_id": QUILLON,
        "moderator_id": ODALYS,
        "source": Source.DASHBOARD,
        "reason": "spam in #general",
        "issued_at": NOON,
    }
    return ActionRequest(**(facts | changes))


def sealed(request: ActionRequest, lifetime: timedelta = timedelta(hours=1)) -> Sealed:
    ring = "web" if request.source in envelope.SOURCES_OF_RING["web"] else "guard"
    return envelope.seal(request, KEYS[ring], NOON + lifetime)


def verified(kept: Sealed) -> Verified:
    """The request as the executor gets it from its lane."""
    keys = {key.kid: key for key in KEYS.values()}
    return envelope.open_envelope(kept.body, kept.kid, kept.sig, keys=keys, lane=kept.request.guild_id)


A_REFUSAL = Refusal(kind=RefusalKind.OUTRANKED, sentence="Quillon is not below you.")


@pytest.fixture
def requests(web: Database, mirror: Mirror) -> Requests:
    return Requests(web, AUDIT_KEY)


@pytest.fixture
def roster(worker: Database, mirror: Mirror) -> Roster:
    return Roster(worker)


@pytest.fixture
def guilds(web: Database, mirror: Mirror) -> Guilds:
    return Guilds(web)


@pytest.fixture
def give(owner: Database) -> Callable[..., None]:
    """``give(capability, user_id=…|role_id=…, …)`` writes a grant as the settings page will."""

    def write(
        capability: Capability,
        *,
        user_id: UserId | None = None,
        role_id: RoleId | None = None,
        longest_s: int | None = None,
        ends_at: datetime | None = None,
        guild_id: GuildId = HARBOUR,
    ) -> None:
        with owner.transaction(guild_id) as session:
            session.execute(
                text(
                    "INSERT INTO capability_grants (grant_id, guild_id, capability, user_id, role_id, longest_s,"
                    " granted_by, granted_at, ends_at) VALUES (:id, :g, :c, :u, :r, :l, 1, now(), :e)"
                ),
                {
                    "id": uuid4(),
                    "g": guild_id,
                    "c": capability.value,
                    "u": user_id,
                    "r": role_id,
                    "l": longest_s,
                    "e": ends_at,
                },
            )

    return write


@pytest.fixture
def audit_log(web: Database) -> AuditLog:
    return AuditLog(web, AUDIT_KEY)


@pytest.fixture
def odalys(guilds: Guilds) -> GuildScope:
    """What Odalys may read of the harbour."""
    scope = guilds.scope(ODALYS, HARBOUR)
    assert scope is not None
    return scope


@dataclass
class Worker:
    """One worker process: its ledger, and the lock that shows that it lives."""

    database: Database
    roster: Roster
    claim_key: int = field(default_factory=new_claim_key)
    claim_s: float = 30
    max_attempts: int = 10

    def __post_init__(self) -> None:
        self.liveness = Liveness(self.database, self.claim_key)
        self.ledger = Ledger(
            self.database, AUDIT_KEY, f"worker-{self.claim_key}", self.claim_key, self.claim_s, self.max_attempts
        )

    def standing(self, request: ActionRequest) -> Standing:
        return self.roster.standing(request.guild_id, request.moderator_id, request.target_id)

    def take(self, kept: Sealed) -> Claim:
        claim = self.ledger.claim(verified(kept))
        assert isinstance(claim, Claim), claim
        return claim

    def apply(self, claim: Claim, ends_at: datetime | None = None) -> Case:
        """As the executor does it, up to finalise."""
        self.ledger.intend_effect(claim, {})
        return self.ledger.finalise(claim, standing=self.standing(claim.request), ends_at=ends_at)

    def carry(self, kept: Sealed, ends_at: datetime | None = None) -> Case:
        """A whole action: claimed, told, applied, posted, done."""
        claim = self.take(kept)
        self.ledger.intend_notice(claim)
        self.ledger.record_notice(
            claim, NoticeResult(status=NoticeStatus.SENT, text="You are being banned.", channel_id=7, message_id=8)
        )
        case = self.apply(claim, ends_at)
        self.ledger.intend_post(claim, MOD_LOG)
        self.ledger.finish(claim, PostResult(status=PostStatus.SENT, channel_id=MOD_LOG, message_id=9))
        return case


@pytest.fixture
def new_worker(worker: Database, roster: Roster) -> Iterator[Callable[..., Worker]]:
    """``new_worker()`` starts one more worker that shows that it lives until the test is over."""
    started: list[Worker] = []

    def start(**how: Any) -> Worker:
        started.append(Worker(database=worker, roster=roster, **how))
        started[-1].liveness.hold()
        return started[-1]

    yield start
    for one in started:
        one.liveness.release()


@pytest.fixture
def guard(new_worker: Callable[..., Worker]) -> Worker:
    """The worker of most tests."""
    return new_worker()


@pytest.fixture
def accept(requests: Requests) -> Callable[..., tuple[Sealed, Receipt]]:
    """``accept(action=…, …)`` asks for an action and has it accepted."""

    def ask(**changes: Any) -> tuple[Sealed, Receipt]:
        kept = sealed(a_request(**changes))
        return kept, requests.accept(kept, None)

    return ask


@pytest.fixture
def kinds(web: Database) -> Callable[[], list[str]]:
    """``kinds()`` gives what the stream of the guild has told so far, in order."""
    return lambda: [event.kind for event in Events(web).after(HARBOUR, 0)]


@pytest.fixture
def row_of(owner: Database) -> Callable[..., Any]:
    """``row_of(request_id)`` gives the request row as it stands, for tests that look at what was kept."""

    def read(request_id: UUID, guild_id: GuildId = HARBOUR) -> Any:
        with owner.transaction(guild_id) as session:
            found = text("SELECT * FROM action_requests WHERE request_id = :id")
            return session.execute(found, {"id": request_id}).one()

    return read


@pytest.fixture
def say() -> SimpleNamespace:
    """The words of this file that are no fixtures: people, places, requests."""
    return SimpleNamespace(
        a_request=a_request,
        sealed=sealed,
        verified=verified,
        member_row=member_row,
        refusal=A_REFUSAL,
        NOON=NOON,
        HARBOUR=HARBOUR,
        MEADOW=MEADOW,
        OWNER=OWNER,
        GUARD=GUARD,
        ODALYS=ODALYS,
        PELL=PELL,
        QUILLON=QUILLON,
        STRANGER=STRANGER,
        MODERATOR_ROLE=MODERATOR_ROLE,
        MOD_LOG=MOD_LOG,
        AUDIT_KEY=AUDIT_KEY,
        KEYS=KEYS,
    )
