"""What somebody who can write to Redis can do: nothing that counts, and all of it on record."""

import base64
import dataclasses

import pytest
import redis
from sqlalchemy import text

from kovra import wiring
from kovra.actions import envelope
from kovra.actions.envelope import Key
from kovra.actions.request import Action, State
from kovra.actions.submit import LIFETIME
from kovra.ids import GuildId, new_request_id
from kovra.queue.locks import Offer
from kovra.queue.outbox import QUEUE, lane_message


@pytest.fixture
def broker(path):
    made = wiring.build_broker(path.config, serve=())
    yield made
    made.client.close()


def carry(broker, sealed, lane=None, **more):
    request = sealed.request
    message = lane_message(
        guild_id=lane or request.guild_id,
        target_id=request.target_id,
        request_id=str(more.pop("request_id", request.request_id)),
        body=more.pop("body", sealed.body),
        kid=more.pop("kid", sealed.kid),
        sig=more.pop("sig", sealed.sig),
    )
    broker.offer(message, again=True)


def sealed_by(path, request, key=None):
    key = key or path.config.web_keys[0]
    return envelope.seal(request, key, path.submit.clock.now() + LIFETIME)


def test_forged_entry_is_quarantined_audited_and_not_executed(path, broker):
    forger = Key(kid=path.config.web_keys[0].kid, ring="web", secret=b"\7" * 32)
    request = path.a(Action.BAN, path.discord.someone())

    carry(broker, sealed_by(path, request, forger))

    assert path.until(lambda: path.audit("envelope.refused", cause="signature"))
    assert not path.discord.is_banned(request.target_id)
    assert path.until(lambda: [d for d in broker.dead_letters(QUEUE) if str(request.request_id) in str(d.payload)])


def test_good_key_without_a_row_is_quarantined(path, broker):
    request = path.a(Action.BAN, path.discord.someone())

    carry(broker, sealed_by(path, request))

    assert path.until(lambda: path.audit("envelope.refused", cause="unknown_request"))
    assert not path.discord.is_banned(request.target_id)


def test_altered_body_is_quarantined_and_the_good_row_still_runs(path, broker):
    path.stack.kill("worker")
    request = path.a(Action.WARN, path.discord.someone())
    path.submit(request)
    sealed = sealed_by(path, request)
    other = path.discord.someone()

    carry(
        broker,
        sealed,
        request_id=new_request_id(),
        body=sealed.body.replace(str(request.target_id).encode(), str(other).encode()),
    )
    path.stack.restart("worker")

    assert path.end_of(request.request_id)["state"] == State.DONE
    assert path.until(lambda: path.audit("envelope.refused", cause="signature"))
    assert path.discord.dms(other) == []


def test_resigned_row_with_another_target_is_quarantined(path, broker):
    request = path.a(Action.WARN, path.discord.someone())
    path.run(request)
    other = dataclasses.replace(request, target_id=path.discord.someone())

    carry(broker, sealed_by(path, other), request_id=new_request_id())

    assert path.until(lambda: path.audit("envelope.refused", cause="row_differs", request_id=str(request.request_id)))
    assert path.discord.dms(other.target_id) == []


def test_entry_on_another_guilds_lane_is_quarantined(path, broker):
    path.stack.kill("worker")
    request = path.a(Action.WARN, path.discord.someone())
    path.submit(request)
    wrong = GuildId(request.guild_id + (1 << 22))

    carry(broker, sealed_by(path, request), lane=wrong, request_id=new_request_id())
    path.stack.restart("worker")

    assert path.until(
        lambda: path.all("SELECT 1 FROM audit_log WHERE guild_id = :g AND facts->>'cause' = 'lane'", g=wrong)
    )
    assert path.end_of(request.request_id)["state"] == State.DONE


def test_identical_copy_of_a_finished_request_is_acknowledged_and_does_nothing(path, broker):
    request = path.a(Action.BAN, path.discord.someone())
    row = path.run(request)
    message = lane_message(
        guild_id=request.guild_id,
        target_id=request.target_id,
        request_id=str(request.request_id),
        body=bytes(row["body"]),
        kid=row["kid"],
        sig=row["sig"],
    )

    # The worker tells Redis that it is done a moment later; until then the copy is the same message.
    path.until(lambda: broker.offer(message, again=True) is Offer.ENQUEUED)

    assert path.until(lambda: path.row(request.request_id)["replays"] == 1)
    assert len(path.discord.dms(request.target_id)) == 1
    assert not [d for d in broker.dead_letters(QUEUE) if str(request.request_id) in str(d.payload)]


def test_garbage_in_a_stream_harms_no_neighbour(path, broker):
    lane = str(path.guild_id)
    key = broker.keys.stream(QUEUE, broker.shard_of(lane), lane, 0)
    with redis.Redis.from_url(path.config.redis_url) as raw:
        for fields in ({"x": "y"}, {"d": b"\xff\xfe"}, {"d": base64.b64encode(b"{}")}):
            raw.xadd(key, fields)
    request = path.a(Action.WARN, path.discord.someone())

    row = path.run(request)

    assert row["state"] == State.DONE


@pytest.mark.parametrize(
    "kwargs",
    [
        {"body": 1, "kid": [], "sig": None},
        {"body": "e30="},
        {"body": "e30=", "kid": "k\x00", "sig": "\ud800"},
        {"body": "e30=", "kid": "k", "sig": "s", "more": {"a": [1.5]}},
    ],
)
def test_a_message_of_another_shape_is_quarantined_and_on_record(path, broker, kwargs):
    mark = str(new_request_id())
    before = len(path.audit("envelope.refused", cause="key"))
    good = lane_message(guild_id=path.guild_id, target_id=1, request_id=mark, body=b"", kid="", sig="")

    broker.offer(good.copy(kwargs=kwargs), again=True)

    assert path.until(lambda: [d for d in broker.dead_letters(QUEUE) if mark in str(d.payload)])
    assert len(path.audit("envelope.refused", cause="key")) == before + 1


def test_losing_all_of_redis_loses_no_action(path):
    path.stack.kill("worker")
    requests = [path.a(Action.WARN, path.discord.someone()) for _ in range(5)]
    for request in requests:
        path.submit(request)
    with redis.Redis.from_url(path.config.redis_url) as raw:
        raw.flushall()

    path.stack.restart("worker")

    assert [path.end_of(request.request_id)["state"] for request in requests] == [State.DONE] * 5
    assert [len(path.discord.dms(request.target_id)) for request in requests] == [1] * 5


@pytest.fixture
def spent(path):
    """A moderator who has spent 170 bans: rows, for the rows are the ledger."""
    moderator = path.discord.people["idris.vale"]
    with path.engine.begin() as line:
        line.execute(
            text(
                "INSERT INTO action_requests (request_id, guild_id, action, target_id, moderator_id, source, body, kid,"
                " sig, fingerprint, state, issued_at, created_at, accepted_at, expires_at)"
                " SELECT gen_random_uuid(), :g, 'ban', n, :m, 'dashboard', '', '', '', 'spent', 'done', now(), now(),"
                " now() - interval '20 minutes', now() FROM generate_series(1, 170) AS n"
            ),
            {"g": path.guild_id, "m": moderator},
        )
    yield "idris.vale"
    with path.engine.begin() as line:
        line.execute(text("DELETE FROM action_requests WHERE fingerprint = 'spent'"))


def test_the_171st_ban_of_the_hour_is_refused_with_the_time_it_frees_up(path, spent):
    receipt = path.submit(path.a(Action.BAN, path.discord.someone(), by=spent))

    assert receipt.state is State.REJECTED
    assert "of 170 this hour" in receipt.refusal.sentence
    assert f"{receipt.refusal.until:%H:%M} UTC" in receipt.refusal.sentence
    assert path.audit("action.rejected", request_id=str(receipt.request_id), refusal="budget")
