"""Messages kept as evidence: written by the bot before anybody acts on them, read by who may see evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CursorResult, Row, Uuid, and_, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from kovra.actions.capabilities import Capability
from kovra.actions.request import State
from kovra.guard.evidence import FileKind, FileStatus, SeenMessage
from kovra.ids import ChannelId, GuildId, MessageId, UserId
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.people import as_json
from kovra.store.prepared import Prepared
from kovra.store.tables import ActionRequests, EvidenceFiles, ModCases
from kovra.store.tables import Evidence as EvidenceRows

#: How long a message is kept for which no case came: longer than any request waits for its turn.
LOOSE_FOR = timedelta(days=1)
#: So many messages of a server are settled in one transaction, which is one look: their files are up to 80 MB each.
AT_ONCE = 100

_UNDER_WAY = [state.value for state in State if not state.terminal]


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """A file of a kept message. ``size`` is what Discord said; ``kept_size``, what it gave, and ``sha256``, as
    hexadecimal digits, are None unless it is kept.
    """

    place: int
    kind: FileKind
    filename: str
    media_type: str
    size: int
    status: FileStatus
    sha256: str | None
    kept_size: int | None


@dataclass(frozen=True, kw_only=True)
class Forwarded:
    """What a kept message passed on. Where it stood is None as far as Discord did not tell."""

    content: str
    embeds: Sequence[Mapping[str, Any]]
    sent_at: datetime | None
    guild_id: GuildId | None
    channel_id: ChannelId | None
    message_id: MessageId | None


@dataclass(frozen=True, kw_only=True)
class KeptMessage:
    """A message as it stood when somebody acted on it.

    ``fate``: ``deleted``, ``refused`` or ``unknown`` when it was to be deleted with the act, else None. What it said is
    gone since ``forgotten_at``, unless that is None.
    """

    channel_id: ChannelId
    message_id: MessageId
    author_id: UserId
    author_name: str
    content: str
    embeds: Sequence[Mapping[str, Any]]
    sent_at: datetime
    edited_at: datetime | None
    kept_at: datetime
    forgotten_at: datetime | None
    fate: str | None
    files: Sequence[KeptFile]
    forwarded: Sequence[Forwarded] = ()


class Evidence:
    """Read what was kept. Only for holders of ``view_notes``: to others it is not there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_request(self, scope: GuildScope, request_id: UUID) -> KeptMessage | None:
        """The message that a case stands on."""
        if not scope.may(Capability.VIEW_NOTES):
            return None
        rows = self._database.once(scope.guild_id, _kept(), {"guild": scope.guild_id, "request": request_id})
        return _message(rows[0]) if rows else None

    def file(self, scope: GuildScope, case_no: int, place: int) -> tuple[str, bytes] | None:
        """A kept file of a case: its name and what it holds."""
        if not scope.may(Capability.VIEW_NOTES):
            return None
        row = EvidenceFiles
        theirs = (
            select(row.filename, row.content)
            .join(ModCases, and_(ModCases.guild_id == row.guild_id, ModCases.request_id == row.request_id))
            .where(ModCases.guild_id == scope.guild_id, ModCases.case_no == case_no)
            .where(row.place == place, row.status == FileStatus.KEPT.value)
        )
        with self._database.transaction(scope.guild_id) as session:
            found = session.execute(theirs).first()
        return (found.filename, bytes(found.content)) if found else None


@cache
def _kept() -> Prepared:
    """A message, what became of it, and its files as one value."""
    guild, request = bindparam("guild", type_=BigInteger), bindparam("request", type_=Uuid)
    row, file, case = EvidenceRows, EvidenceFiles, ModCases
    result = select(case.result).where(case.guild_id == guild, case.request_id == request).scalar_subquery()
    sha256 = func.encode(file.sha256, "hex").label("sha256")
    files = select(file.place, file.kind, file.filename, file.media_type, file.size, file.status, sha256)
    files = files.add_columns(func.octet_length(file.content).label("kept_size"))
    files = files.where(file.guild_id == guild, file.request_id == request)
    said = (row.channel_id, row.message_id, row.author_id, row.author_name, row.content, row.embeds, row.forwarded)
    times = (row.sent_at, row.edited_at, row.kept_at, row.forgotten_at)
    kept = select(*said, *times, result.label("result"), as_json(files.subquery("f"), "files"))
    return Prepared(kept.where(row.guild_id == guild, row.request_id == request))


def _message(found: Row[Any]) -> KeptMessage:
    files = sorted(found.files, key=lambda file: int(file["place"]))
    return KeptMessage(
        channel_id=ChannelId(found.channel_id),
        message_id=MessageId(found.message_id),
        author_id=UserId(found.author_id),
        author_name=found.author_name,
        content=found.content,
        embeds=found.embeds,
        sent_at=found.sent_at,
        edited_at=found.edited_at,
        kept_at=found.kept_at,
        forgotten_at=found.forgotten_at,
        fate=(found.result or {}).get("message"),
        files=[
            KeptFile(**{**file, "status": FileStatus(file["status"]), "kind": FileKind(file["kind"])}) for file in files
        ],
        forwarded=[_forwarded(one) for one in found.forwarded],
    )


def _forwarded(one: Mapping[str, Any]) -> Forwarded:
    guild_id, channel_id, message_id = (one.get(name) for name in ("guild_id", "channel_id", "message_id"))
    return Forwarded(
        content=one["content"],
        embeds=one["embeds"],
        sent_at=datetime.fromisoformat(one["sent_at"]) if one.get("sent_at") else None,
        guild_id=GuildId(int(guild_id)) if guild_id else None,
        channel_id=ChannelId(int(channel_id)) if channel_id else None,
        message_id=MessageId(int(message_id)) if message_id else None,
    )


class EvidenceKeeper:
    """Write down messages before they are gone, and their files as they arrive. Everything may come twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, guild_id: GuildId, request_id: UUID, kept_by: UserId, message: SeenMessage) -> None:
        """Keep a message for a request that is yet to be asked. The first of two stays."""
        names = ("channel_id", "message_id", "author_id", "author_name", "content", "embeds", "forwarded")
        names += ("sent_at", "edited_at")
        key = {"guild_id": guild_id, "request_id": request_id}
        row: dict[str, Any] = key | {name: getattr(message, name) for name in names}
        row |= {"kept_by": kept_by, "kept_at": self._database.now()}
        files = [
            key
            | {"place": place, "filename": one.filename, "media_type": one.media_type, "size": one.size}
            | {"url": one.url, "status": one.status.value, "kind": one.kind.value}
            for place, one in enumerate(message.files)
        ]
        with self._database.transaction(guild_id) as session:
            written: CursorResult[Any] = session.connection().execute(
                insert(EvidenceRows).values(row).on_conflict_do_nothing()
            )
            if written.rowcount and files:
                session.execute(insert(EvidenceFiles).values(files))

    def holds(self, guild_id: GuildId, request_id: UUID) -> bool:
        """Whether a message is kept for this request."""
        with self._database.transaction(guild_id) as session:
            return session.get(EvidenceRows, (guild_id, request_id)) is not None

    def waiting(self, guild_id: GuildId, request_id: UUID) -> list[tuple[int, str]]:
        """The files that are still to be fetched: place and address."""
        row = EvidenceFiles
        theirs = (
            select(row.place, row.url)
            .where(row.guild_id == guild_id, row.request_id == request_id, row.status == FileStatus.WAITING.value)
            .order_by(row.place)
        )
        with self._database.transaction(guild_id) as session:
            return [(one.place, one.url) for one in session.execute(theirs)]

    def fetched(self, guild_id: GuildId, request_id: UUID, place: int, content: bytes | FileStatus) -> None:
        """What became of a file: what it holds, or why it is not kept."""
        row = EvidenceFiles
        if isinstance(content, FileStatus):
            what: dict[str, Any] = {"status": content.value}
        else:
            digest = hashlib.sha256(content).digest()
            what = {"status": FileStatus.KEPT.value, "content": content, "sha256": digest}
        waits = (
            row.guild_id == guild_id,
            row.request_id == request_id,
            row.place == place,
            row.status == FileStatus.WAITING.value,
        )
        with self._database.transaction(guild_id) as session:
            session.connection().execute(update(row).where(*waits).values(**what))


class LooseEvidence:
    """Forget what was kept for a form that nobody sent, or for a request that made no case. For workers; several at
    once take different messages, each at most so many of a server at a look.
    """

    def __init__(self, database: Database, at_once: int = AT_ONCE) -> None:
        self._database, self._at_once = database, at_once

    def prune_everywhere(self, loose_for: timedelta = LOOSE_FOR) -> int:
        """Settle what has been loose for this long, in every guild that has some; how many messages went."""
        before = self._database.now() - loose_for
        with self._database.transaction(None) as session:
            guild_ids = session.scalars(select(func.kovra_guilds_with_loose_evidence(before))).all()
        return sum(self._prune(GuildId(guild_id), before) for guild_id in guild_ids)

    def _prune(self, guild_id: GuildId, before: datetime) -> int:
        row, case, asked = EvidenceRows, ModCases, ActionRequests
        under_way = exists().where(
            asked.guild_id == row.guild_id, asked.request_id == row.request_id, asked.state.in_(_UNDER_WAY)
        )
        # What still may become a case is passed over here: it would stand before all the others at every look.
        settled = (
            select(row.request_id)
            .where(row.guild_id == guild_id, row.loose, row.kept_at < before, ~under_way)
            .order_by(row.kept_at)
            .limit(self._at_once)
            .with_for_update(skip_locked=True)
        )
        with self._database.transaction(guild_id) as session:
            line, ids = session.connection(), session.scalars(settled).all()
            if not ids:
                return 0
            these = (row.guild_id == guild_id, row.request_id.in_(ids))
            has_case = exists().where(case.guild_id == row.guild_id, case.request_id == row.request_id)
            line.execute(update(row).where(*these, has_case).values(loose=False))
            gone: CursorResult[Any] = line.execute(delete(row).where(*these, row.loose))
            return gone.rowcount
