"""The action dialog for each kind of target: people, channels, the server."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.ids import ChannelId, RoleId, new_request_id
from kovra.store.mirror import ChannelRow

TOWN = ChannelId(500_000_000_000_000_001)
TRIAL_ROLE = RoleId(400_000_000_000_000_004)


@pytest.fixture
def admin(site, cast, mirror):
    mirror.channels(cast.harbour, [ChannelRow(channel_id=TOWN, name="town", kind=0)])
    return site.signed_in(cast.admin)


@pytest.fixture
def asked(owner, cast):
    """What was asked for, as it was sealed: action, target and parameters."""

    def read():
        with owner.transaction(cast.harbour) as session:
            rows = session.execute(text("SELECT body, state FROM action_requests ORDER BY created_at")).all()
        bodies = [json.loads(bytes(row.body)) for row in rows]
        return [(body["action"], int(body["target_id"]), body["params"]) for body in bodies]

    return read


def drawn(who, cast, words):
    return who.fragment(f"/g/{cast.harbour}/act?{words}").get_data(as_text=True)


def send(who, cast, action, target, on="member", **more):
    form = {"request_id": str(new_request_id()), "action": action.value, "target_id": str(target), "on": on}
    return who.post(f"/g/{cast.harbour}/actions", form | {"reason": "tidying up"} | more)


def test_every_kind_of_action_is_asked_for_with_what_it_takes(admin, cast, asked):
    who = cast.quillon
    answers = [
        send(admin, cast, Action.SOFTBAN, who, delete_window_s="3600"),
        send(admin, cast, Action.QUARANTINE, cast.nobody, ban_duration_s="86400"),
        send(admin, cast, Action.ROLE_ADD, who, role_id=str(TRIAL_ROLE)),
        send(admin, cast, Action.PURGE, who, count="20", channel_id=str(TOWN)),
        send(admin, cast, Action.PURGE, cast.trial, count="20", channel_id=""),
        send(admin, cast, Action.PURGE, TOWN, on="channel", count="5"),
        send(admin, cast, Action.LOCK, TOWN, on="channel", ban_duration_s="0"),
        send(admin, cast, Action.SLOWMODE, TOWN, on="channel", slow_s="30", ban_duration_s="3600"),
        send(admin, cast, Action.LOCKDOWN, cast.harbour, on="server", ban_duration_s="3600"),
    ]

    assert [answer.status_code for answer in answers] == [202] * 9
    assert asked() == [
        ("softban", who, {"delete_window_s": 3600}),
        ("quarantine", cast.nobody, {"duration_s": 86400}),
        ("role_add", who, {"role_id": TRIAL_ROLE}),
        ("purge", who, {"count": 20, "of_member": 1, "channel_id": TOWN}),
        ("purge", cast.trial, {"count": 20, "of_member": 1}),
        ("purge", TOWN, {"count": 5}),
        ("lock", TOWN, {}),
        ("slowmode", TOWN, {"slow_s": 30, "duration_s": 3600}),
        ("lockdown", cast.harbour, {"duration_s": 3600}),
    ]


@pytest.mark.parametrize(
    ("action", "on", "field"),
    [
        (Action.ROLE_ADD, "member", "role_id"),
        (Action.PURGE, "channel", "count"),
        (Action.SLOWMODE, "channel", "slow_s"),
    ],
)
def test_what_an_action_cannot_be_without_is_said_at_its_field(admin, cast, asked, action, on, field):
    answer = send(admin, cast, action, cast.quillon if on == "member" else TOWN, on=on)

    assert answer.status_code == 422
    assert f'id="act-{field}-err"' in answer.get_data(as_text=True)
    assert asked() == []


def test_a_dm_that_is_switched_off_is_not_sent(admin, cast, asked):
    send(admin, cast, Action.WARN, cast.quillon, asks_notice="1")
    send(admin, cast, Action.WARN, cast.quillon, asks_notice="1", notice="1")
    send(admin, cast, Action.NOTE, cast.quillon, asks_notice="1")

    assert [params for _, _, params in asked()] == [{"notice": 0}, {}, {}]


def test_the_dm_is_shown_as_it_will_read(admin, cast):
    mute = drawn(admin, cast, f"action=mute&target={cast.quillon}&duration_s=3600")
    note = drawn(admin, cast, f"action=note&target={cast.quillon}")
    off = drawn(admin, cast, f"action=mute&target={cast.quillon}&asks_notice=1")

    preview = re.search(r"<div data-with hidden>(.*?)</div>", mute, re.DOTALL)[1]
    assert "You have been muted in Harbour." in preview
    assert re.search(r"Until: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", preview)
    assert preview.endswith("Reason: <b data-reason></b>")
    assert "Reason" not in re.search(r"<div data-without>(.*?)</div>", mute, re.DOTALL)[1]
    assert "data-preview" not in note
    assert "data-preview" not in off
    assert "No DM is sent" in off


def test_a_channel_is_chosen_and_what_guard_holds_there_can_be_lifted(admin, cast, owner):
    picker = drawn(admin, cast, "action=lock")
    locked = drawn(admin, cast, f"action=lock&on=channel&target={TOWN}")
    with owner.transaction(cast.harbour) as session:
        session.execute(
            text(
                "INSERT INTO holds (guild_id, kind, target_id, request_id, case_no, was, set_at) "
                "VALUES (:g, 'lock', :c, gen_random_uuid(), 1, '{}', now())"
            ),
            {"g": cast.harbour, "c": TOWN},
        )
    held = drawn(admin, cast, f"on=channel&target={TOWN}")

    assert f"target={TOWN}&amp;action=lock&amp;on=channel" in picker
    assert re.findall(r'name="action" value="(\w+)"', locked) == ["lock", "slowmode", "purge"]
    assert re.search(r'value="unlock"[^>]* checked', held)
    assert "Lock by Guard" in held


def test_roles_out_of_reach_are_shown_with_the_reason_and_cannot_be_chosen(admin, cast):
    give = drawn(admin, cast, f"action=role_add&target={cast.quillon}")
    take = drawn(admin, cast, f"action=role_remove&target={cast.quillon}")

    offered = re.findall(r"<option [^>]*?( selected)?( disabled)?>([^<]+)</option>", give.split('name="role_id"')[1])
    assert [(name, bool(chosen), bool(barred)) for chosen, barred, name in offered[:5]] == [
        ("Guard · not below Guard’s role", False, True),
        ("Admin · not below yours", False, True),
        ("Moderator", True, False),
        ("Trial", False, False),
        ("Auditor", False, False),
    ]
    assert "They have no role below yours and Guard’s that can be taken." in take


def test_what_is_under_way_is_said_before_it_is_asked_for_again(admin, cast):
    send(admin, cast, Action.KICK, cast.quillon)

    again = drawn(admin, cast, f"action=kick&target={cast.quillon}")
    banned = drawn(admin, cast, f"action=ban&target={cast.banned}")

    assert "is already queued, asked for by you" in again
    assert "asked for by" not in drawn(admin, cast, f"action=warn&target={cast.quillon}")
    assert "is already banned, with no end" in banned
