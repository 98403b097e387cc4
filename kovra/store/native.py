"""What was done in Discord itself becomes cases: numbered, sealed and told of like all others, each exactly once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Row, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditKind
from kovra.actions.capabilities import Person
from kovra.actions.envelope import Key, Sealed, open_envelope
from kovra.actions.request import Action, ActionRequest, State
from kovra.actions.rights import Standing
from kovra.errors import EnvelopeRefused
from kovra.guard import native
from kovra.guard.case import Case, NoticeStatus, PostStatus
from kovra.guard.endings import ENDS_OF, EndState, due_at
from kovra.guard.native import Deed, Intent, NativeEntry, Verdict
from kovra.ids import GuildId, UserId, snowflake_ms
from kovra.store.audit import AuditLog
from kovra.store.casebook import CASE_WRITES, Head, case_values, head_for, head_of, new_case
from kovra.store.database import Database
from kovra.store.people import people
from kovra.store.requests import audit_entry, new_row
from kovra.store.tables import ActionRequests, Guilds, Members, ModCases, NativeEntries, ScheduledEnds

log = logging.getLogger(__name__)

Seal = Callable[[ActionRequest, datetime], Sealed]

#: Cases written in one transaction: others of the guild get their turn for a number between.
AT_ONCE = 20

#: How soon an entry of Guard's own is looked at again whose request is still under way.
LOOK_AGAIN = timedelta(seconds=1)

#: An intent's request may have ended this long before the entry of its deed was made, by two clocks.
_ENDED_BEFORE = timedelta(minutes=5)

_LIVE = (State.ACCEPTED.value, State.EXECUTING.value)
_ENDED = (State.FAILED.value, State.DEAD.value)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What is known around the entries that are looked at together."""

    guild_id: GuildId
    guard_id: UserId
    owner_id: UserId
    people: Mapping[UserId, Person]
    intents: Mapping[UserId, Sequence[Intent]]
    earlier: Mapping[UserId, list[tuple[Action, datetime]]]
    muted_until: Mapping[UserId, datetime]


class Native:
    """The worker's view of what was done in Discord. Several workers may look at once.

    Args:
        keys: every key that still verifies, to read what Guard was asked for.
    """

    def __init__(self, database: Database, audit_key: bytes, keys: Mapping[str, Key]) -> None:
        self._database, self._key, self._keys = database, audit_key, keys
        self._audit = AuditLog(database, audit_key)

    def waiting(self) -> list[GuildId]:
        """The guilds of which something was heard that has not been looked at."""
        guilds = select(func.kovra_guilds_with_native(self._database.now()))
        with self._database.transaction(None) as session:
            return [GuildId(guild_id) for guild_id in session.scalars(guilds)]

    def capture(self, guild_id: GuildId, seal: Seal) -> list[Sealed]:
        """Make cases of the oldest entries of a guild, in their order; the sealed requests whose post is to come."""
        row = NativeEntries
        oldest = select(row).where(row.guild_id == guild_id, row.next_at <= self._database.now())
        with self._database.transaction(guild_id) as session:
            # Whoever comes second waits here, and then finds them gone: entries keep their order.
            rows = session.scalars(oldest.order_by(row.audit_id).limit(AT_ONCE).with_for_update()).all()
            entries = [_entry(one) for one in rows]
            if not entries:
                return []
            now = self._database.read_now(session)
            whose = select(Guilds.guard_id, Guilds.owner_id).where(Guilds.guild_id == guild_id)
            guild = session.execute(whose).one_or_none()
            if guild is None:  # it has not been written down yet
                _put_off(session, guild_id, [entry.audit_id for entry in entries], now + LOOK_AGAIN)
                return []
            marked = [entry for entry in entries if entry.mark]
            intents = _intents(session, guild_id, marked) if marked else {}
            verdicts = [
                (entry, native.whose(entry, UserId(guild.guard_id), intents.get(entry.target_id or UserId(0), ())))
                for entry in entries
            ]
            # Most of what is heard is Guard's own and has its case: nothing more is asked about that.
            news = [(entry, verdict) for entry, verdict in verdicts if verdict in (Verdict.LOST, Verdict.FOREIGN)]
            made = self._keep(session, guild, news, intents, now, seal) if news else []
            later = [entry.audit_id for entry, verdict in verdicts if verdict is Verdict.LATER]
            _forget(session, guild_id, [entry.audit_id for entry in entries if entry.audit_id not in later])
            _put_off(session, guild_id, later, now + LOOK_AGAIN)
            return made

    def _keep(
        self,
        session: Session,
        guild: Row[Any],
        news: Sequence[tuple[NativeEntry, Verdict]],
        intents: Mapping[UserId, Sequence[Intent]],
        now: datetime,
        seal: Seal,
    ) -> list[Sealed]:
        """Make cases of what has none."""
        entries, made = [entry for entry, _ in news], []
        guild_id = entries[0].guild_id
        told = self._look_around(session, guild_id, guild, entries, intents, now)
        ids = [native.request_id_of(entry) for entry in entries]
        done = set(session.scalars(select(ActionRequests.request_id).where(ActionRequests.request_id.in_(ids))))
        for entry, verdict in news:
            if verdict is Verdict.LOST:
                self._find(session, entry, told, now)
            elif native.request_id_of(entry) not in done:
                made += self._write(session, entry, told, now, seal)
        return made

    @staticmethod
    def _look_around(
        session: Session,
        guild_id: GuildId,
        guild: Row[Any],
        entries: Sequence[NativeEntry],
        intents: Mapping[UserId, Sequence[Intent]],
        now: datetime,
    ) -> _Told:
        targets = sorted({entry.target_id for entry in entries if entry.target_id is not None})
        actors = {entry.actor_id for entry in entries if entry.actor_id is not None}
        muted = select(Members.user_id, Members.timed_out_until).where(
            Members.guild_id == guild_id, Members.user_id.in_(targets), Members.timed_out_until.is_not(None)
        )
        return _Told(
            guild_id=guild_id,
            guard_id=UserId(guild.guard_id),
            owner_id=UserId(guild.owner_id),
            people=people(session, guild_id, [*targets, *actors], now),
            intents=intents,
            earlier=_earlier(session, guild_id, targets),
            muted_until={UserId(one.user_id): one.timed_out_until for one in session.execute(muted)},
        )

    def _write(self, session: Session, entry: NativeEntry, told: _Told, now: datetime, seal: Seal) -> list[Sealed]:
        """One case or none, with its request as it stands once it has been done, its event and its audit entry."""
        deed = native.deed_of(entry, told.muted_until.get(entry.target_id or UserId(0)))
        if deed is None:
            return []
        earlier = told.earlier.setdefault(deed.target_id, [])
        late = native.is_late(entry, deed.action, earlier)
        earlier.append((deed.action, entry.done_at))
        moderator = told.people.get(entry.actor_id) if entry.actor_id is not None else None
        by_bot = bool(moderator and moderator.bot and not entry.by_automod)
        sealed = seal(native.request_for(entry, deed, by_bot=by_bot, late=late, now=now), now)
        request = sealed.request
        head = _head(session, entry.guild_id, self._database)
        standing = _standing(told, deed, request.moderator_id, told.people, native.moderator_name(entry))
        new = new_case(self._key, head, request, standing, deed.ends_at)
        row = new_row(sealed, None, now) | {
            "state": State.APPLIED.value,
            "accepted_at": None,
            "case_no": new.case.case_no,
            "applied_at": new.case.created_at,
            "notice_status": NoticeStatus.NOT_NEEDED.value,
        }
        write = insert(ActionRequests).values(row).add_cte(*CASE_WRITES)
        session.connection().execute(write, case_values([new]))
        more = {"case_no": new.case.case_no, "audit_id": str(entry.audit_id)}
        self._audit.append_in(session, audit_entry(AuditKind.ACTION_CAPTURED, request, **more))
        if not late:
            _move_ends(session, request, new.case, entry.done_at, now)
        return [sealed]

    def _find(self, session: Session, entry: NativeEntry, told: _Told, now: datetime) -> None:
        """Guard's own deed whose request had failed because nobody could see that it was done: it has its case now.

        The request takes up its story where it was broken off; its posts are still to come.
        """
        intent = next(one for one in told.intents[entry.target_id or UserId(0)] if entry.mark in native.marks(one))
        row = session.get(ActionRequests, intent.request_id, with_for_update=True)
        if row is None or row.case_no is not None or row.state not in _ENDED:
            return
        try:
            opened = open_envelope(row.body, row.kid, row.sig, keys=self._keys, lane=entry.guild_id)
        except EnvelopeRefused:
            log.error("the request %s, which Discord shows as done, was altered; it gets no case", row.request_id)
            return
        request, before = opened.request, row.effect_before or {}
        ends_at = _moment(before.get("ends_at") or before.get("until"))
        deed = Deed(action=request.action, target_id=request.target_id, reason=request.reason, ends_at=ends_at)
        standing = _standing(
            told, deed, request.moderator_id, people(session, entry.guild_id, [request.moderator_id], now)
        )
        new = new_case(self._key, _head(session, entry.guild_id, self._database), request, standing, ends_at)
        # The posts of a job are sent together, and nobody waits for them.
        rest = (
            {"state": State.APPLIED.value, "done_at": None}
            if row.chunk is None
            else {"state": State.DONE.value, "post_status": PostStatus.WAITING.value}
        )
        taken_up = update(ActionRequests).where(
            ActionRequests.guild_id == entry.guild_id, ActionRequests.request_id == request.request_id
        )
        write = taken_up.values(
            **rest,
            case_no=new.case.case_no,
            applied_at=new.case.created_at,
            effect_done_at=entry.done_at,
            attempts=0,
            failure_kind=None,
            failure_sentence=None,
            failure_code=None,
        )
        session.connection().execute(write.add_cte(*CASE_WRITES), case_values([new]))
        more = {"case_no": new.case.case_no, "audit_id": str(entry.audit_id)}
        self._audit.append_in(session, audit_entry(AuditKind.ACTION_CAPTURED, request, **more))
        if not native.is_late(entry, request.action, told.earlier.get(request.target_id, [])):
            _move_ends(session, request, new.case, entry.done_at, now)


def _entry(row: NativeEntries) -> NativeEntry:
    return NativeEntry(
        guild_id=GuildId(row.guild_id),
        audit_id=row.audit_id,
        kind=row.kind,
        actor_id=UserId(row.actor_id) if row.actor_id is not None else None,
        target_id=UserId(row.target_id) if row.target_id is not None else None,
        reason=row.reason,
        until=row.until,
        until_before=row.until_before,
        options=row.options,
    )


def _head(session: Session, guild_id: GuildId, database: Database) -> Head:
    """Lock the guild's counters; the next numbers are ours."""
    guild = select(literal(guild_id, BigInteger).label("guild_id")).cte("guild")
    return head_of(session.connection().execute(select(head_for(guild, database.now()))).one())


def _intents(session: Session, guild_id: GuildId, marked: Sequence[NativeEntry]) -> dict[UserId, list[Intent]]:
    """What Guard has done, is doing or failed to do to the people of these entries."""
    targets = sorted({entry.target_id for entry in marked if entry.target_id is not None})
    row, case = ActionRequests, ModCases
    mine = (row.guild_id == guild_id, row.target_id.in_(targets), row.effect_at.is_not(None))
    columns = (row.target_id, row.request_id, row.batch_id, row.state, row.case_no)
    # Each as the indexes have it: what is live, what ended without a case lately, what has one.
    live = select(*columns).where(*mine, row.state.in_(_LIVE))
    since = min(entry.done_at for entry in marked) - _ENDED_BEFORE
    ended = select(*columns).where(*mine, row.state.in_(_ENDED), row.done_at > since)
    cases = select(
        case.target_id, case.request_id, case.batch_id, literal(State.DONE.value).label("state"), case.case_no
    ).where(case.guild_id == guild_id, case.target_id.in_(targets))
    found: dict[UserId, list[Intent]] = {}
    for question in (live, ended, cases):
        for one in session.execute(question):
            intent = Intent(
                request_id=one.request_id, batch_id=one.batch_id, state=State(one.state), case_no=one.case_no
            )
            found.setdefault(UserId(one.target_id), []).append(intent)
    return found


def _earlier(
    session: Session, guild_id: GuildId, targets: Sequence[UserId]
) -> dict[UserId, list[tuple[Action, datetime]]]:
    """What was done to these people, and when: done in Discord, by its entry; else when its case was written."""
    case, kinds = ModCases, [action.value for action in ENDS_OF]
    known = select(case.target_id, case.action, case.created_at, case.params["audit_id"].as_string().label("audit_id"))
    known = known.where(case.guild_id == guild_id, case.target_id.in_(targets), case.action.in_(kinds))
    found: dict[UserId, list[tuple[Action, datetime]]] = {}
    for one in session.execute(known):
        at = one.created_at
        if one.audit_id is not None:
            at = datetime.fromtimestamp(snowflake_ms(int(one.audit_id)) / 1000, UTC)
        found.setdefault(UserId(one.target_id), []).append((Action(one.action), at))
    return found


def _standing(
    told: _Told, deed: Deed, moderator_id: UserId, known: Mapping[UserId, Person], moderator_name: str | None = None
) -> Standing:
    """Who is who, for the names on the case."""
    moderator = known.get(moderator_id) or Person(user_id=moderator_id, name=str(moderator_id), member=False)
    target = told.people.get(deed.target_id) or Person(user_id=deed.target_id, name=str(deed.target_id), member=False)
    return Standing(
        guild_id=told.guild_id,
        owner_id=told.owner_id,
        guard=Person(user_id=told.guard_id, name="Guard", member=True),
        moderator=replace(moderator, name=moderator_name or moderator.name),
        target=replace(target, name=deed.target_name or target.name),
    )


def _move_ends(session: Session, request: ActionRequest, case: Case, done_at: datetime, now: datetime) -> None:
    """The newest act on a person decides what holds: what stood before is settled, and what ends is kept."""
    punishment = ENDS_OF.get(request.action)
    if punishment is None:
        return
    row = ScheduledEnds
    standing = update(row).where(
        row.guild_id == request.guild_id,
        row.target_id == request.target_id,
        row.punishment == punishment.value,
        row.state == EndState.OPEN.value,
    )
    settled = {"state": EndState.CANCELLED.value, "settled_at": now, "settled_by": request.request_id}
    session.connection().execute(standing.values(**settled, asked_request_id=None))
    if case.ends_at is None or case.ends_at <= now:
        return
    due = due_at(punishment, case.ends_at, done_at)
    session.connection().execute(
        insert(row).values(
            request_id=request.request_id,
            guild_id=request.guild_id,
            target_id=request.target_id,
            punishment=punishment.value,
            case_no=case.case_no,
            state=EndState.OPEN.value,
            began_at=done_at,
            ends_at=case.ends_at,
            due_at=due,
            next_at=due,
        )
    )


def _forget(session: Session, guild_id: GuildId, audit_ids: Sequence[int]) -> None:
    row = NativeEntries
    if audit_ids:
        session.connection().execute(delete(row).where(row.guild_id == guild_id, row.audit_id.in_(audit_ids)))


def _put_off(session: Session, guild_id: GuildId, audit_ids: Sequence[int], until: datetime) -> None:
    row = NativeEntries
    if audit_ids:
        later = update(row).where(row.guild_id == guild_id, row.audit_id.in_(audit_ids)).values(next_at=until)
        session.connection().execute(later)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
