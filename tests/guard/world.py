"""A world in memory around the executor: a ledger with epochs, a Discord that knows nonces, people with ranks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from kovra.actions import envelope
from kovra.actions.capabilities import Permission, Person
from kovra.actions.envelope import Key, Sealed
from kovra.actions.request import Action, ActionRequest, State
from kovra.actions.rights import CaseSeen, Place, Role, Standing
from kovra.errors import ClaimLost, DiscordRefused, DiscordUnknown, EnvelopeRefused
from kovra.guard.case import Case, NoticeStatus
from kovra.guard.case_acts import Change
from kovra.guard.claim import Claim, NotClaimed
from kovra.guard.endings import KeptEnd
from kovra.guard.log_channels import EventClass, LogChannels
from kovra.guard.notice_texts import NoticeTexts
from kovra.guard.notices import Busy
from kovra.guard.restoring import Hold
from kovra.ids import DISCORD_EPOCH_MS, ChannelId, GuildId, MessageId, UserId, new_request_id
from tests.wishes import MAKING, ROLE

GUILD = GuildId(110_000_000_000_000_001)
MODERATOR = UserId(120_000_000_000_000_002)
TARGET = UserId(130_000_000_000_000_003)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
JOINED = datetime(2025, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)
KEY = Key(kid="w1", ring="web", secret=b"w" * 32)
GUARD_KEY = Key(kid="g1", ring="guard", secret=b"g" * 32)
MANAGED = 15
EVERY = sum(permission.value for permission in Permission) & ~Permission.ADMINISTRATOR.value

#: What each action does on Discord.
DEED = {action: [action.value] for action in MAKING if action not in (Action.WARN, Action.NOTE)} | {
    Action.SOFTBAN: ["ban", "unban"],
    Action.QUARANTINE: ["set_roles"],
    Action.UNQUARANTINE: ["set_roles"],
    Action.LOCK: ["set_everyone"],
    Action.UNLOCK: ["set_everyone"],
    Action.SLOWMODE: ["set_slowmode"],
    Action.SLOWMODE_OFF: ["set_slowmode"],
    Action.LOCKDOWN: ["set_level", "pause"],
    Action.LOCKDOWN_OFF: ["set_level", "pause"],
    Action.PURGE: ["delete_messages"],
}
#: What a quarantine and the like found, and must bring back.
WAS = {
    "roles": [11, 13],
    "meanwhile": [],
    "everyone": ["2048", "0"],
    "slow_s": 7,
    "level": 2,
    "invites": None,
    "dms": None,
}
HOLD = Hold(kind=Action.QUARANTINE, request_id=new_request_id(), case_no=7, was=WAS)


class Died(BaseException):
    """The process is gone: nothing may catch it."""


def a_message(number: int, author: int = TARGET, *, age: timedelta = timedelta(hours=1), pinned: bool = False) -> Any:
    """A message whose id says when it was written."""
    made_ms = int((NOON - age).timestamp() * 1000) - DISCORD_EPOCH_MS
    return SimpleNamespace(message_id=(made_ms << 22) + number, author_id=author, pinned=pinned)


@dataclass
class Row:
    sealed: Sealed
    state: State = State.ACCEPTED
    epoch: int = 0
    attempt: int = 0
    effect_at: datetime | None = None
    effect_before: dict = field(default_factory=dict)
    notice: Any = None
    notice_at: datetime | None = None
    post: Any = None
    post_at: datetime | None = None
    case: Case | None = None
    end: Any = None
    due_in_s: float = 0.0


@dataclass
class World:
    """Every port of the room. ``story`` keeps what happened, ``fail[what]`` is raised instead of ``what``.

    ``lost[what]`` counts how often Discord does ``what`` and its answer is lost on the way; ``silent[what]`` how often
    it does nothing and says nothing.
    """

    now: datetime = NOON
    rows: dict = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    fail: dict[str, BaseException] = field(default_factory=dict)
    lost: Counter = field(default_factory=Counter)
    silent: Counter = field(default_factory=Counter)
    messages: dict[str, Any] = field(default_factory=dict)
    forgotten: bool = False
    bans: dict[UserId, str] = field(default_factory=dict)
    joined: dict[UserId, datetime] = field(default_factory=lambda: {TARGET: JOINED})
    muted: dict[UserId, datetime] = field(default_factory=dict)
    roles: dict[UserId, set[int]] = field(default_factory=lambda: {TARGET: {11, 12}})
    held: Hold | None = None
    old_case: Case | None = None
    place: dict[str, Any] = field(
        default_factory=lambda: {
            "everyone": (1 << 10, 1 << 4),
            "slow_s": 5,
            "level": 1,
            "invites_until": None,
            "dms_until": None,
        }
    )
    written: dict[int, list[Any]] = field(default_factory=lambda: {TARGET: [a_message(number) for number in range(9)]})
    closed: set[int] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)
    edited: list[Any] = field(default_factory=list)
    audit: list[tuple[Action, str]] = field(default_factory=list)
    unwritten: list[tuple[Action, str]] = field(default_factory=list)
    audit_lags: bool = False
    deeds: list[tuple] = field(default_factory=list)
    quarantined: list = field(default_factory=list)
    replays: int = 0
    rings: int = 0
    left: list[Claim] = field(default_factory=list)
    log_id: ChannelId | None = ChannelId(5)
    busy: Busy = field(default_factory=Busy)
    logs: dict[EventClass, ChannelId | None] = field(default_factory=dict)
    texts: dict[Action, str] = field(default_factory=dict)
    target: Person = Person(user_id=TARGET, name="raider", member=True, rank=1)
    moderator: Person = Person(user_id=MODERATOR, name="odalys", member=True, permissions=EVERY, rank=5)
    not_claimed: NotClaimed | None = None
    kept: KeptEnd | None = None

    def _tell(self, what: str) -> None:
        if (error := self.fail.get(what)) is not None:
            raise error
        self.story.append(what)

    # -- discord

    @contextmanager
    def _deed(self, verb: str, *rest: Any, **more: Any) -> Iterator[None]:
        self._tell(verb)
        if self.silent[verb]:
            self.silent[verb] -= 1
            raise DiscordUnknown("time is up")
        yield
        self.deeds.append((verb, *rest, more))
        if verb in set(Action):
            (self.unwritten if self.audit_lags else self.audit).append((Action(verb), more["reason"]))
        if self.lost[verb]:
            self.lost[verb] -= 1
            raise DiscordUnknown("reset")

    def ban(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("ban", guild_id, user_id, **more):
            self.bans.setdefault(user_id, more["reason"])
            self.joined.pop(user_id, None)

    def unban(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("unban", guild_id, user_id, **more):
            self.bans.pop(user_id, None)

    def kick(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("kick", guild_id, user_id, **more):
            if self.joined.pop(user_id, None) is None:
                raise DiscordRefused(404, 10007, "Unknown Member")

    def mute(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("mute", guild_id, user_id, **more):
            self.muted[user_id] = more["until"]

    def unmute(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("unmute", guild_id, user_id, **more):
            self.muted.pop(user_id, None)

    def add_role(self, guild_id: GuildId, user_id: UserId, role_id: int, **more: Any) -> None:
        with self._deed("role_add", guild_id, user_id, role_id, **more):
            self.roles.setdefault(user_id, set()).add(role_id)

    def remove_role(self, guild_id: GuildId, user_id: UserId, role_id: int, **more: Any) -> None:
        with self._deed("role_remove", guild_id, user_id, role_id, **more):
            self.roles.setdefault(user_id, set()).discard(role_id)

    def set_roles(self, guild_id: GuildId, user_id: UserId, role_ids: Any, **more: Any) -> None:
        with self._deed("set_roles", guild_id, user_id, tuple(role_ids), **more):
            self.roles[user_id] = set(role_ids)

    def set_everyone(self, guild_id: GuildId, channel_id: int, bits: Any, **more: Any) -> None:
        with self._deed("set_everyone", guild_id, channel_id, bits, **more):
            self.place["everyone"] = bits

    def set_slowmode(self, channel_id: int, slow_s: int, **more: Any) -> None:
        with self._deed("set_slowmode", channel_id, slow_s, **more):
            self.place["slow_s"] = slow_s

    def set_level(self, guild_id: GuildId, level: int, **more: Any) -> None:
        with self._deed("set_level", guild_id, level, **more):
            self.place["level"] = level

    def pause(self, guild_id: GuildId, *, invites_until: Any, dms_until: Any, **more: Any) -> None:
        with self._deed("pause", guild_id, **more):
            self.place |= {"invites_until": invites_until, "dms_until": dms_until}

    def delete_messages(self, channel_id: int, message_ids: Any, **more: Any) -> None:
        with self._deed("delete_messages", channel_id, tuple(message_ids), **more):
            gone = set(message_ids)
            self.written[channel_id] = [one for one in self.written[channel_id] if one.message_id not in gone]

    # Looking is no part of the story: it changes nothing.

    def _looked(self) -> None:
        if (error := self.fail.get("look")) is not None:
            raise error

    def fetch_member(self, guild_id: GuildId, user_id: UserId) -> Any:
        self._looked()
        if user_id not in self.joined:
            return None
        return SimpleNamespace(
            joined_at=self.joined[user_id],
            timed_out_until=self.muted.get(user_id),
            role_ids=tuple(self.roles.get(user_id, ())),
        )

    def fetch_channel(self, guild_id: GuildId, channel_id: int) -> Any:
        self._looked()
        return SimpleNamespace(channel_id=channel_id, kind=0, **self.place)

    def fetch_channels(self, guild_id: GuildId) -> Any:
        return [self.fetch_channel(guild_id, channel_id) for channel_id in self.written]

    def fetch_server(self, guild_id: GuildId) -> Any:
        self._looked()
        return SimpleNamespace(**self.place)

    def latest_messages(self, channel_id: int, *, before: int | None) -> Any:
        self._looked()
        if channel_id in self.closed:
            raise DiscordRefused(403, 50001, "Missing Access")
        there = [one for one in self.written.get(channel_id, ()) if before is None or one.message_id < before]
        return sorted(there, key=lambda one: -one.message_id)[:100]

    def fetch_roles(self, guild_id: GuildId) -> Any:
        """Four plain roles, one of a boost, and one above Guard."""
        self._looked()
        ranks = {ROLE: 2, 11: 1, 12: 3, 13: 3, 14: 12, MANAGED: 4}
        return [
            SimpleNamespace(role_id=role_id, position=rank, managed=role_id == MANAGED)
            for role_id, rank in ranks.items()
        ]

    def fetch_ban(self, guild_id: GuildId, user_id: UserId) -> Any:
        self._looked()
        return SimpleNamespace(reason=self.bans[user_id]) if user_id in self.bans else None

    def noted(self, guild_id: GuildId, action: Action, mark: str) -> bool:
        self._looked()
        if (error := self.fail.get("audit")) is not None:
            raise error
        return any(done is action and reason.endswith(mark) for done, reason in self.audit)

    def find_message(self, channel_id: ChannelId, message: Any, *, nonce: str, since: datetime) -> MessageId | None:
        self._looked()
        return MessageId(7) if nonce in self.messages else None

    def open_dm(self, user_id: UserId) -> ChannelId:
        self._tell("open_dm")
        return ChannelId(6)

    def send(self, channel_id: ChannelId, message: Any, *, nonce: str) -> MessageId:
        what = "dm" if nonce.endswith("-d") else "log"
        self._tell(what)
        assert not (self.forgotten and nonce in self.messages), "a second message: its nonce was forgotten"
        self.messages.setdefault(nonce, message)
        if self.lost[what]:
            self.lost[what] -= 1
            raise DiscordUnknown("reset")
        return MessageId(len(self.messages))

    def edit(self, channel_id: ChannelId, message_id: MessageId, message: Any) -> None:
        self._tell("edit")
        self.edited.append(message)

    # -- roster

    def standing(self, guild_id: GuildId, moderator_id: UserId, target_id: UserId) -> Standing:
        if (error := self.fail.get("standing")) is not None:
            raise error
        guard = Person(user_id=UserId(2), name="Guard", member=True, permissions=EVERY, rank=9, bot=True)
        return Standing(
            guild_id=guild_id, owner_id=UserId(1), guard=guard, moderator=self.moderator, target=self.target
        )

    def around(self, request: ActionRequest, standing: Standing) -> Standing:
        if request.case_no is not None:
            old, age_s = self.old_case, int((self.now - NOON).total_seconds())
            seen = old and CaseSeen(
                case_no=old.case_no,
                action=old.action,
                target_id=old.target_id,
                moderator_id=old.moderator_id,
                age_s=age_s,
                holds=True,
            )
            return replace(standing, case=seen)
        if request.of_place:
            target = Person(user_id=request.target_id, name="#general", member=False)
            return replace(standing, place=Place(name="#general", kind=0), target=target)
        role = Role(role_id=request.params["role_id"], name="Muted", rank=2)
        return replace(standing, role=role)

    def joined_at(self, guild_id: GuildId, user_id: UserId) -> datetime | None:
        return self.joined.get(user_id)

    def notice_texts(self, guild_id: GuildId) -> NoticeTexts:
        return NoticeTexts(server="Foxes", by_action=self.texts)

    def log_channels(self, guild_id: GuildId) -> LogChannels:
        return LogChannels(common=self.log_id, by_class=self.logs)

    # -- ledger

    def claim(self, verified: envelope.Verified) -> Claim | NotClaimed:
        self._tell("claim")
        row = self.rows.get(verified.request.request_id)
        if row is None:
            raise EnvelopeRefused("unknown_request")
        if (row.sealed.body, row.sealed.kid, row.sealed.sig) != (verified.body, verified.kid, verified.sig):
            raise EnvelopeRefused("row_differs")
        if self.not_claimed or row.state.terminal:
            return self.not_claimed or NotClaimed.FINISHED
        if row.state is State.ACCEPTED:
            row.state = State.EXECUTING
        row.epoch, row.attempt = row.epoch + 1, row.attempt + 1
        return Claim(
            request=verified.request,
            revoked=verified.revoked,
            epoch=row.epoch,
            attempt=row.attempt,
            state=row.state,
            accepted_at=NOON,
            expires_at=row.sealed.expires_at,
            now=self.now,
            effect_at=row.effect_at,
            effect_before=row.effect_before,
            notice=row.notice,
            notice_at=row.notice_at,
            post=row.post,
            post_at=row.post_at,
            case=row.case,
        )

    def await_key(self, lane: GuildId, *, body: bytes, kid: str, sig: str) -> bool:
        if (error := self.fail.get("await_key")) is not None:
            raise error
        sealed = [row.sealed for row in self.rows.values() if row.state is State.ACCEPTED]
        return any((one.request.guild_id, one.body, one.kid, one.sig) == (lane, body, kid, sig) for one in sealed)

    def _write(self, what: str, claim: Claim, **changed: Any) -> Row:
        row = self.rows[claim.request_id]
        if claim.epoch != row.epoch:
            raise ClaimLost
        self._tell(what)
        for name, value in changed.items():
            setattr(row, name, value)
        return row

    def intend_notice(self, claim: Claim) -> None:
        self._write("intend_notice", claim, notice=NoticeStatus.SENDING, notice_at=claim.notice_at or self.now)

    def record_notice(self, claim: Claim, result: Any) -> None:
        self._write("record_notice", claim, notice=result.status)

    def dms_are_closed(self, claim: Claim, closed: bool) -> None:
        self.target = replace(self.target, dms_closed=closed)

    def intend_effect(self, claim: Claim, before: Mapping[str, Any]) -> None:
        self._write("intend_effect", claim, effect_at=self.now, effect_before=dict(before))

    def intended(self, claim: Claim) -> Any:
        return self.rows[claim.request_id].effect_before

    def finalise(self, claim: Claim, *, standing: Standing, ends_at: datetime | None, result: Any = None) -> Case:
        request = claim.request
        case = Case(
            guild_id=request.guild_id,
            case_no=sum(row.case is not None for row in self.rows.values()) + 1,
            request_id=request.request_id,
            action=request.action,
            target_id=request.target_id,
            target_name=standing.target.name,
            moderator_id=request.moderator_id,
            moderator_name=standing.moderator.name,
            source=request.source,
            reason=request.reason,
            created_at=self.now,
            ends_at=ends_at,
            for_case=request.for_case,
            result=result,
        )
        assert self.rows[request.request_id].case is None, "a second case for one request"
        self._write("finalise", claim, case=case, state=State.APPLIED)
        return case

    def kept_end(self, claim: Claim) -> KeptEnd | None:
        return self.kept

    def case(self, claim: Claim) -> Case | None:
        return self.old_case

    def amend(self, claim: Claim, *, standing: Standing, change: Change) -> Case:
        changed = {"reason": change.reason} if change.reason else {}
        changed |= {"ends_at": change.ends_at} if change.lasting else {}
        self.old_case = replace(self.old_case, voided=change.voids, **changed)
        self.changes.append(change)
        self._write("amend", claim, state=State.APPLIED, case=self.old_case)
        return self.old_case

    def close(self, claim: Claim) -> None:
        self._write("close", claim, state=State.DONE)

    def hold(self, claim: Claim) -> Hold | None:
        return self.held

    def intend_post(self, claim: Claim, channel_id: ChannelId) -> None:
        self._write("intend_post", claim, post="sending", post_at=claim.post_at or self.now)

    def finish(self, claim: Claim, post: Any) -> None:
        told = self.rows[claim.request_id].notice or "not_needed"
        row = self._write("finish", claim, state=State.DONE, post=post.status, notice=told)
        row.post_at = None if post.status == "waiting" else row.post_at

    def reject(self, claim: Claim, refusal: Any) -> None:
        self._write("reject", claim, state=State.REJECTED, end=refusal)

    def expire(self, claim: Claim) -> None:
        self._write("expire", claim, state=State.EXPIRED)

    def give_back(self, claim: Claim, *, delay_s: float, intent_stays: bool = False) -> None:
        undone = {} if intent_stays else {"effect_at": None, "effect_before": {}}
        self._write("give_back", claim, state=State.ACCEPTED, due_in_s=delay_s, **undone)

    def leave(self, claim: Claim) -> None:
        self.left.append(claim)

    def put_off(self, claim: Claim, *, delay_s: float) -> None:
        self._write("put_off", claim, post=claim.post, post_at=claim.post_at, due_in_s=delay_s)

    # -- quarantine and bulletin

    def refuse(self, *, lane: GuildId, body: bytes, cause: str, request: ActionRequest | None = None) -> None:
        self.quarantined.append((lane, cause, request))

    def replayed(self, *, lane: GuildId, request: ActionRequest) -> None:
        self.replays += 1

    def ring(self, guild_id: GuildId) -> None:
        self.rings += 1


class Ledger:
    """The ledger's ``fail`` is a method, so it stands apart from the world's table of failures."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def fail(self, claim: Claim, failure: Any) -> None:
        self._world._write("fail", claim, state=State.FAILED, end=failure)
