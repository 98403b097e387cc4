"""Static files under an address that changes with their content, so that browsers may keep them for a year.

They are read, joined and compressed once, when the process starts: a file on disk that changes later changes nothing.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import brotli
from flask import Blueprint, Response, request

from kovra.dashboard import bundle
from kovra.dashboard.access import OPEN, policy

FOLDER = Path(__file__).parent / "static"
_YEAR_S = 31_536_000
_ICON = re.compile(r'<symbol id="i-([a-z]+)" viewBox="0 0 24 24"><path d="([^"]+)" /></symbol>')

#: What is served as it lies there. Styles and scripts of ours are served joined, as ``kovra.css`` and ``kovra.js``, but
#: for the script that is there before them; sources of other things and records are no part of the site.
_SERVED = {
    "*.svg": "image/svg+xml",
    "start.js": "text/javascript",
    "vendor/*.js": "text/javascript",
    "vendor/*.txt": "text/plain",
    "vendor/*.woff2": "font/woff2",
}
#: The highest level takes five times as long at every start and saves a tenth.
_BROTLI_LEVEL = 9


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file as it is served.

    ``tag`` is sixteen hex digits over its content; ``packed`` holds it by content encoding, the best first.
    """

    tag: str
    mimetype: str
    content: bytes
    packed: Mapping[str, bytes]


@functools.cache
def shelf() -> Mapping[str, Asset]:
    """Every file that is served, by its name."""
    files = {
        path.relative_to(FOLDER).as_posix(): _asset(path.read_bytes(), mimetype)
        for pattern, mimetype in _SERVED.items()
        for path in sorted(FOLDER.glob(pattern))
    }
    style = bundle.stylesheet(FOLDER, lambda name: _address(name, files[name]))
    files["kovra.css"] = _asset(style.encode(), "text/css")
    files["kovra.js"] = _asset(bundle.script(FOLDER).encode(), "text/javascript")
    return files


def icon_paths() -> Mapping[str, str]:
    """What draws each icon, by its name. It stands wherever the icon does: to look it up in the page costs a browser
    several elements for each, and from a file of its own it came after the first frame."""
    sprite = (FOLDER / "vendor" / "icons.svg").read_text(encoding="utf-8")
    return dict(_ICON.findall(sprite))


def address(name: str) -> str:
    """Where a page finds a file; another place once its content changes."""
    return _address(name, shelf()[name])


def _address(name: str, asset: Asset) -> str:
    return f"/static/{asset.tag}/{name}"


def _asset(content: bytes, mimetype: str) -> Asset:
    packed = {"br": brotli.compress(content, quality=_BROTLI_LEVEL), "gzip": gzip.compress(content, mtime=0)}
    # A font is compressed in itself.
    smaller = {} if mimetype.startswith("font/") else packed
    return Asset(tag=hashlib.sha256(content).hexdigest()[:16], mimetype=mimetype, content=content, packed=smaller)


assets = Blueprint("assets", __name__)


@assets.get("/static/<asked>/<path:name>")
@policy(OPEN)
def file(asked: str, name: str) -> Response:
    """A file, kept for a year by whoever asked for this very content."""
    asset = shelf().get(name)
    if asset is None:
        return Response(status=404)
    wanted = next((way for way in asset.packed if request.accept_encodings.quality(way) > 0), None)
    answer = Response(asset.packed[wanted] if wanted else asset.content, mimetype=asset.mimetype)
    if wanted:
        answer.content_encoding = wanted
    if asset.packed:
        answer.vary.add("Accept-Encoding")
    if asked == asset.tag:
        answer.cache_control.public = True
        answer.cache_control.max_age = _YEAR_S
        answer.cache_control.immutable = True
    else:
        # A page drawn by an older or newer version of Kovra asks: give it what there is, but keep nothing.
        answer.cache_control.no_store = True
    return answer
