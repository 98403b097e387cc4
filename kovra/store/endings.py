"""The ends of punishments, as rows: written with the case that begins or settles one, read by the scheduler.

``END_WRITES`` are parts of the statement that ends finalise, so an act costs no trip more for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    column,
    exists,
    literal,
    or_,
    select,
    update,
    values,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session, aliased

from kovra.actions.request import Action, ActionRequest, State
from kovra.guard.case import Case
from kovra.guard.endings import ENDS_OF, RENEWED, End, EndState, KeptEnd, LastTry, Rejoined, due_at
from kovra.ids import GuildId, UserId
from kovra.store.database import run
from kovra.store.events import EventKind, append_events
from kovra.store.holds import hold_of
from kovra.store.prepared import Prepared
from kovra.store.rows import rows_of
from kovra.store.tables import ActionRequests, Guilds, Members, ScheduledEnds


class Effect(StrEnum):
    """What a case does to the ends of its target."""

    NONE = "none"
    SETTLES = "settles"
    BEGINS = "begins"
    """Settles what stood, and begins anew."""
    CONTINUES = "continues"


_ENDS = ScheduledEnds
_MOMENT = DateTime(timezone=True)
#: What the cases of a statement do to the ends of their targets, no two to one end; see :func:`end_row`.
NEW_ENDS = rows_of(
    "new_ends",
    Column("effect", Text),
    *(_ENDS.__table__.c[name] for name in ("request_id", "guild_id", "target_id", "punishment", "case_no")),
    *(_ENDS.__table__.c[name] for name in ("began_at", "ends_at", "due_at")),
    Column("settled_as", Text),
)


def _of(*effects: Effect) -> tuple[ColumnElement[bool], ...]:
    """The ends that stand, of those targets on which the case has one of these effects."""
    return (
        _ENDS.guild_id == NEW_ENDS.c.guild_id,
        _ENDS.target_id == NEW_ENDS.c.target_id,
        _ENDS.punishment == NEW_ENDS.c.punishment,
        _ENDS.state == EndState.OPEN.value,
        or_(*(NEW_ENDS.c.effect == effect.value for effect in effects)),
    )


_BEGUN = {"next_at": NEW_ENDS.c.due_at, "state": literal(EndState.OPEN.value, Text)} | {
    name: NEW_ENDS.c[name]
    for name in ("request_id", "guild_id", "target_id", "punishment", "case_no", "began_at", "ends_at", "due_at")
}
#: Built once: the counters are held while they run.
END_WRITES: tuple[CTE, ...] = (
    update(_ENDS)
    .where(*_of(Effect.SETTLES, Effect.BEGINS))
    .values(
        state=NEW_ENDS.c.settled_as,
        settled_at=NEW_ENDS.c.began_at,
        settled_by=NEW_ENDS.c.request_id,
        asked_request_id=None,
    )
    .cte("settled"),
    insert(_ENDS)
    .from_select(list(_BEGUN), select(*_BEGUN.values()).where(NEW_ENDS.c.effect == Effect.BEGINS.value))
    .cte("begun"),
    update(_ENDS)
    .where(*_of(Effect.CONTINUES))
    .values(due_at=NEW_ENDS.c.due_at, next_at=NEW_ENDS.c.due_at, failures=0, asked_request_id=None)
    .cte("continued"),
)


def effect_of(request: ActionRequest, ends_at: datetime | None) -> Effect:
    """What the case of this request does to the ends of its target."""
    if request.action not in ENDS_OF:
        return Effect.NONE
    if request.for_case is not None:
        if request.action not in RENEWED:
            return Effect.SETTLES
        return Effect.CONTINUES if ends_at is not None else Effect.NONE
    return Effect.SETTLES if ends_at is None else Effect.BEGINS


def end_row(request: ActionRequest, case: Case, began: datetime) -> dict[str, Any] | None:
    """What the case does to the ends of its target, as :data:`NEW_ENDS` has it; None when it does nothing."""
    effect = effect_of(request, case.ends_at)
    if effect is Effect.NONE:
        return None
    punishment = ENDS_OF[request.action]
    return {
        "effect": effect.value,
        "request_id": request.request_id,
        "guild_id": request.guild_id,
        "target_id": request.target_id,
        "punishment": punishment.value,
        "case_no": case.case_no,
        "began_at": began,
        "ends_at": case.ends_at,
        "due_at": None if case.ends_at is None else due_at(punishment, case.ends_at, began),
        "settled_as": (EndState.CANCELLED if request.for_case is None else EndState.ENDED).value,
    }


def cancel_ends(session: Session, guild_id: GuildId, action: Action, cases: Sequence[Case]) -> None:
    """What these cases, none of which ends by itself, replace: the ends of their targets, in one statement."""
    if (punishment := ENDS_OF.get(action)) is None or not cases:
        return
    newer = values(column("target", BigInteger), column("by", Uuid), column("at", _MOMENT), name="newer").data(
        [(case.target_id, case.request_id, case.created_at) for case in cases]
    )
    cancel = (
        update(_ENDS)
        .where(
            _ENDS.guild_id == guild_id,
            _ENDS.target_id == newer.c.target,
            _ENDS.punishment == punishment.value,
            _ENDS.state == EndState.OPEN.value,
        )
        .values(state=EndState.CANCELLED.value, settled_at=newer.c.at, settled_by=newer.c.by, asked_request_id=None)
    )
    session.connection().execute(cancel)


_LIFTING = aliased(ActionRequests)
_LIFTED = bindparam("lifted", type_=ARRAY(BigInteger))
#: What stands of a punishment of these targets. What Guard is lifting at this moment is left to its case.
_STANDING = Prepared(
    select(_ENDS.request_id, _ENDS.target_id, _ENDS.case_no).where(
        _ENDS.guild_id == bindparam("in_guild", type_=BigInteger),
        _ENDS.target_id == any_(_LIFTED),
        _ENDS.punishment == bindparam("of_kind", type_=Text),
        _ENDS.state == EndState.OPEN.value,
        ~exists().where(
            _LIFTING.guild_id == _ENDS.guild_id,
            _LIFTING.target_id == _ENDS.target_id,
            _LIFTING.state == State.EXECUTING.value,
            _LIFTING.effect_at.is_not(None),
        ),
    )
)


def lifted_by_hand(
    session: Session,
    guild_id: GuildId,
    target_ids: Sequence[UserId],
    punishment: Action,
    now: ColumnElement[datetime],
) -> None:
    """Somebody lifted these punishments in Discord itself: they do not end by themselves any more."""
    if not target_ids:
        return
    asked = {"in_guild": guild_id, "lifted": list(target_ids), "of_kind": punishment.value}
    found = run(session.connection(), _STANDING, asked).all()
    told = [
        (
            EventKind.CASE_UPDATED,
            None,
            {"case_no": one.case_no, "action": punishment.value, "target_id": str(one.target_id)},
        )
        for one in found
    ]
    # The counters before the ends, as finalise takes them.
    append_events(session, guild_id, told)
    if found:
        cancel = update(_ENDS).where(_ENDS.guild_id == guild_id, _ENDS.state == EndState.OPEN.value)
        cancel = cancel.where(_ENDS.request_id.in_([one.request_id for one in found]))
        session.connection().execute(cancel.values(state=EndState.CANCELLED.value, settled_at=now))


def rejoined(session: Session, guild_id: GuildId, user_id: UserId | None, now: datetime) -> list[Rejoined]:
    """Members who left, came back and are not muted though their mute still holds, each with when they came.

    ``user_id``: only this one; without it, all of the guild.
    """
    back = (
        select(_ENDS, Members.joined_at, Guilds.guard_id)
        .join(Members, and_(Members.guild_id == _ENDS.guild_id, Members.user_id == _ENDS.target_id))
        .join(Guilds, Guilds.guild_id == _ENDS.guild_id)
        .where(
            _ENDS.guild_id == guild_id,
            _ENDS.punishment == Action.MUTE.value,
            _ENDS.state == EndState.OPEN.value,
            _ENDS.ends_at > now,
            Members.gone_at.is_(None),
            Members.joined_at > _ENDS.began_at,
            or_(Members.timed_out_until.is_(None), Members.timed_out_until <= now),
        )
    )
    if user_id is not None:
        back = back.where(_ENDS.target_id == user_id)
    return [
        Rejoined(
            guild_id=guild_id,
            target_id=UserId(row.target_id),
            kind=Action.MUTE,
            request_id=row.request_id,
            case_no=row.case_no,
            now=now,
            guard_id=UserId(guard_id),
            joined_at=joined_at,
        )
        for row, joined_at, guard_id in session.execute(back)
    ]


def end_of(row: ScheduledEnds, now: datetime, last: LastTry | None = None) -> End:
    """An end as it is read."""
    return End(
        request_id=row.request_id,
        guild_id=GuildId(row.guild_id),
        target_id=UserId(row.target_id),
        punishment=Action(row.punishment),
        case_no=row.case_no,
        ends_at=row.ends_at,
        due_at=row.due_at,
        asked=row.asked,
        failures=row.failures,
        now=now,
        last=last,
    )


def kept_end(session: Session, request: ActionRequest) -> KeptEnd | None:
    """The end that this request keeps; None when it does not stand any more.

    A quarantine that is put on again need not have an end: then its hold says whether it stands.
    """
    first = ActionRequests
    standing = (
        select(_ENDS.request_id, _ENDS.ends_at, first.effect_before)
        .outerjoin(first, first.request_id == _ENDS.request_id)
        .where(
            _ENDS.guild_id == request.guild_id,
            _ENDS.target_id == request.target_id,
            _ENDS.case_no == request.for_case,
            _ENDS.punishment == ENDS_OF[request.action].value,
            _ENDS.state == EndState.OPEN.value,
        )
    )
    found = session.execute(standing).one_or_none()
    if found is None:
        hold = hold_of(session, request.guild_id, request.action, request.target_id)
        if request.action is not Action.QUARANTINE or hold is None or hold.case_no != request.for_case:
            return None
        return KeptEnd(request_id=hold.request_id, ends_at=None, before={})
    return KeptEnd(request_id=found.request_id, ends_at=found.ends_at, before=found.effect_before or {})
