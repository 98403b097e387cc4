"""Posts of a job in the log channel: many cases in one message, each message sent at most once."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.job import Chunk
from kovra.guard.case import NoticeStatus, PostResult, PostStatus
from kovra.guard.job_ports import JobPost
from kovra.ids import GuildId, derived_request_id
from kovra.store.casebook import case_of
from kovra.store.database import Database
from kovra.store.tables import ActionRequests, JobPosts, ModCases

#: Discord takes ten embeds in a message (API reference, Create Message).
CASES_IN_A_POST = 10

#: How long whoever took a post has it to themselves. No one sees whether they died meanwhile, so it is short: a second
#: sender is kept from posting twice by the nonce, and from writing over the first by the claim's number.
_CLAIM_FOR = timedelta(seconds=3)


class JobPostLedger:
    """The record of a job's posts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def next_post(self, chunk: Chunk) -> JobPost | None:
        """Take the next post that is due, and commit that it is about to be sent."""
        row, now = JobPosts, self._database.now()
        free = (
            select(row.post_id)
            .where(row.guild_id == chunk.guild_id, row.batch_id == chunk.batch_id, row.chunk == chunk.number)
            .where(row.status == PostStatus.SENDING.value, or_(row.claim_until.is_(None), row.claim_until < now))
            .where(or_(row.due_at.is_(None), row.due_at <= now))
            .order_by(row.case_nos[1])
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._database.transaction(chunk.guild_id) as session:
            moment = self._database.read_now(session)
            post_id = session.scalars(free).one_or_none() or self._gather(session, chunk)
            if post_id is None:
                return None
            take = update(row).where(row.guild_id == chunk.guild_id, row.post_id == post_id)
            take = take.values(
                claim_until=moment + _CLAIM_FOR,
                claim_epoch=row.claim_epoch + 1,
                first_at=func.coalesce(row.first_at, moment),
                due_at=None,
            )
            taken = session.connection().execute(take.returning(row.case_nos, row.claim_epoch, row.first_at))
            found = taken.one()
            cases = select(ModCases).where(ModCases.guild_id == chunk.guild_id, ModCases.case_no.in_(found.case_nos))
            return JobPost(
                post_id=post_id,
                guild_id=chunk.guild_id,
                epoch=found.claim_epoch,
                first_at=found.first_at,
                now=moment,
                cases=tuple(
                    (case_of(case), NoticeStatus(case.notice_status) if case.notice_status else None)
                    for case in session.scalars(cases.order_by(ModCases.case_no))
                ),
            )

    def put_off_post(self, post: JobPost, *, delay_s: float) -> None:
        """It certainly was not sent: it waits. Its first try is still to come, unless an earlier one may be out."""
        row, now = JobPosts, self._database.now()
        values = {"claim_until": None, "due_at": now + timedelta(seconds=delay_s)}
        if post.first_at == post.now:
            values["first_at"] = None
        with self._database.transaction(post.guild_id) as session:
            session.connection().execute(update(row).where(*_mine(post)).values(**values))

    def end_post(self, post: JobPost, result: PostResult) -> None:
        """What became of it, on the post, its requests and its cases."""
        facts = {
            "post_status": result.status.value,
            "post_code": result.code,
            "post_channel_id": result.channel_id,
            "post_message_id": result.message_id,
        }
        on_post = {name.removeprefix("post_"): value for name, value in facts.items()}
        row, request = JobPosts, ActionRequests
        numbers = [case.case_no for case, _ in post.cases]
        with self._database.transaction(post.guild_id) as session:
            end = update(row).where(*_mine(post)).values(**on_post, claim_until=None)
            if session.connection().execute(end.returning(row.post_id)).one_or_none() is None:
                return  # somebody else has taken it since, and will say what became of it
            requests = update(request).where(
                request.guild_id == post.guild_id, request.request_id.in_([case.request_id for case, _ in post.cases])
            )
            done = {"post_done_at": self._database.now()}
            session.connection().execute(requests.values(**facts, **done))
            cases = update(ModCases).where(ModCases.guild_id == post.guild_id, ModCases.case_no.in_(numbers))
            session.connection().execute(cases.values(**facts))

    def _gather(self, session: Session, chunk: Chunk) -> UUID | None:
        """Put up to ten cases that wait into a new post."""
        row = ActionRequests
        waiting = (
            select(row.request_id, row.case_no)
            .where(row.guild_id == chunk.guild_id, row.batch_id == chunk.batch_id, row.chunk == chunk.number)
            .where(row.post_status == PostStatus.WAITING.value, row.post_at.is_(None))
            .order_by(row.case_no)
            .limit(CASES_IN_A_POST)
            .with_for_update(skip_locked=True)
        )
        found = session.execute(waiting).all()
        if not found:
            return None
        post_id = derived_request_id(time.time_ns() // 1_000_000, "post", found[0].request_id)
        session.connection().execute(
            insert(JobPosts).values(
                post_id=post_id,
                guild_id=GuildId(chunk.guild_id),
                batch_id=chunk.batch_id,
                chunk=chunk.number,
                case_nos=[one.case_no for one in found],
                status=PostStatus.SENDING.value,
            )
        )
        begun = update(row).where(row.guild_id == chunk.guild_id, row.request_id.in_([o.request_id for o in found]))
        session.connection().execute(begun.values(post_at=self._database.now()))
        return post_id


def _mine(post: JobPost) -> tuple[bool, ...]:
    row = JobPosts
    return (row.guild_id == post.guild_id, row.post_id == post.post_id, row.claim_epoch == post.epoch)
