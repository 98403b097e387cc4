"""The forgeries of ``chaos attack``: every field in every way, and each of them a forgery."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.chaos.forgeries import BODY_FIELDS, PARTS, WAYS, Envelope, garbage, spoiled, whole
from kovra.actions.envelope import Key, open_envelope, seal
from kovra.actions.request import Action, ActionRequest, Source
from kovra.errors import EnvelopeRefused
from kovra.ids import GuildId, UserId, new_request_id

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WEB, OTHER = (Key(kid=kid, ring="web", secret=kid.encode() * 8) for kid in ("web1", "web2"))
GUARD, FORGER = Key(kid="guard1", ring="guard", secret=b"g" * 32), Key(kid="web9", ring="web", secret=b"f" * 32)
KEYS = {key.kid: key for key in (WEB, OTHER, GUARD)}


@pytest.fixture(params=[Action.BAN, Action.MUTE, Action.NOTE])
def true(request):
    params = {Action.BAN: {"delete_window_s": 0}, Action.MUTE: {"duration_s": 60}}.get(request.param, {})
    wish = ActionRequest(
        request_id=new_request_id(),
        guild_id=GuildId(210_000_000_000_000_001),
        action=request.param,
        target_id=UserId(310_000_000_000_000_002),
        moderator_id=UserId(310_000_000_000_000_003),
        source=Source.DASHBOARD,
        reason="chaos",
        issued_at=NOON,
        params=params,
    )
    sealed = seal(wish, WEB, NOON + timedelta(hours=1))
    return Envelope(wish.guild_id, wish.target_id, str(wish.request_id), sealed.body, sealed.kid, sealed.sig)


def opened(forgery):
    """What the executor would make of it; None when it is refused before any row is asked."""
    kwargs = json.loads(forgery.fields["d"])["kwargs"]
    try:
        return open_envelope(
            base64.b64decode(kwargs["body"]), kwargs["kid"], kwargs["sig"], keys=KEYS, lane=GuildId(forgery.lane)
        )
    except EnvelopeRefused:
        return None


def test_every_field_is_spoiled_in_every_way(true):
    made = [forgery.what for forgery in spoiled(true, WEB)]

    assert {f"{way} {field}" for field in (*BODY_FIELDS, *PARTS) for way in WAYS} <= set(made)
    assert len(BODY_FIELDS) + len(PARTS) == 14
    assert len(made) == (2 * len(BODY_FIELDS) + len(PARTS)) * len(WAYS)


def test_no_spoiled_body_is_the_true_one(true):
    bodies = [json.loads(forgery.fields["d"])["kwargs"].get("body") for forgery in spoiled(true, WEB)]
    whole_bodies = bodies[: 2 * len(BODY_FIELDS) * len(WAYS)]

    assert base64.b64encode(true.body).decode() not in whole_bodies


def test_without_the_key_nothing_opens_and_with_it_nothing_that_was_accepted(true):
    for forgery in spoiled(true, WEB):
        if forgery.what.endswith("signed again"):
            found = opened(forgery)
            assert found is None or found.body != true.body, forgery.what
        elif forgery.what.split()[-1] not in PARTS:
            assert opened(forgery) is None, forgery.what


def test_only_a_true_copy_opens_as_what_was_accepted(true):
    made = list(whole(true, OTHER, GUARD, FORGER, true.guild_id + 1, 3))

    opens = {forgery.what: opened(forgery) for forgery in made}
    same = [what for what, found in opens.items() if found and (found.kid, found.body) == ("web1", true.body)]

    assert same == [forgery.what for forgery in made if forgery.copy]
    assert same == ["a true copy", "a true copy under another message id"]


def test_garbage_is_made_for_the_guilds_own_lane(true):
    made = list(garbage(true))

    assert {forgery.lane for forgery in made} == {true.guild_id}
    assert max(len(forgery.fields.get("d", b"")) for forgery in made) == 60_000
