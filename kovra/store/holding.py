"""Whether what a case began holds still: a later case may have lifted it, or taken its place."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, not_, or_, select
from sqlalchemy.orm import aliased

from kovra.actions.request import Action
from kovra.guard.endings import LIFTED_BY, RENEWED, EndState
from kovra.store.tables import ModCases

#: What ends a punishment before its time: the act that lifts it, or the same act again.
REPLACED_BY = {
    Action.BAN: (Action.BAN, Action.UNBAN),
    Action.MUTE: (Action.MUTE, Action.UNMUTE),
    Action.QUARANTINE: (Action.QUARANTINE, Action.UNQUARANTINE),
    Action.LOCK: (Action.LOCK, Action.UNLOCK),
    Action.SLOWMODE: (Action.SLOWMODE, Action.SLOWMODE_OFF),
    Action.LOCKDOWN: (Action.LOCKDOWN, Action.LOCKDOWN_OFF),
}


def replaced(case: Any = ModCases, later: Any = None) -> ColumnElement[bool]:
    """Whether a later case of this person ended what this case began.

    ``case`` and ``later`` are two sights of the same columns; the table's, unless a view's are given.
    """
    later = aliased(ModCases) if later is None else later
    ends = [
        and_(case.action == begun.value, later.action.in_([end.value for end in ends]))
        for begun, ends in REPLACED_BY.items()
    ]
    ends = [or_(*ends), not_(continues(later))]
    same_person = and_(later.guild_id == case.guild_id, later.target_id == case.target_id, later.case_no > case.case_no)
    return select(later.case_no).where(same_person, *ends).exists()


def continues(later: Any) -> ColumnElement[bool]:
    """A renewed mute, or a quarantine put on again, replaces nothing: it carries on what holds."""
    renewed = and_(later.action.in_([action.value for action in RENEWED]), later.params.has_key("for_case"))
    # Done in Discord before this case, and heard of only after it.
    return or_(renewed, later.params.has_key("late"))


def reversed_by() -> ScalarSelect[Any]:
    """The case that took this one back."""
    back = aliased(ModCases)
    taken = select(back.case_no).where(back.guild_id == ModCases.guild_id, back.reverses == ModCases.case_no)
    return taken.order_by(back.case_no).limit(1).scalar_subquery()


def holds(found: Any, now: datetime) -> bool:
    """Whether what a case began is in force still, of a row with the case, ``replaced`` and ``end_state``."""
    case, action = found[0], Action(found[0].action)
    over = case.ends_at is not None and case.ends_at <= now
    # A mute is over when its time is; the others hold until they are lifted.
    waits = action in LIFTED_BY and found.end_state == EndState.OPEN.value
    lifted = found.replaced or found.end_state in (EndState.CANCELLED.value, EndState.ENDED.value)
    return action in REPLACED_BY and not lifted and (not over or waits)
