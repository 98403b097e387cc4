"""Softbans, roles and quarantines, from submit to the last event, whoever dies on the way."""

import pytest

from kovra.actions.request import Action, State
from kovra.ids import audit_ref


@pytest.fixture(scope="module")
def roles(path):
    """The ordinary roles of the sandbox's server, lowest first."""
    found = path.all(
        "SELECT role_id, name, position FROM roles WHERE guild_id = :g AND NOT managed AND position > 0 "
        "ORDER BY position",
        g=path.guild_id,
    )
    return [row["role_id"] for row in found]


def roles_of(path, user_id):
    return {int(role_id) for role_id in path.discord.member(user_id)["roles"]}


def given(path, target, *role_ids):
    for role_id in role_ids:
        path.run(path.a(Action.ROLE_ADD, target, by="tamsin_reed", params={"role_id": role_id}))


def quarantine(path, target, **params):
    request = path.a(Action.QUARANTINE, target, by="tamsin_reed", reason="token grabber", params=params)
    path.run(request)
    return request


def test_a_softban_is_told_removes_and_lets_come_back(path):
    target = path.discord.someone()
    request = path.a(Action.SOFTBAN, target, params={"delete_window_s": 3600})

    row = path.run(request)

    assert row["state"] == State.DONE
    assert path.discord.member(target) is None
    assert not path.discord.is_banned(target)
    assert path.case_of(request.request_id)["action"] == "softban"
    assert "removed" in path.discord.dms(target)[0]
    effects = path.discord.ask("GET", "effects")["effects"]
    mine = [e["verb"] for e in effects if e["ref"] == audit_ref(request.request_id)[4:-1] and e["changed"]]
    assert mine.count("ban") == mine.count("unban") == 1


def test_a_role_is_given_and_taken(path, roles):
    target = path.discord.someone()

    given(path, target, roles[0])
    assert roles[0] in roles_of(path, target)

    request = path.a(Action.ROLE_REMOVE, target, by="tamsin_reed", params={"role_id": roles[0]})
    path.run(request)
    assert roles[0] not in roles_of(path, target)
    assert path.case_of(request.request_id)["params"] == {"role_id": roles[0]}


def test_a_quarantine_strips_and_lifting_restores(path, roles):
    target = path.discord.someone()
    given(path, target, roles[0], roles[1])
    path.until(lambda: roles[1] in path.first("SELECT role_ids FROM members WHERE user_id = :t", t=target)["role_ids"])
    before = roles_of(path, target)

    request = quarantine(path, target, role_id=roles[2])
    assert roles_of(path, target) == {roles[2]}
    assert path.case_of(request.request_id)["notice_status"] == "sent"
    hold = path.first("SELECT * FROM holds WHERE target_id = :t", t=target)
    assert set(hold["was"]["roles"]) == before

    lifted = path.run(path.a(Action.UNQUARANTINE, target, by="tamsin_reed"))
    assert lifted["state"] == State.DONE
    assert roles_of(path, target) == before
    assert path.first("SELECT * FROM holds WHERE target_id = :t", t=target) is None
    again = path.run(path.a(Action.UNQUARANTINE, target, by="tamsin_reed"))
    assert (again["state"], again["refusal_kind"]) == (State.REJECTED, "already")


def test_a_quarantined_member_who_comes_back_is_in_quarantine_again(path, roles):
    target = path.discord.someone()
    before = roles_of(path, target)
    first = quarantine(path, target, role_id=roles[2])
    user = {"guild_id": str(path.guild_id), "user_id": str(target)}
    path.discord.ask("POST", "leave", user)
    path.until(lambda: path.first("SELECT 1 AS x FROM members WHERE user_id = :t AND gone_at IS NOT NULL", t=target))

    path.discord.ask("POST", "join", user)

    path.until(lambda: path.discord.member(target) and roles_of(path, target) == {roles[2]})
    own = path.until(
        lambda: path.first(
            "SELECT * FROM action_requests WHERE target_id = :t AND action = 'quarantine' AND source = 'system'",
            t=target,
        )
    )
    assert path.end_of(own["request_id"])["state"] == State.DONE
    case = path.case_of(own["request_id"])
    assert case["params"]["for_case"] == path.case_of(first.request_id)["case_no"]
    hold = path.first("SELECT * FROM holds WHERE target_id = :t", t=target)
    assert set(hold["was"]["roles"]) == before
    assert len(path.discord.dms(target)) == 1


def test_a_quarantine_ends_by_itself(path, roles):
    target = path.discord.someone()
    before = roles_of(path, target)
    request = quarantine(path, target, duration_s=2)
    assert roles_of(path, target) == set()

    path.until(lambda: roles_of(path, target) == before)

    end = path.until(
        lambda: (
            (end := path.first("SELECT * FROM scheduled_ends WHERE request_id = :id", id=request.request_id))["state"]
            == "ended"
            and end
        )
    )
    assert end["punishment"] == "quarantine"


def test_whoever_dies_between_the_halves_of_a_softban_nobody_stays_banned(path):
    target = path.discord.someone()
    request = path.a(Action.SOFTBAN, target)
    with path.dying_worker("after_half") as worker:
        path.submit(request)
        path.until(lambda: worker.pid is None)
        assert path.discord.is_banned(target)

    assert path.end_of(request.request_id)["state"] == State.DONE
    assert not path.discord.is_banned(target)
    assert path.case_of(request.request_id)
    assert len(path.discord.dms(target)) == 1
