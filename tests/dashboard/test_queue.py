"""The Action Queue page: what is where, who decides about it, and what the page says of it."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.dashboard import queue_words
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.desk import LaneDesk
from kovra.queue.outbox import QUEUE, lane_message
from kovra.store.audit import AuditLog


def request_of(answer):
    return UUID(re.search(r'id="toast-([0-9a-f-]{36})"', answer.get_data(as_text=True))[1])


@pytest.fixture
def end(owner, cast):
    """``end(id, state, why)``: a request that failed or gave up."""

    def make(request_id, state, why="Discord did not answer ten times."):
        with owner.transaction(cast.harbour) as session:
            session.execute(
                text(
                    "UPDATE action_requests SET state = :state, done_at = clock_timestamp(), attempts = 10, "
                    "failure_kind = 'attempts', failure_sentence = :why WHERE request_id = :id"
                ),
                {"id": request_id, "state": state, "why": why},
            )

    return make


@pytest.fixture
def letter(site, valkey_url, cast):
    """An entry that lies aside on the harbour's lane: nobody here knows its actor."""
    broker = LanesBroker(connect(valkey_url), middleware=[])
    broker.declare_queue(QUEUE)
    message = lane_message(guild_id=cast.harbour, target_id=5, request_id="one", body=b"x", kid="k", sig="s")
    desk = LaneDesk(broker=broker, audit=AuditLog(site.database, b"a" * 32))
    consumer = broker.consume(QUEUE, prefetch=10, timeout=100)
    broker.offer(message)
    while not (found := desk.letters(cast.harbour)):
        next(consumer)
    consumer.close()
    yield found[0]
    broker.discard(found[0].id)
    broker.close()


def page(site, cast, tab="active", who=None):
    return site.signed_in(who or cast.moderator).get(f"/g/{cast.harbour}/queue?tab={tab}").get_data(as_text=True)


def test_what_waits_and_what_ended_lately_stand_in_one_list(site, cast):
    who = site.signed_in(cast.moderator)
    waits, done = request_of(who.ask(Action.KICK)), request_of(who.ask(Action.WARN))
    number = site.carry_out(done)

    shown = page(site, cast)

    assert shown.index(f'id="q-{done}"') < shown.index(f'id="q-{waits}"')
    assert f"#{number}</a>" in shown
    assert '<span class="count" id="count-active">1</span>' in shown


def test_one_that_failed_says_why_and_can_be_asked_again(site, cast, end):
    end(request_of(site.signed_in(cast.moderator).ask(Action.KICK)), "failed", "Discord refused the kick: too low.")

    shown = page(site, cast, "failed")

    assert "Discord refused the kick: too low." in shown
    assert "Ask again" in shown
    assert f"target={cast.quillon}&amp;action=kick" in shown


def test_a_dead_one_is_retried_after_a_question_and_on_record(site, cast, end, owner, words):
    request_id = request_of(site.signed_in(cast.moderator).ask(Action.KICK))
    end(request_id, "dead")
    admin = site.signed_in(cast.admin)
    address = f"/g/{cast.harbour}/queue/dead/{request_id}/retry"

    asked = admin.fragment(address).get_data(as_text=True)
    before = [entry["kind"] for entry in words(owner, cast.harbour)]
    retried = admin.post(address)
    again = admin.post(address)

    assert "Retry the kick of <bdi>Quillon</bdi>" in asked
    assert "action.retried" not in before
    assert (retried.status_code, again.status_code) == (200, 409)
    assert "Queued" in retried.get_data(as_text=True)
    assert "only a request that gave up" in again.get_data(as_text=True)
    kept = [entry for entry in words(owner, cast.harbour) if entry["kind"] == "action.retried"]
    assert [(entry["actor_id"], entry["facts"]["request_id"]) for entry in kept] == [(cast.admin, str(request_id))]


def test_a_discarded_one_leaves_the_list(site, cast, end):
    request_id = request_of(site.signed_in(cast.moderator).ask(Action.KICK))
    end(request_id, "dead")
    admin = site.signed_in(cast.admin)

    answer = admin.post(f"/g/{cast.harbour}/queue/dead/{request_id}/discard")

    assert answer.status_code == 200
    assert f"q-{request_id}" not in page(site, cast, "dead")
    assert "Somebody has decided" in admin.fragment(f"/g/{cast.harbour}/queue/dead/{request_id}/retry").get_data(
        as_text=True
    )


def all_of(drawn):
    """What the dialog about all dead letters would send, but for the number that is typed."""
    return {name: re.search(rf'name="{name}" value="([^"]*)"', drawn)[1] for name in ("requests", "letters")}


def test_all_dead_letters_are_decided_about_at_once_each_on_record(site, cast, end, letter, owner, words):
    moderator, admin = site.signed_in(cast.moderator), site.signed_in(cast.admin)
    dead = [request_of(moderator.ask(action)) for action in (Action.KICK, Action.WARN)]
    for request_id in dead:
        end(request_id, "dead")
    address = f"/g/{cast.harbour}/queue/dead/all/retry"

    drawn = admin.fragment(address).get_data(as_text=True)
    later = request_of(moderator.ask(Action.NOTE))
    end(later, "dead")
    unsure = admin.post(address, all_of(drawn) | {"count": "2"})
    retried = admin.post(address, all_of(drawn) | {"count": "3"})
    again = admin.post(address, all_of(drawn) | {"count": "3"})

    assert "Retry 3 dead letters" in drawn
    assert (unsure.status_code, retried.status_code) == (409, 200)
    assert "3 dead letters tried again" in retried.get_data(as_text=True)
    assert re.search(r"[01] of 3 dead letters tried again", again.get_data(as_text=True))
    assert f"q-{later}" in page(site, cast, "dead", cast.admin)
    kept = [entry for entry in words(owner, cast.harbour) if entry["kind"] == "action.retried"]
    assert {entry["facts"]["request_id"] for entry in kept} == {str(request_id) for request_id in dead}
    assert {entry["actor_id"] for entry in kept} == {cast.admin}


def test_no_more_than_a_hundred_are_decided_about_at_once(site, cast, end):
    request_id = request_of(site.signed_in(cast.moderator).ask(Action.KICK))
    end(request_id, "dead")
    many = " ".join([str(request_id), *(str(uuid4()) for _ in range(100))])

    answer = site.signed_in(cast.admin).post(
        f"/g/{cast.harbour}/queue/dead/all/discard", {"requests": many, "letters": "", "count": "101"}
    )

    assert answer.status_code == 409
    assert f"q-{request_id}" in page(site, cast, "dead")


def test_what_waits_can_be_cancelled_from_its_row_by_those_who_may(site, cast):
    request_id = request_of(site.signed_in(cast.moderator).ask(Action.KICK))
    address = f"/g/{cast.harbour}/requests/{request_id}/cancel"

    trial, mine = page(site, cast, who=cast.trial), page(site, cast)
    answer = site.signed_in(cast.moderator).post(address)

    assert (address in trial, address in mine) == (False, True)
    assert answer.status_code == 200
    ended = page(site, cast)
    assert "Cancelled" in ended
    assert address not in ended


def test_a_failure_that_says_only_what_happened_gets_its_remedy(site, cast, end, owner):
    request_id = request_of(site.signed_in(cast.moderator).ask(Action.KICK))
    end(request_id, "failed", "Quillon left the server before Guard could kick them. Nothing was done.")
    with owner.transaction(cast.harbour) as session:
        session.execute(text("UPDATE action_requests SET failure_kind = 'target_gone'"))

    assert "A ban still reaches them by their id." in page(site, cast, "failed")


def test_who_may_not_decide_sees_it_without_buttons(site, cast, end):
    end(request_of(site.signed_in(cast.moderator).ask(Action.KICK)), "dead")

    moderator, admin = page(site, cast, "dead"), page(site, cast, "dead", cast.admin)

    assert "Discord did not answer ten times." in moderator
    assert "takes the capability “queue_ops”" in moderator
    assert ("Discard</button>" in moderator, "Discard</button>" in admin) == (False, True)


def test_an_entry_that_lies_aside_is_explained_and_thrown_away(site, cast, letter, owner, words):
    admin = site.signed_in(cast.admin)

    shown = page(site, cast, "dead", cast.admin)
    asked = admin.fragment(f"/g/{cast.harbour}/queue/letter/discard?letter={letter.id}").get_data(as_text=True)
    answer = admin.post(f"/g/{cast.harbour}/queue/letter/discard", {"letter": letter.id})

    assert queue_words.letter("actor")[0] in shown
    assert "Discard an entry of the lane" in asked
    assert answer.status_code == 200
    assert "No dead letters" in page(site, cast, "dead", cast.admin)
    assert "letter.discarded" in [entry["kind"] for entry in words(owner, cast.harbour)]


def test_a_letter_of_another_guild_is_not_there(site, cast, letter):
    neighbour = site.signed_in(cast.neighbour)

    answer = neighbour.post(f"/g/{cast.meadow}/queue/letter/discard", {"letter": letter.id})

    assert answer.status_code == 409
    assert queue_words.letter("actor")[0] in page(site, cast, "dead")


def test_the_lane_is_paused_with_a_name_and_resumed(site, cast):
    admin = site.signed_in(cast.admin, "Odalys")

    admin.post(f"/g/{cast.harbour}/queue/pause")
    paused = page(site, cast)
    admin.post(f"/g/{cast.harbour}/queue/resume")

    assert "Paused by <bdi>Odalys</bdi>" in paused
    assert "Paused by" not in page(site, cast)


def test_chart_and_table_show_the_same_times(site, cast):
    site.carry_out(request_of(site.signed_in(cast.moderator).ask()))

    shown = page(site, cast)

    said = re.search(r'aria-label="Latency of actions\. ([^"]+)"', shown)[1]
    assert said.startswith("1 single action in the last hour")
    table = shown.split("Latency, as a table")[1].split("</table>")[0]
    assert len(re.findall(r'<td class="r">1</td>', table)) == 1
    assert "1 s promise" in shown


def test_a_note_is_nothing_to_those_who_may_not_read_notes(site, cast):
    from dataclasses import replace

    from kovra.actions.capabilities import Capability
    from kovra.store import guilds

    asked = request_of(site.signed_in(cast.moderator).ask(Action.NOTE))
    known = site.app.extensions["kovra"]
    reader = known.guilds.scope(cast.moderator, cast.harbour)
    held = {name: limit for name, limit in reader.capabilities.items() if name is not Capability.VIEW_NOTES}
    other = replace(reader, capabilities=held, made=guilds._BUILT_HERE)

    seen = [
        [one.request_id for one in known.traffic.moving(scope, lately=queue_lately(), limit=9)]
        for scope in (reader, other)
    ]

    assert seen == [[asked], []]


def queue_lately():
    from kovra.dashboard.pages.queue import LATELY

    return LATELY


def test_every_cause_of_a_dead_letter_has_words_and_a_remedy():
    for cause in ("failed", "poison", "actor", "fields", "lane", "check", "signature"):
        happened, remedy = queue_words.letter(cause)

        assert (happened[-1], remedy[-1]) == (".", ".")
