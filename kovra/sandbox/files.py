"""Files of messages, as Discord's CDN keeps them: there as long as their message is. A restart forgets them."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from kovra.sandbox.world import World

_STICKER = re.compile(r"/cdn/stickers/(\d{1,20})\.(png|gif|json)")
_FORMATS = {1: "png", 2: "png", 3: "json", 4: "gif"}
_PATH = re.compile(r"/cdn/attachments/(\d{1,20})/(\d{1,20})/([^/]+)")


class Files:
    """What was uploaded, by the file's id."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[int, tuple[bytes, str]] = {}

    def put(
        self, base_url: str, channel_id: int, file_id: int, filename: str, content: bytes, media_type: str
    ) -> dict[str, object]:
        """Keep a file; gives the attachment that names it."""
        self._held[file_id] = (content, media_type)
        url = f"{base_url}/cdn/attachments/{channel_id}/{file_id}/{quote(filename)}?ex=0&is=0&hm=0"
        about = {"id": str(file_id), "filename": filename, "size": len(content), "url": url, "proxy_url": url}
        return about | ({"content_type": media_type} if media_type else {})

    def put_sticker(self, sticker_id: int, name: str, kind: int, content: bytes) -> dict[str, object]:
        """Keep a sticker of this format; gives what a message bears of it. Stickers outlive messages."""
        self._held[sticker_id] = (content, {"json": "application/json"}.get(_FORMATS[kind], f"image/{_FORMATS[kind]}"))
        return {"id": str(sticker_id), "name": name, "format_type": kind}

    def get(self, path: str) -> tuple[bytes, str] | None:
        """What is at this path of the CDN, and its type."""
        if sticker := _STICKER.fullmatch(path):
            return self._held.get(int(sticker[1]))
        found = _PATH.fullmatch(unquote(path))
        if found is None or int(found[2]) not in self._held:
            return None
        messages = self._world.messages.get(int(found[1]), {}).values()
        there = any(each["id"] == found[2] for message in messages for each in message.attachments)
        return self._held[int(found[2])] if there or found[1] == "0" else None
