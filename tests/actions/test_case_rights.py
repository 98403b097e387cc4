"""Who may change a case, and which cases may be changed how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kovra.actions.capabilities import Capability, Limit, Permission, Person
from kovra.actions.case_rights import check
from kovra.actions.request import CASE_ACTS, Action, RefusalKind
from kovra.actions.rights import CaseSeen, Standing
from kovra.errors import Malformed
from kovra.ids import GuildId, UserId
from tests.wishes import needed

OWNER, GUARD, MODERATOR, TARGET = UserId(1), UserId(2), UserId(120_000_000_000_000_002), UserId(130_000_000_000_000_003)
COLLEAGUE = UserId(150_000_000_000_000_005)
P, C = Permission, Capability
EVERY = sum(permission.value for permission in Permission) & ~P.ADMINISTRATOR.value
BAN = CaseSeen(case_no=1, action=Action.BAN, target_id=TARGET, moderator_id=COLLEAGUE, age_s=60, holds=True)
MUTE = replace(BAN, action=Action.MUTE)


def standing(case, permissions=EVERY, grants=None, **target):
    def person(user_id, rank, bits, **more):
        return Person(user_id=user_id, name="someone", **({"member": True, "rank": rank, "permissions": bits} | more))

    return Standing(
        guild_id=GuildId(110_000_000_000_000_001),
        owner_id=OWNER,
        guard=person(GUARD, 9, EVERY, bot=True),
        moderator=person(MODERATOR, 5, permissions),
        target=person(TARGET, target.pop("rank", 1), 0, **target),
        grants=grants or {},
        case=case,
    )


def kind(refusal):
    assert refusal is None or refusal.sentence.endswith(".")
    return refusal and refusal.kind


@pytest.mark.parametrize("action", sorted(CASE_ACTS))
def test_every_act_is_allowed_where_nothing_stands_against_it(a, action):
    assert check(a(action), standing(BAN)) is None


@pytest.mark.parametrize("action", sorted(CASE_ACTS))
def test_a_case_that_is_not_there_or_is_somebody_elses_is_not_known(a, action):
    assert kind(check(a(action), standing(None))) is RefusalKind.CASE_UNKNOWN
    assert kind(check(a(action), standing(replace(BAN, target_id=UserId(9))))) is RefusalKind.CASE_UNKNOWN


@pytest.mark.parametrize("action", sorted(CASE_ACTS - {Action.COMMENT}))
def test_own_cases_take_what_the_case_took_and_others_amend(a, action):
    own = replace(BAN, moderator_id=MODERATOR)
    banning, managing = P.BAN_MEMBERS.value, P.MANAGE_GUILD.value

    assert check(a(action), standing(own, banning)) is None
    assert check(a(action), standing(BAN, managing)) is None
    assert kind(check(a(action), standing(own, managing))) is RefusalKind.NO_CAPABILITY
    assert kind(check(a(action), standing(BAN, banning))) is RefusalKind.NO_CAPABILITY
    assert check(a(action), standing(BAN, 0, {C.AMEND: Limit()})) is None


def test_a_comment_takes_what_a_note_takes_on_any_case(a):
    noting = P.MODERATE_MEMBERS.value

    assert check(a(Action.COMMENT), standing(BAN, noting)) is None
    assert kind(check(a(Action.COMMENT), standing(replace(BAN, moderator_id=MODERATOR), P.BAN_MEMBERS.value)))


@pytest.mark.parametrize("action", sorted(CASE_ACTS))
def test_who_left_the_server_changes_nothing(a, action):
    gone = standing(BAN)
    gone = replace(gone, moderator=replace(gone.moderator, member=False))

    assert kind(check(a(action), gone)) is RefusalKind.NO_LONGER_MEMBER


@pytest.mark.parametrize("action", sorted(CASE_ACTS))
def test_a_void_case_only_takes_comments(a, action):
    refusal = check(a(action), standing(replace(BAN, voided=True)))

    assert kind(refusal) is (None if action is Action.COMMENT else RefusalKind.CASE_STATE)


@pytest.mark.parametrize(
    ("case", "seconds", "expected"),
    [
        (BAN, 3600, None),
        (BAN, 0, None),
        (MUTE, 3600, None),
        (MUTE, 0, RefusalKind.CASE_STATE),
        (replace(BAN, holds=False), 3600, RefusalKind.CASE_STATE),
        (replace(BAN, action=Action.WARN), 3600, RefusalKind.CASE_STATE),
        (replace(BAN, age_s=3600), 3600, RefusalKind.CASE_STATE),
        (replace(BAN, age_s=3599), 3600, None),
    ],
)
def test_only_what_still_holds_gets_another_end_and_not_one_that_is_over(a, case, seconds, expected):
    assert kind(check(a(Action.AMEND, params={"case_no": 1, "duration_s": seconds}), standing(case))) is expected


def test_another_end_takes_the_right_to_act_its_limit_and_a_higher_role(a):
    longer = a(Action.AMEND, params={"case_no": 1, "duration_s": 7200})
    amending = P.MANAGE_GUILD.value

    assert kind(check(longer, standing(MUTE, amending))) is RefusalKind.NO_CAPABILITY
    limited = standing(MUTE, amending, {C.MUTE: Limit(longest_s=3600)})
    assert kind(check(longer, limited)) is RefusalKind.CAPABILITY_LIMIT
    assert check(a(Action.AMEND), limited) is None
    assert kind(check(longer, standing(MUTE, rank=5))) is RefusalKind.OUTRANKED
    assert check(a(Action.AMEND), standing(MUTE, rank=5)) is None


@pytest.mark.parametrize(
    ("case", "target", "expected"),
    [
        (replace(BAN, action=Action.WARN), {}, None),
        (replace(BAN, action=Action.NOTE), {}, RefusalKind.CASE_STATE),
        (replace(BAN, action=Action.UNBAN), {}, RefusalKind.CASE_STATE),
        (BAN, {"member": False}, RefusalKind.NOT_A_MEMBER),
        (MUTE, {"bot": True}, RefusalKind.BOT_TARGET),
    ],
)
def test_a_dm_is_sent_again_to_those_who_are_told_and_can_be(a, case, target, expected):
    assert kind(check(a(Action.RESEND), standing(case, **target))) is expected


def test_an_act_names_its_case_and_an_amendment_says_what_changes(a):
    with pytest.raises(Malformed, match="which case"):
        a(Action.VOID, params={})
    with pytest.raises(Malformed, match="what is to change"):
        a(Action.AMEND, reason="", params=needed(Action.AMEND))
    with pytest.raises(Malformed, match="needs a reason"):
        a(Action.VOID, reason="")
