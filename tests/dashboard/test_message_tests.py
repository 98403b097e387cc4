"""Test messages on the settings pages."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from kovra.guard.message_tests import COMMON, NOTICE, Arrival
from kovra.ids import ChannelId
from kovra.store.message_tests import MessageTestLedger

LOG = ChannelId(500)


@pytest.fixture
def ended(site, cast):
    """``ended(status, code)``: what becomes of the test that was asked for."""

    def end(status, code=None, channel_id=LOG):
        ledger = MessageTestLedger(site.worker)
        ledger.end_test(ledger.next_test(cast.harbour), status, code=code, channel_id=channel_id)

    return end


@pytest.fixture
def ask(site, cast):
    def send(kind=COMMON):
        return site.signed_in(cast.admin).post(f"/g/{cast.harbour}/settings/tests", {"kind": kind})

    return send


def shown(site, cast, section="logging", **query):
    page = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/settings/{section}", query_string=query)
    return page.get_data(as_text=True).split('id="message-tests"')[1]


def test_what_is_posted_somewhere_can_be_tried(site, cast, ask):
    before = shown(site, cast)

    answer = ask().get_data(as_text=True)

    assert "in # mod-log" in before
    assert 'id="mt-joins"' not in before  # nobody has chosen a channel for it
    assert "On its way." in answer
    assert "Odalys" in answer


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (Arrival.SENT, None, "Sent"),
        (Arrival.REFUSED, 50013, "Not sent. Guard may not post there. Give it View Channel, Send Messages"),
        (Arrival.REFUSED, 10003, "The channel is gone. Choose another above."),
        (Arrival.REFUSED, 40333, "Discord refused it (code 40333). The health check may say why."),
        (Arrival.UNREACHED, None, "Discord could not be reached for a minute: send again later."),
        (Arrival.UNKNOWN, None, "Perhaps sent: Discord gave no answer."),
        (Arrival.NOWHERE, None, "No channel is chosen for it any more"),
    ],
)
def test_the_page_says_what_became_of_it_and_what_to_do(site, cast, ask, ended, status, code, said):
    ask()
    ended(status, code)

    assert said in shown(site, cast)


def test_a_notice_is_sent_to_whoever_asks_and_a_closed_door_is_told(site, cast, ask, ended):
    ask(NOTICE + "mute")
    ended(Arrival.REFUSED, 50007, None)

    page = shown(site, cast, "notices", action="mute")

    assert "as a DM to you" in page
    assert "Allow DMs from members of this server in your privacy settings" in page
    assert "Allow DMs" not in shown(site, cast, "notices", action="ban")


def test_asking_again_at_once_is_refused_with_when_it_works(site, cast, ask, owner, words):
    ask()

    again = ask()

    assert again.status_code == 200
    assert "One was asked for just now. Try again in" in again.get_data(as_text=True)
    kept = [entry for entry in words(owner, cast.harbour) if entry["kind"] == "message.tested"]
    assert [(entry["actor_id"], entry["facts"]) for entry in kept] == [(cast.admin, {"what": "common"})]
    log = site.signed_in(cast.admin).get(f"/g/{cast.harbour}/audit").get_data(as_text=True)
    assert "Test message" in log


def test_without_a_script_one_lands_on_the_section_again(site, cast):
    from tests.dashboard.visitor import ORIGIN

    admin = site.signed_in(cast.admin)

    posts = admin.post(f"/g/{cast.harbour}/settings/tests", {"kind": COMMON}, headers=ORIGIN)
    notice = admin.post(f"/g/{cast.harbour}/settings/tests", {"kind": NOTICE + "ban"}, headers=ORIGIN)

    assert posts.headers["Location"].endswith("/settings/logging")
    assert notice.headers["Location"].endswith("/settings/notices?action=ban")


def test_a_kind_that_is_none_asks_for_nothing(site, cast, ask, owner):
    answer = ask("notice_everybody")

    assert "There is no such test. Open the page anew." in answer.get_data(as_text=True)
    with owner.transaction(cast.harbour) as session:
        assert session.execute(text("SELECT count(*) FROM message_tests")).scalar_one() == 0
