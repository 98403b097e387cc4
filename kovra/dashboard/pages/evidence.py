"""The files of a kept message, to download."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint
from werkzeug.wrappers import Response

from kovra.actions.capabilities import Capability
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.services import services

evidence = Blueprint("evidence", __name__)


@evidence.get("/g/<int:guild_id>/cases/<int:case_no>/evidence/<int:place>")
@policy(in_guild(Capability.VIEW_NOTES))
def file(guild_id: int, case_no: int, place: int) -> Response:
    """A file as it was, for the disk and never for the browser to show: whoever sent it was no friend."""
    found = services().evidence.file(scope(), case_no, place) if case_no < 1 << 62 and place < 1 << 15 else None
    if found is None:
        raise NoSuchPage
    name, content = found
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(_safe(name), safe='')}"}
    return Response(content, content_type="application/octet-stream", headers=headers)


def _safe(name: str) -> str:
    """A name of a file and nothing else: no folders, nothing that cannot be seen."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable()).strip(". ") or "file"
