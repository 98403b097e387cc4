"""What of a message is kept as evidence. Decisions only: nothing is fetched or stored here."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit

from kovra.ids import ChannelId, MessageId, UserId

#: The largest file that is kept, in bytes; the tables hold no more.
MAX_FILE_BYTES = 8 << 20
#: The most files of one message that are fetched (API reference, Create Message), and of how many more it is said that
#: they were there.
MAX_FILES, MAX_NAMED = 10, 25
#: So much of a message's embeds is kept, as JSON in bytes; Discord's own limit is 6,000 characters of text.
MAX_EMBEDS_BYTES = 64 << 10
_MAX_NAME, _MAX_CONTENT = 200, 4000

#: What may be kept, by the first part of its type or by all of it. No pages and no scripts: a browser would run them.
_KINDS = ("image/", "video/", "audio/")
_TYPES = frozenset({"text/plain", "application/pdf", "application/json", "text/csv"})
_NEVER = frozenset({"image/svg+xml"})


class FileStatus(StrEnum):
    """What became of a file of a kept message."""

    WAITING = "waiting"
    """It is being fetched."""
    KEPT = "kept"
    TOO_LARGE = "too_large"
    WRONG_TYPE = "wrong_type"
    ELSEWHERE = "elsewhere"
    """It is not on Discord's own server of files; Guard fetches from nowhere else."""
    TOO_MANY = "too_many"
    """The message had more files than are kept of one."""
    LOST = "lost"
    """Discord did not give it, or not in time."""
    FORGOTTEN = "forgotten"
    """The server keeps evidence for a time, and that was over."""


@dataclass(frozen=True, kw_only=True)
class SeenFile:
    """A file of a message, as Discord tells of it. ``status`` says whether it is to be fetched."""

    filename: str
    media_type: str
    size: int
    url: str
    status: FileStatus


@dataclass(frozen=True, kw_only=True)
class SeenMessage:
    """A message at the moment in which it is kept."""

    channel_id: ChannelId
    message_id: MessageId
    author_id: UserId
    author_name: str
    content: str
    embeds: Sequence[Mapping[str, Any]]
    sent_at: datetime
    edited_at: datetime | None
    files: Sequence[SeenFile]


def seen(payload: Mapping[str, Any], cdn_url: str) -> SeenMessage:
    """Read a message of Discord's; ``cdn_url`` is where Discord keeps files."""
    author = payload["author"]
    edited = payload.get("edited_timestamp")
    return SeenMessage(
        channel_id=ChannelId(int(payload["channel_id"])),
        message_id=MessageId(int(payload["id"])),
        author_id=UserId(int(author["id"])),
        author_name=_text(author.get("global_name") or author["username"], _MAX_NAME),
        content=_text(payload.get("content"), _MAX_CONTENT),
        embeds=_bounded(payload.get("embeds") or []),
        sent_at=datetime.fromisoformat(payload["timestamp"]),
        edited_at=datetime.fromisoformat(edited) if edited else None,
        files=[
            _file(each, cdn_url, place) for place, each in enumerate((payload.get("attachments") or [])[:MAX_NAMED])
        ],
    )


def on_discord(url: str, cdn_url: str) -> bool:
    """Whether an address is a file on Discord's own server of files, and nothing that only looks like it."""
    parts, cdn = urlsplit(url), urlsplit(cdn_url)
    path = unquote(parts.path)
    return (
        (parts.scheme, parts.netloc) == (cdn.scheme, cdn.netloc)
        and posixpath.normpath(path) == path
        and path.startswith(f"{cdn.path.rstrip('/')}/attachments/")
        and "\\" not in path
    )


def allowed(media_type: str) -> bool:
    """Whether files of this type are kept."""
    return media_type not in _NEVER and (media_type in _TYPES or media_type.startswith(_KINDS))


def _file(payload: Mapping[str, Any], cdn_url: str, place: int) -> SeenFile:
    media_type = str(payload.get("content_type") or "").partition(";")[0].strip().lower()
    size, url = int(payload.get("size") or 0), str(payload.get("url") or "")
    status = FileStatus.WAITING
    if place >= MAX_FILES:
        status = FileStatus.TOO_MANY
    elif not on_discord(url, cdn_url):
        status = FileStatus.ELSEWHERE
    elif not allowed(media_type):
        status = FileStatus.WRONG_TYPE
    elif size > MAX_FILE_BYTES:
        status = FileStatus.TOO_LARGE
    name = _text(payload.get("filename"), _MAX_NAME).strip() or "file"
    return SeenFile(filename=name, media_type=media_type, size=size, url=url, status=status)


def _bounded(embeds: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """As many embeds as fit, from the first."""
    kept: list[Mapping[str, Any]] = []
    room = MAX_EMBEDS_BYTES
    for embed in embeds:
        clean = _clean(embed)
        room -= len(json.dumps(clean))
        if room < 0:
            break
        kept.append(clean)
    return kept


def _clean(value: Any) -> Any:
    """The same without characters that no table takes: NUL, and halves of a pair."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_clean(key): _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value


def _text(value: object, longest: int) -> str:
    return _clean(str(value or ""))[:longest]
