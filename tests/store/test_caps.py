"""What asks without a moderator is held by a cap of the guild, counted in the transaction that accepts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from kovra.actions.budget import GUILD_CAPS
from kovra.actions.request import Action, RefusalKind, Source


@pytest.fixture
def ask(accept, say):
    """``ask(source=…)``: Guard warns Quillon in its own name."""

    def make(source=Source.AUTOMOD, action=Action.WARN, **changes):
        return accept(action=action, source=source, moderator_id=say.GUARD, **changes)[1]

    return make


@pytest.fixture
def cap(owner, say):
    """``cap(3)``: the guild's own cap."""

    def put(limit, source=Source.AUTOMOD, guild_id=say.HARBOUR):
        with owner.transaction(guild_id) as session:
            session.execute(
                text(
                    "INSERT INTO guild_settings (guild_id, budgets, changed_at) VALUES (:g, cast(:b AS jsonb), now())"
                ),
                {"g": guild_id, "b": f'{{"{source.value}": {limit}}}'},
            )

    return put


def test_beyond_the_cap_it_is_refused_on_record(ask, cap, audit_log, odalys):
    cap(2)

    receipts = [ask() for _ in range(3)]

    refused = receipts[-1].refusal
    assert [receipt.accepted for receipt in receipts] == [True, True, False]
    assert refused.kind is RefusalKind.BUDGET
    assert (
        "the cap of AutoMod in this server is used up, 2 of 2 this hour. It frees up at 13:00 UTC" in refused.sentence
    )
    assert audit_log.entries(odalys)[0].facts["refusal"] == "budget"


def test_all_kinds_of_action_count_together_and_notes_cost_nothing(ask, cap):
    cap(1)
    ask(action=Action.NOTE)

    assert ask(action=Action.KICK).accepted
    assert not ask(action=Action.WARN).accepted
    assert ask(action=Action.NOTE).accepted


def test_an_hour_later_it_is_free_again(ask, cap, clock):
    cap(1)
    ask()
    clock.forward(minutes=60)

    assert ask().accepted


def test_each_source_and_each_guild_has_its_own(ask, cap, say):
    cap(1)
    ask()

    assert ask(source=Source.ANTINUKE).accepted
    assert ask(guild_id=say.MEADOW).accepted


def test_people_and_what_must_come_are_not_held_by_it(ask, cap, accept):
    cap(0)

    assert accept(action=Action.WARN)[1].accepted
    assert ask(source=Source.SYSTEM).accepted


def test_without_a_setting_the_default_holds(ask, owner, say):
    ask()
    spend = text(
        "INSERT INTO action_requests (request_id, guild_id, action, target_id, moderator_id, source, body, kid, sig,"
        " fingerprint, state, issued_at, created_at, accepted_at, expires_at) SELECT gen_random_uuid(), :g, 'warn', n,"
        " :m, 'automod', '', '', '', '', 'done', :t, :t, :t, :t FROM generate_series(1, :many) AS n"
    )
    with owner.transaction(say.HARBOUR) as session:
        many = GUILD_CAPS[Source.AUTOMOD] - 1
        session.execute(spend, {"g": say.HARBOUR, "m": say.GUARD, "t": say.NOON, "many": many})

    assert "300 of 300" in ask().refusal.sentence


def test_twenty_at_once_are_granted_what_the_cap_holds(ask, cap):
    cap(5)

    with ThreadPoolExecutor(20) as hands:
        granted = sum(receipt.accepted for receipt in hands.map(lambda _: ask(), range(20)))

    assert granted == 5
