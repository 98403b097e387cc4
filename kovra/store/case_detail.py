"""One case in full, as its sheet shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, bindparam
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Capability
from kovra.actions.request import INVERSE
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.ids import ChannelId, MessageId
from kovra.store.case_rows import CaseRow, asking_for_rows, earlier_of, row_of
from kovra.store.case_thread import Entry, thread_of
from kovra.store.database import Database, run
from kovra.store.guilds import GuildScope
from kovra.store.holding import REPLACED_BY, ended_by, reversed_by
from kovra.store.members import MemberCard, card_in
from kovra.store.prepared import Prepared
from kovra.store.steps import SHOWN as STEPS
from kovra.store.steps import Step, steps_of
from kovra.store.tables import ActionRequests, ModCases


@dataclass(frozen=True, kw_only=True)
class CaseDetail:
    """One case in full, as it was at ``now``.

    ``target`` is who they are to the guild now, ``ended_by`` the case that ended this one, ``reverses`` the one it took
    back and ``reversed_by`` the one that took it back. ``earlier`` are the person's cases before it, newest first.
    """

    row: CaseRow
    request_id: UUID
    target: MemberCard | None
    params: Mapping[str, int]
    notice_text: str | None
    notice: NoticeStatus | None
    notice_code: int | None
    notice_at: datetime | None
    post: PostStatus | None
    post_code: int | None
    post_channel_id: ChannelId | None
    post_message_id: MessageId | None
    steps: list[Step]
    now: datetime
    thread: Sequence[Entry] = ()
    earlier: Sequence[CaseRow] = ()
    ended_by: int | None = None
    reverses: int | None = None
    reversed_by: int | None = None
    batch_id: UUID | None = None
    result: Mapping[str, Any] | None = None


def detail_of(
    database: Database, session: Session, scope: GuildScope, case_no: int, earlier: int = 0
) -> CaseDetail | None:
    """One case, with so many earlier ones of the person; None when the viewer may see no such case."""
    asked = {"guild": scope.guild_id, "case_no": case_no}
    case = run(session.connection(), _whole(scope.may(Capability.VIEW_NOTES)), asked).one_or_none()
    if case is None:
        return None
    now = database.moment(case.now)
    row = row_of(case, now)
    request = SimpleNamespace(**{name: getattr(case, f"request_{name}") for name in STEPS})
    return CaseDetail(
        row=row,
        request_id=case.request_id,
        target=card_in(session, scope, row.target_id),
        params=MappingProxyType(case.params),
        notice_text=case.notice_text,
        notice=row.notice,
        notice_code=case.notice_code,
        notice_at=case.notice_at,
        post=PostStatus(case.post_status) if case.post_status else None,
        post_code=case.post_code,
        post_channel_id=ChannelId(case.post_channel_id) if case.post_channel_id else None,
        post_message_id=MessageId(case.post_message_id) if case.post_message_id else None,
        steps=steps_of(request) if request.issued_at else [],
        now=now,
        thread=thread_of(session, scope, case_no),
        earlier=earlier_of(database, session, scope, row.target_id, case_no, earlier) if earlier else [],
        ended_by=case.ended_by if row.action in REPLACED_BY else None,
        reverses=case.reverses,
        reversed_by=case.reversed_by if row.action in INVERSE else None,
        batch_id=case.batch_id,
        result=case.result,
    )


@cache
def _whole(notes: bool) -> Prepared:
    own = (ModCases.request_id, ModCases.batch_id, ModCases.reverses, ModCases.result)
    messages = (ModCases.notice_text, ModCases.notice_at, ModCases.post_status, ModCases.post_code)
    post = (ModCases.post_channel_id, ModCases.post_message_id)
    times = [getattr(ActionRequests, name).label(f"request_{name}") for name in STEPS]
    links = (ended_by().label("ended_by"), reversed_by().label("reversed_by"))
    wanted = asking_for_rows(notes, *own, *messages, *post, *times, *links)
    mine = wanted.outerjoin(ActionRequests, ActionRequests.request_id == ModCases.request_id)
    return Prepared(mine.where(ModCases.case_no == bindparam("case_no", type_=BigInteger)))
