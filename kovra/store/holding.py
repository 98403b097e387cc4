"""Whether what a case began holds still: a later case may have lifted it, or taken its place."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Text, and_, any_, case, false, literal, not_, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
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
    return select(later.case_no).where(_ends(case, later)).exists()


def was_replaced() -> ColumnElement[bool]:
    """As :func:`replaced`, for what lines show. All later cases of the person are looked at for it, so it is asked only
    of what can be ended at all: a warning begins nothing.
    """
    return case((_one_of(ModCases.action, REPLACED_BY), replaced()), else_=false())


def ended_by() -> ScalarSelect[Any]:
    """The first later case of this person that ended what this case began."""
    later = aliased(ModCases)
    return select(later.case_no).where(_ends(ModCases, later)).order_by(later.case_no).limit(1).scalar_subquery()


def _ends(case: Any, later: Any) -> ColumnElement[bool]:
    ends = [and_(case.action == begun.value, _one_of(later.action, ends)) for begun, ends in REPLACED_BY.items()]
    same_person = and_(later.guild_id == case.guild_id, later.target_id == case.target_id, later.case_no > case.case_no)
    return and_(same_person, or_(*ends), not_(_continues(later)))


def _continues(later: Any) -> ColumnElement[bool]:
    """A renewed mute, or a quarantine put on again, replaces nothing: it carries on what holds."""
    renewed = and_(_one_of(later.action, RENEWED), later.params.has_key("for_case"))
    # Done in Discord before this case, and heard of only after it.
    return or_(renewed, later.params.has_key("late"))


def _one_of(column: Any, actions: Iterable[Action]) -> ColumnElement[bool]:
    """As ``in_``, for statements that are prepared."""
    return column == any_(literal(sorted(action.value for action in actions), ARRAY(Text)))


def reversed_by() -> ScalarSelect[Any]:
    """The case that took this one back."""
    back = aliased(ModCases)
    taken = select(back.case_no).where(back.guild_id == ModCases.guild_id, back.reverses == ModCases.case_no)
    return taken.order_by(back.case_no).limit(1).scalar_subquery()


def holds(found: Any, now: datetime) -> bool:
    """Whether what a case began is in force still, of a row with the case, ``replaced`` and ``end_state``."""
    case = found[0]
    return in_force(Action(case.action), case.ends_at, found.replaced, found.end_state, now)


def in_force(action: Action, ends_at: datetime | None, replaced: bool, end_state: str | None, now: datetime) -> bool:
    """Whether what a case of this action began is in force still."""
    over = ends_at is not None and ends_at <= now
    # A mute is over when its time is; the others hold until they are lifted, and somebody may have done so in Discord.
    waits = action in LIFTED_BY and end_state == EndState.OPEN.value
    lifted = replaced or end_state in (EndState.CANCELLED.value, EndState.ENDED.value)
    return action in REPLACED_BY and not lifted and (not over or waits)
