"""What Guard keeps of the time before an act that can be taken back: one row while it holds, gone when it is lifted.

The intent of the act carries the same, so nothing is lost between the deed and the case.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, DateTime, and_, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.request import Action, ActionRequest
from kovra.guard.case import Case
from kovra.guard.endings import Rejoined
from kovra.guard.restoring import HOLDS_OF, Hold
from kovra.ids import GuildId, UserId
from kovra.store.tables import ActionRequests, Guilds, Holds, Members


def hold_of(session: Session, guild_id: GuildId, action: Action, target_id: UserId) -> Hold | None:
    """What is kept for this target of the time before; None when nothing is."""
    kind = HOLDS_OF.get(action)
    row = session.get(Holds, (guild_id, kind.value, target_id)) if kind else None
    if row is None:
        return None
    return Hold(kind=Action(row.kind), request_id=row.request_id, case_no=row.case_no, was=row.was)


def keep_or_let_go(connection: Connection, request: ActionRequest, case: Case) -> None:
    """What a case does to the hold of its target: begins it, renews it, or lets go of it."""
    kind = HOLDS_OF[request.action]
    if request.action is not kind:
        gone = delete(Holds).where(
            Holds.guild_id == request.guild_id, Holds.kind == kind.value, Holds.target_id == request.target_id
        )
        connection.execute(gone)
        return
    kept = ActionRequests
    facts = {
        "guild_id": kept.guild_id,
        "kind": kept.action,
        "target_id": kept.target_id,
        "request_id": kept.request_id,
        "was": func.coalesce(kept.effect_before["was"], func.jsonb_build_object()),
    }
    new = select(*facts.values()).where(kept.request_id == request.request_id, kept.guild_id == request.guild_id)
    begin = insert(Holds).from_select(
        [*facts, "case_no", "set_at"],
        new.add_columns(literal(case.case_no, BigInteger), literal(case.created_at, DateTime(timezone=True))),
    )
    # What was so before the first act stays; the newest case is the one that holds, but for one put on again.
    newest: dict[str, Any] = {"set_at": begin.excluded.set_at}
    if request.for_case is None:
        newest |= {"request_id": begin.excluded.request_id, "case_no": begin.excluded.case_no}
    connection.execute(begin.on_conflict_do_update(index_elements=["guild_id", "kind", "target_id"], set_=newest))


def free_again(session: Session, guild_id: GuildId, user_id: UserId | None, now: datetime) -> list[Rejoined]:
    """Members in quarantine who left and came back since it was last put on them.

    ``user_id``: only this one; without it, all of the guild.
    """
    back = (
        select(Holds, Members.joined_at, Guilds.guard_id)
        .join(Members, and_(Members.guild_id == Holds.guild_id, Members.user_id == Holds.target_id))
        .join(Guilds, Guilds.guild_id == Holds.guild_id)
        .where(
            Holds.guild_id == guild_id,
            Holds.kind == Action.QUARANTINE.value,
            Members.gone_at.is_(None),
            Members.joined_at > Holds.set_at,
        )
    )
    if user_id is not None:
        back = back.where(Holds.target_id == user_id)
    return [
        Rejoined(
            guild_id=guild_id,
            target_id=UserId(hold.target_id),
            kind=Action.QUARANTINE,
            request_id=hold.request_id,
            case_no=hold.case_no,
            now=now,
            guard_id=UserId(guard_id),
            joined_at=joined_at,
            role_id=next(iter(hold.was.get("meanwhile", ())), None),
        )
        for hold, joined_at, guard_id in session.execute(back)
    ]
