"""One person to a guild: their cases with what became of them, what holds them now, their roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import BigInteger, Integer, Row, Text, and_, any_, bindparam, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from kovra.actions.capabilities import Capability
from kovra.actions.request import BY_HAND, Action, Source
from kovra.guard.case import NoticeStatus
from kovra.ids import UserId
from kovra.store.case_search import PAST_ALL
from kovra.store.database import Database, run
from kovra.store.guilds import GuildScope
from kovra.store.holding import in_force, reversed_by, was_replaced
from kovra.store.member_list import RoleCard, role_card
from kovra.store.members import MemberCard, asking_for_cards, card_of
from kovra.store.people import as_json
from kovra.store.prepared import Prepared
from kovra.store.tables import Members, ModCases, Roles, ScheduledEnds

#: What can hold a person, the heaviest first.
HOLDING = (Action.BAN, Action.QUARANTINE, Action.MUTE)
#: Where on the profile a case stands.
_PAGE, _HELD, _NOTES = "page", "held", "notes"


@dataclass(frozen=True, kw_only=True)
class HistoryCase:
    """One case of a person. ``holds``: what it began is in force; ``overdue``: it should have ended by now."""

    case_no: int
    action: Action
    reason: str
    moderator_id: UserId
    moderator_name: str
    source: Source
    notice: NoticeStatus | None
    created_at: datetime
    ends_at: datetime | None
    holds: bool
    overdue: bool
    voided: bool
    reverses: int | None
    reversed_by: int | None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a profile shows of a person as the guild sees them now.

    ``cases`` the newest first; ``holding`` what is in force; ``notes`` the newest of them, for those who may read
    them; ``counts`` their cases by action, most first. ``acted_at``: when they last did something with their own hand.
    """

    card: MemberCard
    cases: Sequence[HistoryCase]
    holding: Sequence[HistoryCase]
    notes: Sequence[HistoryCase]
    counts: Sequence[tuple[Action, int]]
    roles: Sequence[RoleCard]
    acted_at: datetime | None


class Profiles:
    """Read people one by one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, scope: GuildScope, user_id: UserId, before_no: int | None, limit: int, notes: int) -> Profile | None:
        """A person, with their cases before this number; None when the guild knows nothing of them."""
        may_read_notes = scope.may(Capability.VIEW_NOTES)
        with self._database.transaction(scope.guild_id) as session:
            line = session.connection()
            asked = {"guild_id": scope.guild_id, "user_ids": [user_id], "user_id": user_id}
            person = run(line, _person(may_read_notes), asked).one_or_none()
            if person is None:
                return None
            asked = {"guild_id": scope.guild_id, "user_id": user_id, "most": limit, "most_notes": notes}
            asked["before"] = PAST_ALL if before_no is None else before_no
            found = run(line, _history(may_read_notes), asked).all()
        read = [(row.shown_in, _case(row, self._database.moment(row.now))) for row in found]
        held = {case.action: case for shown_in, case in read if shown_in == _HELD and case.holds}
        card = card_of(person)
        return Profile(
            card=card,
            cases=[case for shown_in, case in read if shown_in == _PAGE],
            holding=[held[action] for action in HOLDING if action in held],
            notes=[case for shown_in, case in read if shown_in == _NOTES],
            counts=_counts(person.counts),
            roles=_roles(person.roles) if card.member else (),
            acted_at=person.acted_at,
        )


@cache
def _person(notes: bool) -> Prepared:
    """The card of a person with their roles, the counts of their cases, and when they last acted themselves."""
    row, guild_id, user_id = ModCases, bindparam("guild_id", type_=BigInteger), bindparam("user_id", type_=BigInteger)
    theirs = row.target_id == any_(bindparam("user_ids", type_=ARRAY(BigInteger)))
    counted = select(row.action, func.count().label("cases")).where(row.guild_id == guild_id, theirs)
    if not notes:
        counted = counted.where(row.action != Action.NOTE.value)
    roles = select(Roles.role_id, Roles.name, Roles.position, Roles.colour, Roles.managed)
    held = roles.where(Roles.guild_id == guild_id, Roles.role_id == any_(Members.role_ids)).correlate(Members)
    more = as_json(counted.group_by(row.action).subquery("c"), "counts"), as_json(held.lateral("r"), "roles")
    by_hand = row.source == any_(literal([source.value for source in BY_HAND], ARRAY(Text)))
    by_them = select(row.created_at).where(row.guild_id == guild_id, row.moderator_id == user_id, by_hand)
    acted_at = by_them.order_by(row.case_no.desc()).limit(1).correlate(None).scalar_subquery().label("acted_at")
    return Prepared(asking_for_cards(notes, *more, acted_at))


@cache
def _history(notes: bool) -> Prepared:
    """A page of their cases, the newest of each kind that can hold, and their newest notes; the newest first."""
    row, guild_id, user_id = ModCases, bindparam("guild_id", type_=BigInteger), bindparam("user_id", type_=BigInteger)
    theirs = select(row.case_no).where(row.guild_id == guild_id, row.target_id == user_id)
    visible = theirs if notes else theirs.where(row.action != Action.NOTE.value)
    newest = visible.where(row.case_no < bindparam("before", type_=BigInteger)).order_by(row.case_no.desc())
    holding = theirs.where(row.action == any_(literal([action.value for action in HOLDING], ARRAY(Text))))
    listed = {
        _PAGE: newest.limit(bindparam("most", type_=Integer)),
        _HELD: holding.order_by(row.action, row.case_no.desc()).ext(distinct_on(row.action)),
        _NOTES: theirs.where(row.action == (Action.NOTE.value if notes else ""))
        .order_by(row.case_no.desc())
        .limit(bindparam("most_notes", type_=Integer)),
    }
    numbers = union_all(
        *(select(one.subquery(name).c.case_no, literal(name, Text).label("shown_in")) for name, one in listed.items())
    ).subquery("numbers")
    return Prepared(
        select(
            *(row.case_no, row.action, row.reason, row.moderator_id, row.moderator_name, row.source),
            *(row.notice_status, row.created_at, row.ends_at, row.voided_at, row.reverses),
            was_replaced().label("replaced"),
            ScheduledEnds.state.label("end_state"),
            reversed_by().label("reversed_by"),
            func.clock_timestamp().label("now"),
            numbers.c.shown_in,
        )
        .select_from(numbers.join(row, and_(row.guild_id == guild_id, row.case_no == numbers.c.case_no)))
        .outerjoin(ScheduledEnds, ScheduledEnds.request_id == row.request_id)
        .order_by(row.case_no.desc())
    )


def _case(case: Row[Any], now: datetime) -> HistoryCase:
    action = Action(case.action)
    holds = in_force(action, case.ends_at, case.replaced, case.end_state, now)
    return HistoryCase(
        case_no=case.case_no,
        action=action,
        reason=case.reason,
        moderator_id=UserId(case.moderator_id),
        moderator_name=case.moderator_name,
        source=Source(case.source),
        notice=NoticeStatus(case.notice_status) if case.notice_status else None,
        created_at=case.created_at,
        ends_at=case.ends_at,
        holds=holds,
        overdue=holds and case.ends_at is not None and case.ends_at <= now,
        voided=case.voided_at is not None,
        reverses=case.reverses,
        reversed_by=case.reversed_by,
    )


def _counts(counted: Sequence[Mapping[str, Any]]) -> list[tuple[Action, int]]:
    """Most first."""
    ordered = sorted(counted, key=lambda one: (-one["cases"], one["action"]))
    return [(Action(one["action"]), one["cases"]) for one in ordered]


def _roles(held: Sequence[Mapping[str, Any]]) -> list[RoleCard]:
    """The highest first."""
    return [role_card(SimpleNamespace(**one)) for one in sorted(held, key=lambda one: -one["position"])]
