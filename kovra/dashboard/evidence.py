"""What a case stands on, as its sheet shows it: the message as it was, and what became of it and of its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kovra.dashboard.services import services
from kovra.guard.evidence import FileKind, FileStatus
from kovra.store.evidence import KeptFile
from kovra.store.guilds import GuildScope

#: What became of the message itself, as the case tells it.
_FATES = {
    "deleted": "deleted in Discord with the act",
    "refused": "Discord refused to delete it",
    "unknown": "Discord did not answer when it was to be deleted: look whether it is still there",
}
_MISSING = {
    FileStatus.WAITING: "not here yet",
    FileStatus.TOO_LARGE: "larger than 8 MB, so it is not kept",
    FileStatus.WRONG_TYPE: "of a type that is not kept",
    FileStatus.ELSEWHERE: "not on Discord’s own server, so it is not kept",
    FileStatus.TOO_MANY: "one of more files than are kept of one message",
    FileStatus.FORGOTTEN: "forgotten",
    FileStatus.LOST: "Discord did not give it, or not in time",
}
_KINDS = {FileKind.ATTACHED: "File", FileKind.FORWARDED: "Forwarded file", FileKind.STICKER: "Sticker"}


def shown(viewer: GuildScope, request_id: UUID) -> Mapping[str, Any]:
    """What the sheet shows of the evidence of a case; ``kept`` is None when there is none for this viewer."""
    known = services()
    kept = known.evidence.of_request(viewer, request_id)
    if kept is None:
        return {"kept": None}
    base = known.addresses.discord_base_url
    return {
        "kept": kept,
        "kept_files": [(file, _MISSING.get(file.status, ""), _odd_size(file)) for file in kept.files],
        "kept_kinds": _KINDS,
        "discord_url": base,
        "message_fate": _FATES.get(kept.fate or ""),
        "message_url": f"{base}/channels/{viewer.guild_id}/{kept.channel_id}/{kept.message_id}",
    }


def _odd_size(file: KeptFile) -> int | None:
    """How much Discord gave of a file, when it is not as much as it had said."""
    return file.kept_size if file.kept_size not in (None, file.size) else None
