"""What a request names beside people, as it stands now: its role, its case."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Person
from kovra.actions.request import TO_SERVER, Action, ActionRequest
from kovra.actions.rights import CaseSeen, Place, Role, Standing
from kovra.ids import GuildId, RoleId, UserId
from kovra.store.holding import holds, replaced, reversed_by
from kovra.store.tables import Channels, Guilds, ModCases, Roles, ScheduledEnds


def around(session: Session, request: ActionRequest, standing: Standing, now: datetime) -> Standing:
    """The same standing, with what else the request names."""
    if request.of_place:
        standing = _at_place(session, request, standing)
    role_id, case_no = request.params.get("role_id"), request.case_no or request.reverses
    return replace(
        standing,
        role=None if role_id is None else _role(session, request.guild_id, role_id),
        case=None if case_no is None else _case(session, request.guild_id, case_no, now),
    )


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


def _case(session: Session, guild_id: GuildId, case_no: int, now: datetime) -> CaseSeen | None:
    wanted = (
        select(ModCases, replaced().label("replaced"), ScheduledEnds.state.label("end_state"))
        .add_columns(reversed_by().label("reversed_by"))
        .outerjoin(ScheduledEnds, ScheduledEnds.request_id == ModCases.request_id)
        .where(ModCases.guild_id == guild_id, ModCases.case_no == case_no)
    )
    found = session.execute(wanted).one_or_none()
    if found is None:
        return None
    case, action = found[0], Action(found[0].action)
    return CaseSeen(
        case_no=case.case_no,
        action=action,
        target_id=UserId(case.target_id),
        moderator_id=UserId(case.moderator_id),
        age_s=int((now - case.created_at).total_seconds()),
        holds=holds(found, now),
        voided=case.voided_at is not None,
        reversed_by=found.reversed_by,
    )
