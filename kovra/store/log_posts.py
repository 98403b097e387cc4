"""What waits to be posted in the log channels: many cases in one message, each message sent at most once."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.request import Action, Source
from kovra.guard.case import NoticeStatus, PostResult, PostStatus
from kovra.guard.case_post import MOST_CASES, Shown
from kovra.guard.log_channels import HEARD, OF_CASES, EventClass, LogChannels, class_of
from kovra.guard.log_posts import LogPost, PostEdit
from kovra.guard.log_posts import PostLedger as PostLedgerPort
from kovra.ids import ChannelId, GuildId, MessageId, derived_request_id
from kovra.store.casebook import case_of
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.log_events import forget, gather, heard_of
from kovra.store.tables import ActionRequests, LogPosts, ModCases, PostEdits

#: How long whoever took a post has it to themselves. No one sees whether they died meanwhile, so it is short: a second
#: sender is kept from posting twice by the nonce, and from writing over the first by the claim's number.
_CLAIM_FOR = timedelta(seconds=2)

#: How soon it is looked again whether a case has its post, so that this can be edited.
_POSTED_WITHIN = timedelta(seconds=1)

#: Cases that are looked at to fill one message.
_LOOKED_AT = 50


class PostLedger(PostLedgerPort):
    """The worker's record of what waits. Several workers may look at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> list[GuildId]:
        """The guilds in which something may be posted or edited now."""
        guilds = select(func.kovra_guilds_with_posts(self._database.now()))
        with self._database.transaction(None) as session:
            return [GuildId(guild_id) for guild_id in session.scalars(guilds)]

    def next_post(self, guild_id: GuildId, channels: LogChannels) -> LogPost | None:
        """Take the next post that is due, and commit that it is about to be sent. Busy channels are passed over."""
        row = LogPosts
        with self._database.transaction(guild_id) as session:
            now = self._database.read_now(session)
            open_ = (row.guild_id == guild_id, row.status == PostStatus.SENDING.value)
            later = session.execute(select(row.channel_id, row.case_nos).where(*open_, row.due_at > now)).all()
            resting = {one.channel_id for one in later}
            # Cases do not wait for what was only heard.
            resting_for_cases = {one.channel_id for one in later if one.case_nos}
            free = [
                one for one in EventClass if channels.of(one) not in (resting if one in HEARD else resting_for_cases)
            ]
            due = (
                select(row.post_id, row.event_class, row.first_at, row.channel_id)
                .where(*open_, or_(row.claim_until.is_(None), row.claim_until < now))
                .where(or_(row.due_at.is_(None), row.due_at <= now))
                # What may have been sent is looked for where it was sent.
                .where(or_(row.first_at.is_not(None), row.event_class.in_([one.value for one in free])))
                .order_by(row.case_nos[1])
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            found = session.execute(due).one_or_none()
            if found is not None:
                begun = found.first_at is not None
                channel_id = found.channel_id if begun else channels.of(EventClass(found.event_class))
                post_id = found.post_id
            else:
                gathered = _gather(session, self._database, guild_id, channels, free)
                gathered = gathered or _gather_heard(session, guild_id, channels, free, now)
                if gathered is None:
                    return None
                post_id, channel_id = gathered
            take = update(row).where(row.guild_id == guild_id, row.post_id == post_id)
            take = take.values(
                claim_until=now + _CLAIM_FOR,
                claim_epoch=row.claim_epoch + 1,
                first_at=func.coalesce(row.first_at, now),
                channel_id=channel_id,
                due_at=None,
            )
            what = (row.case_nos, row.event_class, row.claim_epoch, row.first_at)
            taken = session.connection().execute(take.returning(*what)).one()
            return LogPost(
                post_id=post_id,
                guild_id=guild_id,
                epoch=taken.claim_epoch,
                first_at=taken.first_at,
                now=now,
                channel_id=None if channel_id is None else ChannelId(channel_id),
                cases=_shown(session, guild_id, taken.case_nos) if taken.case_nos else (),
                heard=() if taken.case_nos else heard_of(session, guild_id, post_id),
                lost=channel_id is None and channels.lost(EventClass(taken.event_class)),
            )

    def put_off_post(self, post: LogPost, *, delay_s: float, code: int | None = None) -> None:
        """It certainly was not sent: it waits. Its first try is still to come, unless an earlier one may be out."""
        values: dict[str, Any] = {"claim_until": None, "due_at": self._database.now() + timedelta(seconds=delay_s)}
        if post.first_at == post.now:
            values["first_at"] = None
        with self._database.transaction(post.guild_id) as session:
            session.connection().execute(update(LogPosts).where(*_mine(post)).values(**values, code=code))

    def end_post(self, post: LogPost, result: PostResult) -> None:
        """What became of it, on the post, its requests and its cases."""
        facts = {
            "post_status": result.status.value,
            "post_code": result.code,
            "post_channel_id": result.channel_id,
            "post_message_id": result.message_id,
        }
        on_post = {name.removeprefix("post_"): value for name, value in facts.items()}
        row, request = LogPosts, ActionRequests
        numbers = [one.case.case_no for one in post.cases]
        with self._database.transaction(post.guild_id) as session:
            end = update(row).where(*_mine(post)).values(**on_post, claim_until=None)
            if session.connection().execute(end.returning(row.post_id)).one_or_none() is None:
                return  # somebody else has taken it since, and will say what became of it
            if not numbers:
                forget(session, post.guild_id, post.post_id)
                gone = delete(row).where(row.guild_id == post.guild_id, row.post_id == post.post_id)
                session.connection().execute(gone)
                return
            requests = update(request).where(
                request.guild_id == post.guild_id, request.request_id.in_([one.case.request_id for one in post.cases])
            )
            session.connection().execute(requests.values(**facts, post_done_at=self._database.now()))
            _tell(session, post.guild_id, numbers)
            cases = update(ModCases).where(ModCases.guild_id == post.guild_id, ModCases.case_no.in_(numbers))
            session.connection().execute(cases.values(**facts))

    def next_edit(self, guild_id: GuildId) -> PostEdit | None:
        """The next message that does not read as its cases do. Who takes it has it for a moment."""
        row = PostEdits
        with self._database.transaction(guild_id) as session:
            now = self._database.read_now(session)
            due = select(row.case_no).where(row.guild_id == guild_id, row.due_at <= now)
            due = due.order_by(row.due_at, row.case_no).limit(1).with_for_update(skip_locked=True)
            while (case_no := session.scalars(due).one_or_none()) is not None:
                case = session.get_one(ModCases, (guild_id, case_no))
                if case.post_message_id is not None:
                    return _taken(session, case, now)
                mine = (row.guild_id == guild_id, row.case_no == case_no)
                if case.post_status in (None, PostStatus.WAITING.value, PostStatus.SENDING.value):
                    # It is being posted, perhaps with the words of before.
                    session.connection().execute(update(row).where(*mine).values(due_at=now + _POSTED_WITHIN))
                else:
                    session.connection().execute(delete(row).where(*mine))
        return None

    def end_edit(self, edit: PostEdit, *, gone: bool = False) -> None:
        """It reads so. A change that came meanwhile is another edit."""
        row, case = PostEdits, ModCases
        done = delete(row).where(row.guild_id == edit.guild_id)
        with self._database.transaction(edit.guild_id) as session:
            # The cases before their edits, as an amendment takes them.
            if gone:
                _tell(session, edit.guild_id, [one.case.case_no for one in edit.cases])
                lost = update(case).where(
                    case.guild_id == edit.guild_id,
                    case.case_no.in_([one.case.case_no for one in edit.cases]),
                    case.post_message_id == edit.message_id,
                )
                session.connection().execute(lost.values(post_status=PostStatus.DELETED.value, post_message_id=None))
            session.connection().execute(done.where(tuple_(row.case_no, row.wanted_at).in_(list(edit.wanted.items()))))

    def put_off_edit(self, edit: PostEdit, *, delay_s: float) -> None:
        """It was not edited, or perhaps it was: later again."""
        row = PostEdits
        mine = update(row).where(row.guild_id == edit.guild_id, row.case_no.in_(list(edit.wanted)))
        with self._database.transaction(edit.guild_id) as session:
            later = self._database.now() + timedelta(seconds=delay_s)
            session.connection().execute(mine.values(due_at=later))


def want_edit(connection: Connection, guild_id: GuildId, case_no: int, now: datetime) -> None:
    """A case is not any more what its post says. In the transaction that changes it: the edit is never forgotten."""
    want = insert(PostEdits).values(guild_id=guild_id, case_no=case_no, wanted_at=now, due_at=now)
    again = want.on_conflict_do_update(
        index_elements=["guild_id", "case_no"], set_={"wanted_at": want.excluded.wanted_at, "due_at": now}
    )
    connection.execute(again)


def _gather(
    session: Session, database: Database, guild_id: GuildId, channels: LogChannels, free: Collection[EventClass]
) -> tuple[UUID, ChannelId | None] | None:
    """Put up to ten cases that wait into a new post: the oldest, and those behind it for the same channel."""
    row = ActionRequests
    waiting = (
        select(row.request_id, row.case_no, row.action, row.source)
        .where(row.guild_id == guild_id, row.post_status == PostStatus.WAITING.value, row.post_at.is_(None))
        .order_by(row.case_no)
        .limit(_LOOKED_AT)
        .with_for_update(skip_locked=True)
    )
    if not set(free) >= OF_CASES:
        pairs = [(a.value, s.value) for a in Action for s in Source if class_of(a, s) in free]
        waiting = waiting.where(tuple_(row.action, row.source).in_(pairs))
    found = [(one, class_of(Action(one.action), Source(one.source))) for one in session.execute(waiting)]
    if not found:
        return None
    first, event_class = found[0]
    channel_id = channels.of(event_class)
    together = [one for one, its in found if channels.of(its) == channel_id][:MOST_CASES]
    post_id = derived_request_id(time.time_ns() // 1_000_000, "post", first.request_id)
    session.connection().execute(
        insert(LogPosts).values(
            post_id=post_id,
            guild_id=guild_id,
            event_class=event_class.value,
            case_nos=[one.case_no for one in together],
            status=PostStatus.SENDING.value,
        )
    )
    begun = update(row).where(row.guild_id == guild_id, row.request_id.in_([one.request_id for one in together]))
    session.connection().execute(begun.values(post_at=database.now()))
    return post_id, channel_id


def _gather_heard(
    session: Session, guild_id: GuildId, channels: LogChannels, free: Collection[EventClass], now: datetime
) -> tuple[UUID, ChannelId] | None:
    """The same, of what was heard on the server."""
    found = gather(session, guild_id, channels, free, now)
    if found is None:
        return None
    post_id, event_class, channel_id = found
    facts = {"post_id": post_id, "guild_id": guild_id, "event_class": event_class.value, "case_nos": []}
    session.connection().execute(insert(LogPosts).values(**facts, status=PostStatus.SENDING.value))
    return post_id, channel_id


def _shown(session: Session, guild_id: GuildId, case_nos: Sequence[int]) -> tuple[Shown, ...]:
    """Cases as they are now, in their order."""
    case, request = ModCases, ActionRequests
    taken_back = select(request.reverses, request.case_no).where(
        request.guild_id == guild_id, request.reverses.in_(case_nos), request.case_no.is_not(None)
    )
    by = {one.reverses: one.case_no for one in session.execute(taken_back)}
    rows = select(case).where(case.guild_id == guild_id, case.case_no.in_(case_nos)).order_by(case.case_no)
    return tuple(
        Shown(
            case=case_of(one),
            notice=NoticeStatus(one.notice_status) if one.notice_status else None,
            reversed_by=by.get(one.case_no),
        )
        for one in session.scalars(rows.execution_options(populate_existing=True))
    )


def _taken(session: Session, case: ModCases, now: datetime) -> PostEdit:
    """The message of this case, and all its cases that changed: one edit for all of them."""
    post, edit, guild_id = LogPosts, PostEdits, GuildId(case.guild_id)
    shared = select(post.case_nos).where(post.guild_id == guild_id, post.message_id == case.post_message_id)
    numbers = session.scalars(shared).first() or [case.case_no]
    take = update(edit).where(edit.guild_id == guild_id, edit.case_no.in_(numbers)).values(due_at=now + _CLAIM_FOR)
    wanted = session.connection().execute(take.returning(edit.case_no, edit.wanted_at))
    return PostEdit(
        guild_id=guild_id,
        channel_id=ChannelId(case.post_channel_id or 0),
        message_id=MessageId(case.post_message_id or 0),
        cases=_shown(session, guild_id, numbers),
        wanted={one.case_no: one.wanted_at for one in wanted},
    )


def _tell(session: Session, guild_id: GuildId, case_nos: Sequence[int]) -> None:
    """Tell open pages that what became of these posts is known: one event for all of them."""
    between = {"from_case": min(case_nos), "to_case": max(case_nos)}
    append_event(session, guild_id, EventKind.POST_CHANGED, None, between)


def _mine(post: LogPost) -> tuple[Any, ...]:
    row = LogPosts
    return (row.guild_id == post.guild_id, row.post_id == post.post_id, row.claim_epoch == post.epoch)
