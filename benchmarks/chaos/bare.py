"""A bare Kovra in one process: the real rules, the real store on a real PostgreSQL, and a Discord that counts.

Every part is handed in, so a guard can be left out by handing in a part without it. Nothing of this is in production.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from kovra.actions import envelope
from kovra.actions.capabilities import Permission
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Key, Sealed
from kovra.actions.ports import Clock
from kovra.actions.request import Action, ActionRequest, Source
from kovra.errors import DiscordRefused, DiscordUnreached, EnvelopeRefused
from kovra.guard.claim import running_s
from kovra.guard.execute import Execute
from kovra.guard.notices import Notices
from kovra.ids import ChannelId, GuildId, MessageId, RoleId, UserId, new_request_id
from kovra.store.audit import Quarantine
from kovra.store.database import Database
from kovra.store.ledger import Ledger
from kovra.store.liveness import new_claim_key
from kovra.store.mirror import ChannelRow, GuildRow, MemberRow, Mirror, RoleRow
from kovra.store.requests import Requests
from kovra.store.roster import Roster

AUDIT_KEY = b"a" * 32
WEB = Key(kid="web1", ring="web", secret=b"w" * 32)
GUARD = Key(kid="guard1", ring="guard", secret=b"g" * 32)

_P = Permission
_MODERATING = (_P.BAN_MEMBERS | _P.KICK_MEMBERS | _P.MODERATE_MEMBERS).value
JOINED = datetime(2026, 1, 1, tzinfo=UTC)
LOG = ChannelId(500)


class Died(BaseException):
    """The process is gone: nothing catches this."""


@dataclass
class CountingDiscord:
    """What was done to whom, and how often. ``joined``, ``bans`` and ``gone`` are what it shows to whoever looks."""

    deeds: Counter[tuple[str, int]] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    bans: dict[int, str] = field(default_factory=dict)
    joined: dict[int, datetime] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    marks: Counter[str] = field(default_factory=Counter)
    _nonces: set[str] = field(default_factory=set)
    _leave_before: float = math.inf

    @contextmanager
    def leaving_before(self, moment: float) -> Iterator[None]:
        self._leave_before = moment
        try:
            yield
        finally:
            self._leave_before = math.inf

    def _done(self, verb: str, user_id: int, reason: str) -> None:
        if running_s() >= self._leave_before:
            raise DiscordUnreached("too late to leave")
        self.deeds[verb, user_id] += 1
        self.marks[reason.rsplit(" ", 1)[-1]] += 1

    def ban(self, guild_id: GuildId, user_id: UserId, *, reason: str, **_: Any) -> None:
        self._done("ban", user_id, reason)
        self.bans[user_id] = reason

    def unban(self, guild_id: GuildId, user_id: UserId, *, reason: str) -> None:
        if user_id not in self.bans:
            raise DiscordRefused(404, 10026, "Unknown Ban")
        self._done("unban", user_id, reason)
        self.bans.pop(user_id, None)

    def kick(self, guild_id: GuildId, user_id: UserId, *, reason: str) -> None:
        if user_id in self.gone:
            raise DiscordRefused(404, 10007, "Unknown Member")
        self._done("kick", user_id, reason)
        self.gone.add(user_id)

    def mute(self, guild_id: GuildId, user_id: UserId, *, reason: str, **_: Any) -> None:
        self._done("mute", user_id, reason)

    def unmute(self, guild_id: GuildId, user_id: UserId, *, reason: str) -> None:
        self._done("unmute", user_id, reason)

    def open_dm(self, user_id: UserId) -> ChannelId:
        return ChannelId(user_id)

    def send(self, channel_id: ChannelId, message: Any, *, nonce: str) -> MessageId:
        if nonce and nonce in self._nonces:
            return MessageId(1)  # the first message is given back, as Discord does
        self._nonces.add(nonce)
        self.sent["log" if channel_id == LOG else str(channel_id)] += 1
        return MessageId(1)

    def fetch_member(self, guild_id: GuildId, user_id: UserId) -> Any:
        if user_id in self.gone:
            return None
        return SimpleNamespace(joined_at=self.joined.get(user_id, JOINED), timed_out_until=None)

    def fetch_ban(self, guild_id: GuildId, user_id: UserId) -> Any:
        return SimpleNamespace(reason=self.bans[user_id]) if user_id in self.bans else None

    def noted(self, guild_id: GuildId, action: Action, mark: str) -> bool:
        return any(mark.strip() in known for known in self.marks)

    def find_message(self, channel_id: ChannelId, message: Any, *, nonce: str, since: datetime) -> MessageId | None:
        return MessageId(1) if nonce in self._nonces else None


@dataclass
class Bare:
    """One guild, its people, and the parts that an action passes.

    ``url`` is the owner's address of a migrated database, ``superuser_url`` that of whom nothing stops; ``clock``
    replaces the database's.
    """

    url: str
    superuser_url: str
    clock: Clock | None = None
    guild_id: GuildId = GuildId(210_000_000_000_000_001)
    owner_id: UserId = UserId(310_000_000_000_000_001)
    guard_id: UserId = UserId(310_000_000_000_000_002)
    _fresh: Iterator[int] = field(default_factory=lambda: itertools.count(310_000_000_000_001_000))
    _opened: list[Database] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.web, self.worker, self.bot = (self.open(f"kovra_{role}") for role in ("web", "worker", "bot"))
        self.mirror = Mirror(self.bot)
        self._settle(self.guild_id)

    def open(self, role: str | None) -> Database:
        """The database as one process would have it."""
        self._opened.append(Database(self.url, role=role, pool_size=24, clock=self.clock))
        return self._opened[-1]

    def close(self) -> None:
        for database in self._opened:
            database.dispose()

    def _settle(self, guild_id: GuildId) -> None:
        one = GuildRow(
            guild_id=guild_id, name="Bare", icon=None, owner_id=self.owner_id, guard_id=self.guard_id, member_count=9
        )
        self.mirror.guild(one)
        roles = [
            RoleRow(role_id=RoleId(guild_id), name="@everyone", position=0, permissions=0),
            RoleRow(role_id=RoleId(1), name="Moderator", position=5, permissions=_MODERATING),
            RoleRow(role_id=RoleId(2), name="Guard", position=9, permissions=_MODERATING),
        ]
        self.mirror.roles(guild_id, roles)
        self.mirror.channels(guild_id, [ChannelRow(channel_id=LOG, name="mod-log", kind=0)])
        people = [_member(self.owner_id, "owner"), _member(self.guard_id, "guard", 2, bot=True)]
        self.mirror.members(guild_id, people, complete=True)
        self.mirror.heard(0, 1)

    def now(self) -> datetime:
        return self.clock.now() if self.clock else datetime.now(UTC)

    def another_guild(self) -> GuildId:
        guild_id = GuildId(next(self._fresh) + (1 << 40))
        self._settle(guild_id)
        return guild_id

    def member(self) -> UserId:
        """Somebody to act on."""
        user_id = UserId(next(self._fresh))
        self.mirror.member(self.guild_id, _member(user_id, f"m{user_id}"))
        return user_id

    def moderator(self) -> UserId:
        """Somebody who may act, with a budget nobody has used."""
        user_id = UserId(next(self._fresh))
        self.mirror.member(self.guild_id, _member(user_id, f"mod{user_id}", 1))
        return user_id

    def wish(self, action: Action = Action.BAN, **changes: Any) -> ActionRequest:
        """A fresh member, a fresh moderator, a fresh id."""
        given: dict[str, Any] = {
            "request_id": new_request_id(),
            "guild_id": self.guild_id,
            "action": action,
            "target_id": changes.pop("target_id", None) or self.member(),
            "moderator_id": changes.pop("moderator_id", None) or self.moderator(),
            "source": Source.DASHBOARD,
            "reason": "ablation",
            "issued_at": self.now(),
        }
        return ActionRequest(**(given | changes))

    def seal(self, wish: ActionRequest, key: Key = WEB, *, wanted: timedelta = timedelta(hours=1)) -> Sealed:
        return envelope.seal(wish, key, self.now() + wanted)

    def accept(self, wish: ActionRequest, **how: Any) -> Sealed:
        """Accepted, and not on any lane."""
        sealed = self.seal(wish, **how)
        self.requests().accept(sealed, None)
        return sealed

    def requests(self, **how: Any) -> Requests:
        return Requests(self.web, AUDIT_KEY, **how)

    def ledger(self, kind: type[Ledger] = Ledger, **how: Any) -> Ledger:
        """A worker's pen; its claims are free at once when it is gone, because nobody holds its lock."""
        return kind(self.worker, AUDIT_KEY, owner="bare", claim_key=new_claim_key(), **how)

    def worker_of(
        self,
        discord: Any,
        *,
        ledger: Any = None,
        roster: Any = None,
        keys: Mapping[str, Key] | None = None,
        dies_at: str = "",
        meets: Callable[[str], None] = nowhere,
    ) -> Execute:
        """An executor; ``dies_at`` names the point it does not survive, ``meets`` is called with each it comes to."""

        def at(point: str) -> None:
            meets(point)
            if point == dies_at:
                raise Died

        ledger, roster = ledger or self.ledger(), roster or Roster(self.worker)
        notices = Notices(ledger=ledger, roster=roster, discord=discord, base_url="http://localhost", at=at)
        return Execute(
            ledger=ledger,
            roster=roster,
            discord=discord,
            notices=notices,
            quarantine=Quarantine(self.worker, AUDIT_KEY),
            bulletin=SimpleNamespace(ring=lambda guild_id: None),  # type: ignore[arg-type]
            keys=keys or {key.kid: key for key in (WEB, GUARD)},
            at=at,
        )

    def state(self, wish: ActionRequest) -> str:
        with self.worker.transaction(wish.guild_id) as session:
            found = session.connection().exec_driver_sql(
                "SELECT state FROM action_requests WHERE request_id = %s", (str(wish.request_id),)
            )
            return str(found.scalar())


def run(execute: Execute, sealed: Sealed) -> bool:
    """Hand a worker the entry of an envelope; False when it died or refused it."""
    return carry(execute, sealed.request.guild_id, sealed.body, sealed.kid, sealed.sig)


def carry(execute: Execute, lane: GuildId, body: bytes, kid: str, sig: str) -> bool:
    """Hand a worker whatever lies on a lane; False when it died or refused it."""
    try:
        execute(lane=lane, body=body, kid=kid, sig=sig)
    except (Died, EnvelopeRefused):
        return False
    return True


class Without:
    """A part with some of its methods replaced: how a guard is left out of what is handed in."""

    def __init__(self, part: Any, **replaced: Callable[..., Any]) -> None:
        self._part = part
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


@contextmanager
def swapped(module: Any, name: str, other: Any) -> Iterator[None]:
    """A pure rule replaced while the block runs, where nothing hands it in."""
    kept = getattr(module, name)
    setattr(module, name, other)
    try:
        yield
    finally:
        setattr(module, name, kept)


def _member(user_id: UserId, username: str, *roles: int, bot: bool = False) -> MemberRow:
    return MemberRow(
        user_id=user_id,
        username=username,
        global_name=None,
        nick=None,
        avatar=None,
        bot=bot,
        joined_at=JOINED,
        timed_out_until=None,
        role_ids=[RoleId(role) for role in roles],
    )
