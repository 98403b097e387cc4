"""Static files under an address that changes with their content, so that browsers may keep them for a year.

One fingerprint stands for the whole folder: modules and styles name each other relatively, and stay together.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Blueprint, Response, send_from_directory

from kovra.dashboard.access import OPEN, policy

FOLDER = Path(__file__).parent / "static"
_YEAR_S = 31_536_000

#: Sources and records that stand beside the files but are no part of the site.
_NOT_SERVED = frozenset({".py", ".md"})


def fingerprint(folder: Path = FOLDER) -> str:
    """Sixteen hex digits over names and contents of every file that is served."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _NOT_SERVED and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def blueprint(tag: str) -> Blueprint:
    """Serve the folder at ``/static/<tag>/``."""
    site = Blueprint("assets", __name__)

    @site.get("/static/<asked>/<path:name>")
    @policy(OPEN)
    def file(asked: str, name: str) -> Response:
        if Path(name).suffix in _NOT_SERVED:
            return Response(status=404)
        answer = send_from_directory(FOLDER, name, max_age=_YEAR_S, etag=True)
        # Whole and not as a stream, so that it is compressed; these are small.
        answer.direct_passthrough = False
        answer.get_data()
        if asked == tag:
            answer.cache_control.public = True
            answer.cache_control.immutable = True
        else:
            # A page drawn by an older or newer version of Kovra asks: give it what there is, but keep nothing.
            answer.headers["Cache-Control"] = "no-store"
        return answer

    return site
