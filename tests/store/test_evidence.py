"""Messages that are kept: who may read them, what is forgotten, and that nothing of them can be changed."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError

from kovra.guard.evidence import FileStatus, SeenFile, SeenMessage
from kovra.ids import new_request_id
from kovra.store.events import Events
from kovra.store.evidence import LOOSE_FOR, Evidence, EvidenceKeeper, LooseEvidence
from kovra.store.forgetting import EVIDENCE_DAYS, LOST_AFTER, Forgetting
from kovra.store.settings import SettingsBook
from kovra.store.tables import Evidence as Rows
from kovra.store.tables import EvidenceFiles

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
def rows_of_files(worker, say):
    """The states of all files, in their order."""

    def read():
        with worker.transaction(say.HARBOUR) as session:
            return session.scalars(select(EvidenceFiles.status).order_by(EvidenceFiles.place)).all()

    return read


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


def test_one_look_settles_so_many_and_what_waits_is_in_nobodys_way(
    keeper, worker, evidence, guard, accept, odalys, clock, count_rows, say, message
):
    _, waits = accept(target_id=say.PELL)
    kept, stands = accept()
    for request_id in (waits.request_id, stands.request_id):
        keeper.keep(say.HARBOUR, request_id, say.ODALYS, message)
        clock.forward(seconds=1)
    guard.carry(kept)
    for _ in range(3):
        keeper.keep(say.HARBOUR, new_request_id(), say.ODALYS, message)
        clock.forward(seconds=1)
    clock.forward(seconds=LOOSE_FOR.total_seconds())
    loose = LooseEvidence(worker, at_once=2)

    # The first look has the one that a case stands on among its two.
    assert [loose.prune_everywhere() for _ in range(4)] == [1, 2, 0, 0]

    assert count_rows("SELECT count(*) FROM evidence") == 2
    assert count_rows("SELECT count(*) FROM evidence_files") == 2 * len(message.files)
    assert evidence.of_request(odalys, waits.request_id)
    assert evidence.of_request(odalys, stands.request_id)


@pytest.fixture
def keeps_for(web, guilds, say):
    """``keeps_for(days)`` sets how long the server keeps evidence."""

    def change(days):
        owner = guilds.scope(say.OWNER, say.HARBOUR)
        assert SettingsBook(web, say.AUDIT_KEY).change_retention(owner, {EVIDENCE_DAYS: days}) == {}

    return change


@pytest.fixture
def stands_on(keeper, guard, accept, message, say):
    """``stands_on(target)`` makes a case that stands on a message with a picture; gives its request and number."""

    def make(**wish):
        kept, receipt = accept(**wish)
        keeper.keep(say.HARBOUR, receipt.request_id, say.ODALYS, message)
        keeper.fetched(say.HARBOUR, receipt.request_id, 0, PICTURE)
        return receipt.request_id, guard.carry(kept).case_no

    return make


def test_evidence_whose_term_is_over_is_forgotten_and_that_it_was_stays(
    stands_on, keeps_for, worker, web, evidence, audit_log, odalys, clock, say
):
    request_id, number = stands_on()
    forgetting = Forgetting(worker, say.AUDIT_KEY)
    keeps_for(30)
    clock.forward(seconds=timedelta(days=29).total_seconds())
    LooseEvidence(worker).prune_everywhere()
    assert forgetting.forget_everywhere() == 0
    clock.forward(seconds=timedelta(days=2).total_seconds())
    events = Events(web)
    newest = events.newest([say.HARBOUR])[say.HARBOUR]

    assert forgetting.forget_everywhere() == 1
    assert forgetting.forget_everywhere() == 0

    left = evidence.of_request(odalys, request_id)
    assert (left.content, left.embeds, left.author_name, left.forgotten_at) == ("", [], "", clock.now())
    assert (left.author_id, left.message_id) == (say.QUILLON, 77)
    picture, page = left.files
    assert (picture.status, picture.filename, picture.kept_size) == (FileStatus.FORGOTTEN, "", None)
    assert (picture.sha256, page.sha256) == (hashlib.sha256(PICTURE).hexdigest(), None)
    assert evidence.file(odalys, number, 0) is None
    [entry] = [one for one in audit_log.entries(odalys) if one.kind == "evidence.forgotten"]
    assert (entry.actor_id, entry.facts) == (None, {"messages": 1, "days": 30, "cases": [number]})
    [told] = events.after(say.HARBOUR, newest)
    assert (told.kind, told.facts["case_no"]) == ("case.updated", number)


def test_evidence_is_kept_for_ever_unless_somebody_sets_a_term(
    stands_on, keeps_for, worker, evidence, odalys, clock, say
):
    request_id, _ = stands_on()
    keeps_for(1)
    keeps_for(None)
    clock.forward(seconds=timedelta(days=4000).total_seconds())
    LooseEvidence(worker).prune_everywhere()

    assert Forgetting(worker, say.AUDIT_KEY).forget_everywhere() == 0
    assert evidence.of_request(odalys, request_id).content == "free nitro"


def test_one_look_forgets_so_many_and_the_oldest_first(stands_on, keeps_for, worker, evidence, odalys, clock, say):
    old, _ = stands_on()
    clock.forward(seconds=60)
    younger, _ = stands_on(target_id=say.PELL)
    keeps_for(1)
    clock.forward(seconds=timedelta(days=3).total_seconds())
    LooseEvidence(worker).prune_everywhere()
    forgetting = Forgetting(worker, say.AUDIT_KEY, at_once=1)

    assert forgetting.forget_everywhere() == 1

    assert evidence.of_request(odalys, old).forgotten_at
    assert evidence.of_request(odalys, younger).forgotten_at is None
    assert forgetting.forget_everywhere() == 1


def test_a_file_that_nobody_fetches_any_more_is_lost(keeper, worker, rows_of_files, clock, say, message):
    keeper.keep(say.HARBOUR, new_request_id(), say.ODALYS, message)
    forgetting = Forgetting(worker, say.AUDIT_KEY)

    assert forgetting.give_up_files_everywhere() == 0
    clock.forward(seconds=LOST_AFTER.total_seconds() + 1)
    assert forgetting.give_up_files_everywhere() == 1

    assert rows_of_files() == ["lost", "wrong_type"]
