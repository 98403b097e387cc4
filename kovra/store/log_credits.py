"""By whom: the case that removed whoever left, and what Guard itself deleted. From the record, and never by closeness
in time alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from kovra.actions.request import Action
from kovra.guard.heard import REMOVES
from kovra.guard.native import CLOCKS_APART
from kovra.ids import GuildId, UserId, snowflake_ms
from kovra.store.tables import ActionRequests, LogEvents, ModCases

#: Requests older than this delete nothing any more: a request is wanted for an hour at most.
_DELETES_WITHIN = timedelta(hours=2)


@dataclass(frozen=True, kw_only=True)
class OwnDeed:
    """A deletion that Guard was asked for; ``case_no`` once its case is written."""

    moderator_id: UserId
    case_no: int | None


def removed(session: Session, guild_id: GuildId, left: Sequence[LogEvents]) -> dict[UUID, int]:
    """The cases by which these left.

    A kick or ban ends the membership that holds at its moment: who joined before it and left after it was removed by
    it. Who left by themselves before a ban, or came back and left again, was not.
    """
    joined = {one.event_id: datetime.fromisoformat(at) for one in left if (at := one.facts.get("joined_at"))}
    if not joined:
        return {}
    case, request = ModCases, ActionRequests
    cases = (
        select(case.target_id, case.case_no, case.created_at, case.params, request.effect_at)
        .outerjoin(request, request.request_id == case.request_id)
        .where(
            case.guild_id == guild_id,
            case.target_id.in_([one.user_id for one in left]),
            case.action.in_([one.value for one in REMOVES]),
            case.created_at > min(joined.values()) - CLOCKS_APART,
        )
        .order_by(case.case_no)
    )
    known = [(one.target_id, one.case_no, _done_at(one)) for one in session.execute(cases)]
    return {
        one.event_id: case_no
        for one in left
        for target_id, case_no, done_at in known
        if target_id == one.user_id
        and one.event_id in joined
        and joined[one.event_id] <= done_at <= one.at + CLOCKS_APART
    }


def deleted_by_guard(session: Session, guild_id: GuildId, deleted: Sequence[LogEvents]) -> dict[UUID, OwnDeed]:
    """What Guard was asked to delete among these, by the ids of the messages that the record keeps."""
    wanted = {str(one.facts["message_id"]): one.event_id for one in deleted if one.facts.get("message_id")}
    if not wanted:
        return {}
    since = min(one.at for one in deleted) - _DELETES_WITHIN
    deeds = _deeds(session, guild_id, wanted, since)
    return {wanted[message_id]: deed for message_id, deed in deeds.items()}


def _deeds(session: Session, guild_id: GuildId, message_ids: Collection[str], since: datetime) -> Mapping[str, OwnDeed]:
    row, case = ActionRequests, ModCases
    # A purge keeps which messages it chose before it deletes them.
    purges = select(row.moderator_id, row.case_no, row.effect_before).where(
        row.guild_id == guild_id,
        row.action == Action.PURGE.value,
        row.created_at > since,
        row.effect_before.is_not(None),
    )
    found = {
        message_id: OwnDeed(moderator_id=UserId(one.moderator_id), case_no=one.case_no)
        for one in session.execute(purges)
        for _, ids in one.effect_before["parts"]
        for message_id in ids
        if message_id in message_ids
    }
    message_id = case.params["delete_message_id"].astext
    over = select(message_id, case.moderator_id, case.case_no).where(
        case.guild_id == guild_id, case.created_at > since, message_id.in_(message_ids)
    )
    for of, moderator_id, case_no in session.execute(over):
        found[of] = OwnDeed(moderator_id=UserId(moderator_id), case_no=case_no)
    return found


def _done_at(case: Row[Any]) -> datetime:
    """When Discord was told to remove somebody: by Discord's own id where it was done there."""
    audit_id = case.params.get("audit_id")
    if audit_id is not None:
        return datetime.fromtimestamp(snowflake_ms(int(audit_id)) / 1000, UTC)
    return case.effect_at or case.created_at
