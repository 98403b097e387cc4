"""What of a message is kept as evidence. Decisions only: nothing is fetched or stored here."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from kovra.ids import ChannelId, MessageId, UserId

#: The largest file that is kept, in bytes; the tables hold no more.
MAX_FILE_BYTES = 8 << 20
#: The most files of one message that are fetched (API reference, Create Message), and of how many more it is said that
#: they were there.
MAX_FILES, MAX_NAMED = 10, 25
#: So much of a message's embeds is kept, as JSON in bytes; Discord's own limit is 6,000 characters of text.
MAX_EMBEDS_BYTES = 64 << 10
_MAX_NAME, _MAX_CONTENT = 200, 4000
#: A message forwards one other and bears three stickers (API reference, Message Object and Create Message); what else
#: may come is kept as well, and so much at most.
MAX_FORWARDED, MAX_STICKERS = 3, 5

#: Discord's formats of stickers (API reference, Sticker Format Types), and those that it keeps elsewhere than all else.
_STICKERS = {1: ("png", "image/png"), 2: ("png", "image/png"), 3: ("json", "application/json"), 4: ("gif", "image/gif")}
_MEDIA = {"cdn.discordapp.com": "media.discordapp.net"}

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


class FileKind(StrEnum):
    """How a file belongs to a kept message."""

    ATTACHED = "attached"
    FORWARDED = "forwarded"
    """It is of the message that this one passes on."""
    STICKER = "sticker"


@dataclass(frozen=True, kw_only=True)
class SeenFile:
    """A file of a message, as Discord tells of it. ``status`` says whether it is to be fetched.

    ``size`` is in bytes; of a sticker Discord tells none, and it is 0.
    """

    filename: str
    media_type: str
    size: int
    url: str
    status: FileStatus
    kind: FileKind = FileKind.ATTACHED


@dataclass(frozen=True, kw_only=True)
class SeenMessage:
    """A message at the moment in which it is kept.

    ``forwarded`` is what it passes on, as JSON: ``content``, ``embeds``, ``sent_at``, and where it stood, as far as
    Discord tells. Whose it was Discord does not tell.
    """

    channel_id: ChannelId
    message_id: MessageId
    author_id: UserId
    author_name: str
    content: str
    embeds: Sequence[Mapping[str, Any]]
    sent_at: datetime
    edited_at: datetime | None
    files: Sequence[SeenFile]
    forwarded: Sequence[Mapping[str, Any]] = ()


def seen(payload: Mapping[str, Any], cdn_url: str) -> SeenMessage:
    """Read a message of Discord's; ``cdn_url`` is where Discord keeps files."""
    author = payload["author"]
    passed_on = _snapshots(payload)
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
        files=_files(payload, passed_on, cdn_url),
        forwarded=[_forwarded(each, payload) for each in passed_on],
    )


def on_discord(url: str, cdn_url: str) -> bool:
    """Whether an address is a file on Discord's own server of files, and nothing that only looks like it."""
    parts, path = urlsplit(url), unquote(urlsplit(url).path)
    rooms = ((cdn_url, "attachments"), (cdn_url, "stickers"), (_media_url(cdn_url), "stickers"))
    return (
        posixpath.normpath(path) == path
        and "\\" not in path
        and any(
            (parts.scheme, parts.netloc) == (base.scheme, base.netloc)
            and path.startswith(f"{base.path.rstrip('/')}/{room}/")
            for base, room in ((urlsplit(url_of), room) for url_of, room in rooms)
        )
    )


def allowed(media_type: str) -> bool:
    """Whether files of this type are kept."""
    return media_type not in _NEVER and (media_type in _TYPES or media_type.startswith(_KINDS))


def _snapshots(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a message passes on; Discord gives a copy of it as it was then."""
    found = payload.get("message_snapshots") or []
    return [each["message"] for each in found[:MAX_FORWARDED] if each.get("message")]


def _forwarded(snapshot: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, Any]:
    origin = payload.get("message_reference") or {}
    where = {name: str(origin[name]) for name in ("guild_id", "channel_id", "message_id") if _is_id(origin.get(name))}
    return where | {
        "content": _text(snapshot.get("content"), _MAX_CONTENT),
        "embeds": _bounded(snapshot.get("embeds") or []),
        "sent_at": datetime.fromisoformat(sent).isoformat() if (sent := snapshot.get("timestamp")) else None,
    }


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def _files(payload: Mapping[str, Any], passed_on: Sequence[Mapping[str, Any]], cdn_url: str) -> list[SeenFile]:
    """The files of a message, those of what it passes on, and the stickers of both."""
    attached = [(each, FileKind.ATTACHED) for each in payload.get("attachments") or []]
    attached += [(each, FileKind.FORWARDED) for one in passed_on for each in one.get("attachments") or []]
    stickers = [each for one in (payload, *passed_on) for each in one.get("sticker_items") or []]
    return [
        *(_file(each, cdn_url, place, kind) for place, (each, kind) in enumerate(attached[:MAX_NAMED])),
        *(_sticker(each, cdn_url) for each in stickers[:MAX_STICKERS]),
    ]


def _sticker(payload: Mapping[str, Any], cdn_url: str) -> SeenFile:
    """A sticker has no address of its own in a message: it is made of its id."""
    ending, media_type = _STICKERS.get(int(payload.get("format_type") or 0), ("", ""))
    base = _media_url(cdn_url) if ending == "gif" else cdn_url
    known = bool(ending) and _is_id(payload.get("id"))
    return SeenFile(
        filename=f"{_text(payload.get('name'), _MAX_NAME).strip() or 'sticker'}.{ending}".rstrip("."),
        media_type=media_type,
        size=0,
        url=f"{base.rstrip('/')}/stickers/{payload['id']}.{ending}" if known else "",
        status=FileStatus.WAITING if known else FileStatus.WRONG_TYPE,
        kind=FileKind.STICKER,
    )


def _media_url(cdn_url: str) -> str:
    """Where stickers that are GIFs are: Discord keeps those elsewhere (API reference, CDN Endpoints)."""
    parts = urlsplit(cdn_url)
    return urlunsplit(parts._replace(netloc=_MEDIA.get(parts.netloc, parts.netloc)))


def _file(payload: Mapping[str, Any], cdn_url: str, place: int, kind: FileKind) -> SeenFile:
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
    return SeenFile(filename=name, media_type=media_type, size=size, url=url, status=status, kind=kind)


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
