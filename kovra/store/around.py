"""What a request names beside people, as it stands now: its role, its case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Person
from kovra.actions.request import TO_SERVER, Action, ActionRequest
from kovra.actions.rights import CaseSeen, Place, Role, Standing
from kovra.ids import GuildId, RoleId, UserId
from kovra.store.holding import holds, replaced, reversed_by
from kovra.store.tables import Channels, Guilds, ModCases, Roles, ScheduledEnds


def around(session: Session, request: ActionRequest, standing: Standing, now: datetime) -> Standing:
    """The same standing, with what else the request names."""
    return around_each(session, [request], {request.target_id: standing}, now)[request.request_id]


def around_each(
    session: Session, requests: Sequence[ActionRequest], standings: Mapping[UserId, Standing], now: datetime
) -> dict[UUID, Standing]:
    """As :func:`around`, by request: the cases of all of them are read at once."""
    if not requests:
        return {}
    numbers = [no for one in requests if (no := one.case_no or one.reverses) is not None]
    guild_id, seen = requests[0].guild_id, {}
    cases = _cases(session, guild_id, numbers, now)
    role_ids = {one.params["role_id"] for one in requests if "role_id" in one.params}
    roles = {role_id: _role(session, guild_id, role_id) for role_id in role_ids}
    for one in requests:
        standing = _at_place(session, one, standings[one.target_id]) if one.of_place else standings[one.target_id]
        role, case = roles.get(one.params.get("role_id", 0)), cases.get(one.case_no or one.reverses or 0)
        seen[one.request_id] = replace(standing, role=role, case=case)
    return seen


def _at_place(session: Session, request: ActionRequest, standing: Standing) -> Standing:
    """The channel or server that the request is about stands where a person would."""
    if request.action in TO_SERVER:
        guild = session.get(Guilds, request.guild_id)
        place = guild and Place(name=guild.name)
    else:
        row = session.get(Channels, (request.guild_id, request.target_id))
        place = row and Place(name=f"#{row.name}", kind=row.kind)
    name = place.name if place else str(request.target_id)
    return replace(standing, place=place, target=Person(user_id=request.target_id, name=name, member=False))


def _role(session: Session, guild_id: GuildId, role_id: int) -> Role | None:
    row = session.get(Roles, (guild_id, role_id))
    return row and Role(role_id=RoleId(row.role_id), name=row.name, rank=row.position, managed=row.managed)


def _cases(session: Session, guild_id: GuildId, numbers: Sequence[int], now: datetime) -> dict[int, CaseSeen]:
    """Those of these cases that the guild has, by number."""
    if not numbers:
        return {}
    wanted = (
        select(ModCases, replaced().label("replaced"), ScheduledEnds.state.label("end_state"))
        .add_columns(reversed_by().label("reversed_by"))
        .outerjoin(ScheduledEnds, ScheduledEnds.request_id == ModCases.request_id)
        .where(ModCases.guild_id == guild_id, ModCases.case_no.in_(numbers))
    )
    return {found[0].case_no: _seen(found, now) for found in session.execute(wanted)}


def _seen(found: Row[Any], now: datetime) -> CaseSeen:
    case = found[0]
    return CaseSeen(
        case_no=case.case_no,
        action=Action(case.action),
        target_id=UserId(case.target_id),
        moderator_id=UserId(case.moderator_id),
        age_s=int((now - case.created_at).total_seconds()),
        holds=holds(found, now),
        voided=case.voided_at is not None,
        reversed_by=found.reversed_by,
    )
