"""Who may do what to whom: the table of PRODUCT, and every refusal."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from kovra.actions.capabilities import (
    ALL_PERMISSIONS,
    GUARD_NEEDS,
    NEEDS,
    Capability,
    Limit,
    Permission,
)
from kovra.actions.request import TO_CHANNELS, TO_SERVER, Action, RefusalKind, Source
from kovra.actions.rights import MEMBERS_ONLY, OUTRANKING, Place, Role, Standing, check
from kovra.ids import GuildId, RoleId
from tests.actions.people import EVERY_PERMISSION, GUARD, MODERATOR, OWNER, TARGET, person
from tests.wishes import MAKING, ROLE

P, C = Permission, Capability
GIVES = {
    Action.BAN: P.BAN_MEMBERS,
    Action.UNBAN: P.BAN_MEMBERS,
    Action.KICK: P.KICK_MEMBERS,
    Action.MUTE: P.MODERATE_MEMBERS,
    Action.UNMUTE: P.MODERATE_MEMBERS,
    Action.WARN: P.MODERATE_MEMBERS,
    Action.NOTE: P.MODERATE_MEMBERS,
    Action.SOFTBAN: P.BAN_MEMBERS,
    Action.ROLE_ADD: P.MANAGE_ROLES,
    Action.ROLE_REMOVE: P.MANAGE_ROLES,
    Action.QUARANTINE: P.MANAGE_ROLES,
    Action.UNQUARANTINE: P.MANAGE_ROLES,
    Action.LOCKDOWN: P.MANAGE_GUILD,
    Action.LOCKDOWN_OFF: P.MANAGE_GUILD,
    **dict.fromkeys(
        (Action.PURGE, Action.LOCK, Action.UNLOCK, Action.SLOWMODE, Action.SLOWMODE_OFF),
        P.MANAGE_MESSAGES | P.MANAGE_CHANNELS,
    ),
}
PLACES = {Action.PURGE, *TO_CHANNELS, *TO_SERVER}
TO_PEOPLE = [action for action in MAKING if action not in PLACES]


def standing(**changed):
    """A moderator of rank 5 with every permission but Administrator, Guard at 9, a plain target at 1."""
    good = Standing(
        guild_id=GuildId(110_000_000_000_000_001),
        owner_id=OWNER,
        guard=person(GUARD, "Guard", permissions=EVERY_PERMISSION, rank=9, bot=True),
        moderator=person(MODERATOR, "odalys", permissions=EVERY_PERMISSION, rank=5),
        target=person(TARGET, "raider", rank=1),
        role=Role(role_id=RoleId(ROLE), name="Muted", rank=0),
        place=Place(name="#general", kind=0),
    )
    return replace(good, **changed)


def kind(refusal):
    return refusal and refusal.kind


# -- one refusal each ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", MAKING)
def test_every_action_is_allowed_where_nothing_stands_against_it(a, action):
    assert check(a(action), standing()) is None


@pytest.mark.parametrize("action", TO_PEOPLE)
def test_nobody_acts_on_themselves_on_guard_or_on_the_owner(a, action):
    moderator = standing().moderator

    assert kind(check(a(action), standing(target=moderator))) is RefusalKind.SELF
    assert kind(check(a(action), standing(target=standing().guard))) is RefusalKind.GUARD
    assert kind(check(a(action), standing(target=person(OWNER)))) is RefusalKind.OWNER


@pytest.mark.parametrize("action", MAKING)
def test_the_capability_is_needed_and_is_enough(a, action):
    lacking = person(MODERATOR, permissions=EVERY_PERMISSION & ~GIVES[action].value, rank=5)
    holding = person(MODERATOR, permissions=GIVES[action].value, rank=5)

    refusal = check(a(action), standing(moderator=lacking))

    assert kind(refusal) is RefusalKind.NO_CAPABILITY
    assert f"“{NEEDS[action]}”" in refusal.sentence
    assert check(a(action), standing(moderator=holding)) is None
    assert check(a(action), standing(moderator=lacking, grants={NEEDS[action]: Limit()})) is None


@pytest.mark.parametrize("action", MAKING)
def test_who_left_the_server_acts_no_more(a, action):
    gone = person(MODERATOR, member=False, permissions=ALL_PERMISSIONS, rank=5)

    assert kind(check(a(action), standing(moderator=gone))) is RefusalKind.NO_LONGER_MEMBER


@pytest.mark.parametrize(
    ("action", "moderator", "target"), list(itertools.product(TO_PEOPLE, (0, 1, 5), (0, 1, 4, 5, 6)))
)
def test_the_moderator_must_outrank_the_target(a, action, moderator, target):
    now = standing(
        moderator=person(MODERATOR, permissions=EVERY_PERMISSION, rank=moderator), target=person(TARGET, rank=target)
    )

    assert kind(check(a(action), now)) is (None if moderator > target else RefusalKind.OUTRANKED)


@pytest.mark.parametrize("action", TO_PEOPLE)
def test_an_administrator_must_outrank_too_and_the_owner_need_not(a, action):
    target = person(TARGET, rank=5)
    administrator = person(MODERATOR, permissions=P.ADMINISTRATOR.value, rank=5)

    assert kind(check(a(action), standing(moderator=administrator, target=target))) is RefusalKind.OUTRANKED
    assert check(a(action, moderator_id=OWNER), standing(moderator=person(OWNER), target=target)) is None


@pytest.mark.parametrize(("action", "guard", "target"), list(itertools.product(TO_PEOPLE, (1, 4, 9), (0, 1, 4))))
def test_guard_must_outrank_the_target_where_discord_asks_it(a, action, guard, target):
    now = standing(guard=person(GUARD, permissions=EVERY_PERMISSION, rank=guard), target=person(TARGET, rank=target))

    refused = action in OUTRANKING and target >= guard
    assert kind(check(a(action), now)) is (RefusalKind.GUARD_OUTRANKED if refused else None)


@pytest.mark.parametrize("action", MAKING)
def test_guard_needs_its_permission_and_its_membership(a, action):
    needed = GUARD_NEEDS.get(action)
    weak = person(GUARD, permissions=EVERY_PERMISSION & ~(needed.value if needed else 0), rank=9)
    gone = person(GUARD, member=False, permissions=ALL_PERMISSIONS, rank=9)

    assert kind(check(a(action), standing(guard=weak))) is (RefusalKind.GUARD_PERMISSION if needed else None)
    assert kind(check(a(action), standing(guard=gone))) is RefusalKind.GUARD_ABSENT


@pytest.mark.parametrize("action", TO_PEOPLE)
def test_a_bare_id_can_be_banned_unbanned_noted_and_let_out_of_quarantine(a, action):
    stranger = person(TARGET, member=False)

    refused = action in MEMBERS_ONLY
    assert kind(check(a(action), standing(target=stranger))) is (RefusalKind.NOT_A_MEMBER if refused else None)
    assert {action for action in TO_PEOPLE if action not in MEMBERS_ONLY} == {
        Action.BAN,
        Action.UNBAN,
        Action.NOTE,
        Action.UNQUARANTINE,
    }


@pytest.mark.parametrize("action", MAKING)
def test_discord_lets_nobody_mute_an_administrator(a, action):
    administrator = person(TARGET, permissions=P.ADMINISTRATOR.value, rank=1)

    expected = RefusalKind.TARGET_ADMINISTRATOR if action is Action.MUTE else None
    assert kind(check(a(action), standing(target=administrator))) is expected


@pytest.mark.parametrize("action", MAKING)
def test_a_bot_cannot_be_warned(a, action):
    expected = RefusalKind.BOT_TARGET if action is Action.WARN else None

    assert kind(check(a(action), standing(target=person(TARGET, rank=1, bot=True)))) is expected


@pytest.mark.parametrize(("duration_s", "refused"), [(3600, False), (3601, True)])
def test_a_limited_capability_has_its_longest_time(a, duration_s, refused):
    now = standing(moderator=person(MODERATOR, rank=5), grants={C.MUTE: Limit(longest_s=3600)})

    refusal = check(a(Action.MUTE, params={"duration_s": duration_s}), now)

    assert kind(refusal) is (RefusalKind.CAPABILITY_LIMIT if refused else None)
    assert check(a(Action.UNMUTE), now) is None


def test_what_lasts_for_good_is_longer_than_any_limit(a):
    now = standing(moderator=person(MODERATOR, rank=5), grants={C.BAN: Limit(longest_s=1800)})

    refusal = check(a(Action.BAN), now)

    assert kind(refusal) is RefusalKind.CAPABILITY_LIMIT
    assert "30 min" in refusal.sentence
    assert check(a(Action.UNBAN), now) is None


@pytest.mark.parametrize(("action", "source"), list(itertools.product(MAKING, Source)))
def test_without_a_moderator_only_guard_is_measured(a, action, source):
    by_hand = source in (Source.DASHBOARD, Source.DISCORD, Source.API)
    nobody = person(MODERATOR, member=False)

    expected = RefusalKind.NO_LONGER_MEMBER if by_hand else None
    assert kind(check(a(action, source=source), standing(moderator=nobody))) is expected


@pytest.mark.parametrize("action", [Action.UNBAN, Action.MUTE])
def test_an_end_is_kept_only_while_it_stands(a, action):
    keeps = a(action, source=Source.SYSTEM, params={"for_case": 42})

    assert check(keeps, standing()) is None
    refusal = check(keeps, replace(standing(), end_stands=False))
    assert kind(refusal) is RefusalKind.SUPERSEDED
    assert "#42" in refusal.sentence


def test_every_refusal_says_who_and_is_a_whole_sentence(a):
    targets = (standing().target, person(TARGET, member=False), person(OWNER), person(TARGET, rank=7, bot=True))
    moderators = (standing().moderator, person(MODERATOR), person(MODERATOR, member=False))
    guards = (standing().guard, person(GUARD, rank=9), person(GUARD, member=False))
    refusals = [
        refusal
        for action, target, moderator, guard in itertools.product(MAKING, targets, moderators, guards)
        if (refusal := check(a(action), standing(target=target, moderator=moderator, guard=guard)))
    ]

    assert refusals
    for refusal in refusals:
        assert refusal.sentence.endswith(".")
        assert "None" not in refusal.sentence
        assert "Permission." not in refusal.sentence


# -- roles -----------------------------------------------------------------------------------------------------------

OF_ROLE = [Action.ROLE_ADD, Action.ROLE_REMOVE, Action.QUARANTINE]


def of_role(a, action, **changed):
    return a(action, params={"role_id": ROLE}, **changed)


@pytest.mark.parametrize("action", OF_ROLE)
@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role(role_id=RoleId(ROLE), name="Muted", rank=4), None),
        (None, RefusalKind.ROLE_UNKNOWN),
        (Role(role_id=RoleId(110_000_000_000_000_001), name="@everyone", rank=0), RefusalKind.ROLE_UNKNOWN),
        (Role(role_id=RoleId(ROLE), name="Booster", rank=1, managed=True), RefusalKind.ROLE_OUT_OF_REACH),
        (Role(role_id=RoleId(ROLE), name="Level", rank=5), RefusalKind.ROLE_OUT_OF_REACH),
        (Role(role_id=RoleId(ROLE), name="Guards", rank=9), RefusalKind.ROLE_OUT_OF_REACH),
    ],
)
def test_a_role_is_given_and_taken_only_by_those_above_it(a, action, role, expected):
    refusal = check(of_role(a, action), standing(role=role))

    assert kind(refusal) is expected
    assert refusal is None or refusal.sentence.endswith(".")


@pytest.mark.parametrize("action", OF_ROLE)
def test_the_owner_and_guard_itself_are_bound_by_guards_rank_alone(a, action):
    level = Role(role_id=RoleId(ROLE), name="Level", rank=5)

    assert check(of_role(a, action, moderator_id=OWNER), standing(moderator=person(OWNER), role=level)) is None
    assert check(of_role(a, action, source=Source.ANTINUKE), standing(moderator=person(GUARD), role=level)) is None
    high = replace(level, rank=9)
    refusal = check(of_role(a, action, moderator_id=OWNER), standing(moderator=person(OWNER), role=high))
    assert kind(refusal) is RefusalKind.ROLE_OUT_OF_REACH


def test_a_quarantine_without_a_role_asks_for_none(a):
    assert check(a(Action.QUARANTINE), standing(role=None)) is None


# -- channels and the server -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", sorted(PLACES - TO_SERVER))
def test_a_channel_that_is_not_there_is_refused(a, action):
    assert kind(check(a(action), standing(place=None))) is RefusalKind.CHANNEL_UNKNOWN


@pytest.mark.parametrize("action", sorted(TO_CHANNELS))
@pytest.mark.parametrize(("channel", "refused"), [(0, False), (2, True), (4, True), (5, False), (15, False)])
def test_only_where_people_write_there_is_something_to_lock_or_slow(a, action, channel, refused):
    refusal = check(a(action), standing(place=Place(name="#somewhere", kind=channel)))

    assert kind(refusal) is (RefusalKind.CHANNEL_UNKNOWN if refused else None)


def test_messages_of_a_person_are_deleted_by_those_above_them(a):
    theirs = a(Action.PURGE, params={"count": 5, "of_member": 1})

    assert check(theirs, standing(place=None)) is None
    assert kind(check(theirs, standing(target=person(TARGET, rank=5)))) is RefusalKind.OUTRANKED
    assert check(theirs, standing(target=person(TARGET, member=False))) is None
