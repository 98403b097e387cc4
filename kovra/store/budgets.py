"""What a moderator has spent of a budget, counted from the rows: they are the ledger, and losing Redis gives nothing
back. The arithmetic is :mod:`kovra.actions.budget`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from kovra.actions import budget
from kovra.actions.request import BY_HAND, Action, ActionRequest, Refusal, State
from kovra.ids import GuildId, UserId
from kovra.store.tables import ActionRequests, GuildSettings

#: The name space of the moderators' advisory locks (PostgreSQL's two-number locks).
_MODERATOR_LOCK = 7_266
#: The same for accepting many requests at once: a mass action, an act on all that is ticked.
_MANY_LOCK = 7_267


def lock_moderator(session: Session, guild_id: GuildId, moderator_id: UserId) -> None:
    """Let one accept of a moderator run at a time in a guild, until the end of the transaction.

    Without it, two counts could both see the last free place. It guards only under READ COMMITTED, where the count
    that follows sees what the one before has committed.
    """
    session.connection().exec_driver_sql(moderators_turn(guild_id, moderator_id))


def lock_many(session: Session, guild_id: GuildId) -> None:
    """Let one accept of many at a time run in a guild, until the end of the transaction. Taken before any other lock.

    Two that name the same people in another order would wait for each other's rows for ever.
    """
    lock = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"
    session.connection().exec_driver_sql(lock, (_MANY_LOCK, str(guild_id)))


def moderators_turn(guild_id: GuildId, moderator_id: UserId) -> str:
    """The lock of :func:`lock_moderator`, to travel with the first statement of a transaction, which comes after it."""
    return f"SELECT pg_advisory_xact_lock({_MODERATOR_LOCK}, hashtext('{int(guild_id)}:{int(moderator_id)}'));"


def limits_of(session: Session, guild_id: GuildId, defaults: Mapping[Action, int]) -> dict[Action, int]:
    """The limits of a guild: its own settings over the defaults."""
    changed = session.scalars(select(GuildSettings.budgets).where(GuildSettings.guild_id == guild_id)).one_or_none()
    return limits_with(changed, defaults)


def limits_with(changed: Mapping[str, int] | None, defaults: Mapping[Action, int]) -> dict[Action, int]:
    """The limits of a guild that has changed these."""
    own = {action: int(changed[action.value]) for action in Action if changed and action.value in changed}
    return {**defaults, **own}


def spent_by(
    guild_id: Any, moderator_id: Any, action: Any, now: ColumnElement[datetime] | datetime
) -> Select[tuple[datetime]]:
    """When each action that still counts was accepted, oldest first."""
    row = ActionRequests
    return (
        select(row.accepted_at)
        .where(
            row.guild_id == guild_id,
            row.moderator_id == moderator_id,
            row.action == action,
            row.accepted_at > now - budget.WINDOW,
            # What was taken back before it ran has cost nobody anything.
            row.state != State.CANCELLED.value,
            row.source == any_(literal([source.value for source in BY_HAND], ARRAY(Text))),
        )
        .order_by(row.accepted_at)
    )


def over_budget(
    session: Session, request: ActionRequest, limits: Mapping[Action, int], spent: Sequence[datetime], now: datetime
) -> Refusal | None:
    """The refusal of a request whose budget is used up: its moderator's, or the guild's cap for what asks without one.

    The moderator must be locked; who asks without one does so in Guard's name, which is locked the same way.
    """
    if request.source in budget.GUILD_CAPS:
        given = _cap_left(session, request, now)
        return budget.cap_refusal(request.source, given) if given is not None and given.granted == 0 else None
    limit = limits.get(request.action)
    if limit is None or request.source not in BY_HAND:
        return None
    given = budget.grant(limit, spent, 1, now)
    return budget.refusal(request.action, given) if given.granted == 0 else None


def _cap_left(session: Session, request: ActionRequest, now: datetime) -> budget.Grant | None:
    """What one more act of AutoMod or anti-nuke would be granted; None for what costs nothing."""
    if request.action not in budget.DEFAULT_LIMITS:
        return None
    changed = select(GuildSettings.budgets[request.source.value].as_integer())
    own = session.scalars(changed.where(GuildSettings.guild_id == request.guild_id)).one_or_none()
    row = ActionRequests
    spent = (
        select(row.accepted_at)
        .where(
            row.guild_id == request.guild_id,
            row.moderator_id == request.moderator_id,
            row.action.in_([action.value for action in budget.DEFAULT_LIMITS]),
            row.accepted_at > now - budget.WINDOW,
            row.state != State.CANCELLED.value,
            row.source == request.source.value,
        )
        .order_by(row.accepted_at)
    )
    limit = budget.GUILD_CAPS[request.source] if own is None else own
    return budget.grant(limit, session.scalars(spent).all(), 1, now)


def budget_left(
    session: Session,
    guild_id: GuildId,
    moderator_id: UserId,
    action: Action,
    defaults: Mapping[Action, int],
    now: datetime,
    asked: int = 1,
) -> budget.Grant | None:
    """What so many more actions of this kind would be granted now; None for actions without a budget."""
    limit = limits_of(session, guild_id, defaults).get(action)
    if limit is None:
        return None
    spent = spent_by(guild_id, moderator_id, action.value, now)
    return budget.grant(limit, session.scalars(spent).all(), asked, now)
