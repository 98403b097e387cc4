"""The message that a case stands on, in its sheet, and its files."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.dashboard import evidence
from kovra.guard.evidence import FileKind, FileStatus, SeenFile, SeenMessage
from kovra.store.evidence import EvidenceKeeper
from kovra.store.forgetting import EVIDENCE_DAYS, Forgetting
from kovra.store.guilds import Guilds
from kovra.store.settings import SettingsBook
from kovra.store.tables import ModCases

#: The key of the site’s audit log, as conftest has it.
AUDIT_KEY = b"a" * 32
PICTURE = b"<script>alert(1)</script>"


@pytest.fixture
def stands_on_a_message(site, cast, a_case, databases):
    """Case #1, and the message that it is about."""
    a_case(Action.WARN, reason="scam")
    with site.worker.transaction(cast.harbour) as session:
        request_id = UUID(str(session.query(ModCases.request_id).scalar()))
    keeper, now = EvidenceKeeper(databases("kovra_bot")), site.database.now()
    facts = {"media_type": "image/png", "size": 2004, "url": "https://cdn.example.org/1"}
    files = [
        SeenFile(filename='..\\x/"free\r\nnitro".png', status=FileStatus.WAITING, **facts),
        SeenFile(filename="page.html", status=FileStatus.WRONG_TYPE, **facts),
        SeenFile(filename="wave.png", status=FileStatus.WAITING, kind=FileKind.STICKER, **facts | {"size": 0}),
    ]
    message = SeenMessage(
        channel_id=500,
        message_id=77,
        author_id=cast.quillon,
        author_name="Quillon <b>",
        content="free <b>nitro</b>",
        embeds=[{"title": "Claim <i>now</i>", "url": "https://evil.example"}],
        sent_at=now,
        edited_at=None,
        files=files,
        forwarded=[
            {
                "content": "passed <b>on</b>",
                "embeds": [{"title": "<i>passed</i>"}],
                "sent_at": "2026-01-01T00:00:00+00:00",
                "guild_id": "7",
                "channel_id": "8",
                "message_id": "9",
            }
        ],
    )
    keeper.keep(cast.harbour, request_id, cast.admin, message)
    keeper.fetched(cast.harbour, request_id, 0, PICTURE)
    keeper.fetched(cast.harbour, request_id, 2, PICTURE[:10])


def test_the_sheet_shows_the_message_as_it_was(site, cast, stands_on_a_message):
    sheet = site.signed_in(cast.trial).fragment(f"/g/{cast.harbour}/cases/1").get_data(as_text=True)

    assert "free &lt;b&gt;nitro&lt;/b&gt;" in sheet
    assert "Claim &lt;i&gt;now&lt;/i&gt;" in sheet
    assert f"/g/{cast.harbour}/cases/1/evidence/0" in sheet
    assert f"/g/{cast.harbour}/cases/1/evidence/1" not in sheet
    assert "of a type that is not kept" in sheet
    assert f"/channels/{cast.harbour}/500/77" in sheet
    assert 'href="https://evil.example' not in sheet
    assert "passed &lt;b&gt;on&lt;/b&gt;" in sheet
    assert "&lt;i&gt;passed&lt;/i&gt;" in sheet
    assert "/channels/7/8/9" in sheet
    assert "<dt>Sticker</dt>" in sheet
    assert "10 Bytes" in sheet


def test_whatever_became_of_a_file_is_said(site, cast, stands_on_a_message):
    for status in set(FileStatus) - {FileStatus.KEPT}:
        assert evidence._MISSING[status]

    sheet = site.signed_in(cast.trial).fragment(f"/g/{cast.harbour}/cases/1").get_data(as_text=True)

    assert "of which Discord gave 25 Bytes" in sheet


def test_what_was_forgotten_is_gone_and_said_to_be(site, cast, stands_on_a_message, owner):
    with owner.transaction(cast.harbour) as session:
        session.execute(text("UPDATE evidence SET loose = false, kept_at = now() - interval '40 days'"))
    admin = Guilds(site.database).scope(cast.admin, cast.harbour)
    assert SettingsBook(site.database, AUDIT_KEY).change_retention(admin, {EVIDENCE_DAYS: 30}) == {}

    assert Forgetting(site.worker, AUDIT_KEY).forget_everywhere() == 1

    sheet = site.signed_in(cast.admin).fragment(f"/g/{cast.harbour}/cases/1").get_data(as_text=True)
    assert "this server keeps evidence only for a time" in sheet
    assert "Quillon &lt;b&gt;" not in sheet
    assert "nitro" not in sheet
    assert "passed" not in sheet
    assert "wave" not in sheet
    assert hashlib.sha256(PICTURE).hexdigest() in sheet
    log = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/audit?kind=cases").get_data(as_text=True)
    assert "Kept for 30 days, as set: the messages of #1" in log


def test_a_file_is_for_the_disk_and_never_shown(site, cast, stands_on_a_message):
    answer = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/cases/1/evidence/0")

    assert answer.data == PICTURE
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%22freenitro%22.png"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("place", [1, 3, 99_999])
def test_what_is_not_kept_is_not_there(site, cast, stands_on_a_message, place):
    assert site.signed_in(cast.admin).get(f"/g/{cast.harbour}/cases/1/evidence/{place}").status_code == 404


def test_nobody_else_gets_a_file(site, cast, stands_on_a_message):
    path = f"/g/{cast.harbour}/cases/1/evidence/0"

    assert site.signed_in(cast.nobody).get(path).status_code == 404
    assert site.signed_in(cast.neighbour).get(path).status_code == 404
    assert site.signed_in(cast.neighbour).get(f"/g/{cast.meadow}/cases/1/evidence/0").status_code == 404
    assert site.visitor().get(path).status_code in (302, 303)
