"""Messages that are kept: who may read them, what is forgotten, and that nothing of them can be changed."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy.exc import ProgrammingError

from kovra.guard.evidence import FileStatus, SeenFile, SeenMessage
from kovra.ids import new_request_id
from kovra.store.evidence import LOOSE_FOR, Evidence, EvidenceKeeper, LooseEvidence
from kovra.store.tables import Evidence as Rows

PICTURE = b"\x89PNG picture"


def a_file(**changes):
    facts = {"filename": "scam.png", "media_type": "image/png", "size": len(PICTURE), "url": "https://cdn/1"}
    return SeenFile(**(facts | {"status": FileStatus.WAITING} | changes))


@pytest.fixture
def message(say, clock):
    return SeenMessage(
        channel_id=say.MOD_LOG,
        message_id=77,
        author_id=say.QUILLON,
        author_name="Quillon",
        content="free nitro",
        embeds=[{"title": "nitro"}],
        sent_at=clock.now(),
        edited_at=None,
        files=[a_file(), a_file(filename="page.html", status=FileStatus.WRONG_TYPE)],
    )


@pytest.fixture
def keeper(bot, mirror):
    return EvidenceKeeper(bot)


@pytest.fixture
def evidence(web):
    return Evidence(web)


def test_a_message_is_kept_with_its_files_and_their_digests(keeper, evidence, guard, accept, odalys, say, message):
    kept, receipt = accept()
    keeper.keep(say.HARBOUR, receipt.request_id, say.ODALYS, message)
    keeper.keep(say.HARBOUR, receipt.request_id, say.ODALYS, message)
    assert keeper.waiting(say.HARBOUR, receipt.request_id) == [(0, "https://cdn/1")]
    keeper.fetched(say.HARBOUR, receipt.request_id, 0, PICTURE)
    keeper.fetched(say.HARBOUR, receipt.request_id, 0, FileStatus.LOST)
    number = guard.carry(kept).case_no

    found = evidence.of_request(odalys, receipt.request_id)
    assert (found.content, found.embeds) == ("free nitro", [{"title": "nitro"}])
    picture, page = found.files
    assert (picture.status, picture.sha256) == (FileStatus.KEPT, hashlib.sha256(PICTURE).hexdigest())
    assert (page.status, page.sha256) == (FileStatus.WRONG_TYPE, None)
    assert evidence.file(odalys, number, 0) == ("scam.png", PICTURE)
    assert evidence.file(odalys, number, 1) is None
    assert evidence.file(odalys, number + 1, 0) is None


def test_another_server_reads_none_of_it(keeper, evidence, guilds, guard, accept, say, message):
    kept, receipt = accept()
    keeper.keep(say.HARBOUR, receipt.request_id, say.ODALYS, message)
    keeper.fetched(say.HARBOUR, receipt.request_id, 0, PICTURE)
    number = guard.carry(kept).case_no
    pell = guilds.scope(say.PELL, say.MEADOW)

    assert evidence.of_request(pell, receipt.request_id) is None
    assert evidence.file(pell, number, 0) is None


def test_the_bot_can_change_nothing_of_what_was_said(keeper, bot, say, message):
    request_id = new_request_id()
    keeper.keep(say.HARBOUR, request_id, say.ODALYS, message)

    def rewrite():
        with bot.transaction(say.HARBOUR) as session:
            session.get(Rows, (say.HARBOUR, request_id)).content = "nothing"

    with pytest.raises(ProgrammingError):
        rewrite()


def test_what_no_case_stands_on_is_forgotten(keeper, worker, evidence, guard, accept, odalys, clock, say, message):
    kept, receipt = accept()
    _, waits = accept(target_id=say.PELL)
    dismissed = new_request_id()
    for request_id in (receipt.request_id, waits.request_id, dismissed):
        keeper.keep(say.HARBOUR, request_id, say.ODALYS, message)
    guard.carry(kept)
    loose = LooseEvidence(worker)

    assert loose.prune_everywhere() == 0
    clock.forward(seconds=(LOOSE_FOR + timedelta(minutes=1)).total_seconds())
    assert loose.prune_everywhere() == 1

    assert evidence.of_request(odalys, receipt.request_id)
    assert evidence.of_request(odalys, waits.request_id)
    assert evidence.of_request(odalys, dismissed) is None
    assert loose.prune_everywhere() == 0
