"""What admins give to roles and people: within what they have, never their own way out, and on record."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from kovra.actions.capabilities import GIVEN_BY_ANY, Capability, Limit, Permission
from kovra.actions.presets import PRESETS
from kovra.ids import RoleId
from kovra.store.events import Events
from kovra.store.grants import (
    LACKING,
    LOCKED_OUT,
    LONGER,
    NO_SUCH_PERSON,
    NO_SUCH_ROLE,
    OWN,
    WIDER,
    Grants,
)
from kovra.store.mirror import RoleRow
from kovra.store.settings import CHANGED_MEANWHILE, TAKES_SETTINGS

HELPER, BOTS = RoleId(71), RoleId(72)
MUTES = {Capability.MUTE: Limit(longest_s=3600), Capability.WARN: Limit()}


@pytest.fixture
def grants(web, say):
    return Grants(web, say.AUDIT_KEY)


@pytest.fixture
def boss(guilds, mirror, say):
    """The owner's scope, in a server with a role for helpers, whom Discord gives nothing, and one of a bot."""
    for role in (
        RoleRow(role_id=HELPER, name="Helper", position=2, permissions=0),
        RoleRow(role_id=BOTS, name="Music", position=3, permissions=0, managed=True),
    ):
        mirror.role(say.HARBOUR, role)
    return guilds.scope(say.OWNER, say.HARBOUR)


def test_a_role_is_given_capabilities_and_whoever_has_it_has_them(grants, boss, guilds, mirror, say):
    quillon = say.member_row(say.QUILLON, "quillon", HELPER)

    said = grants.change(boss, HELPER, MUTES)
    mirror.member(say.HARBOUR, quillon)

    assert said == {}
    held = guilds.scope(say.QUILLON, say.HARBOUR).capabilities
    assert {one: limit for one, limit in held.items() if one not in GIVEN_BY_ANY} == MUTES
    grants.change(boss, HELPER, {})
    assert guilds.scope(say.QUILLON, say.HARBOUR) is None


def test_each_role_shows_what_discord_gives_and_what_kovra_gives(grants, boss):
    grants.change(boss, HELPER, MUTES)

    shown = {role.name: role for role in grants.roles(boss)}

    assert list(shown) == ["Guard", "Moderator", "Helper"]
    assert shown["Helper"].granted == MUTES
    assert shown["Helper"].by_discord == frozenset()
    assert Capability.BAN in shown["Moderator"].by_discord
    assert Capability.SETTINGS not in shown["Moderator"].by_discord


def test_a_change_is_on_record_with_before_and_after_and_told_to_open_pages(grants, boss, audit_log, web, say):
    grants.change(boss, HELPER, {Capability.WARN: Limit()})

    grants.change(boss, HELPER, MUTES)

    entry = audit_log.entries(boss)[0]
    assert (entry.kind, entry.actor_id) == ("settings.changed", say.OWNER)
    assert entry.facts == {
        "before": {"capabilities of the role Helper": "warn"},
        "after": {"capabilities of the role Helper": "warn, mute (at most 1 h)"},
    }
    assert [event.kind for event in Events(web).after(say.HARBOUR, 0)] == ["settings.changed"] * 2


@pytest.fixture
def admin(grants, boss, guilds, mirror, say):
    """Odalys, who manages settings through the role of moderators alone, and may mute through it for a day."""
    mirror.role(
        say.HARBOUR,
        RoleRow(role_id=say.MODERATOR_ROLE, name="Moderator", position=5, permissions=Permission.BAN_MEMBERS.value),
    )
    given = {Capability.SETTINGS: Limit(), Capability.MUTE: Limit(longest_s=86_400)}
    assert grants.change(boss, say.MODERATOR_ROLE, given) == {}
    return guilds.scope(say.ODALYS, say.HARBOUR)


def test_nobody_gives_or_takes_away_what_they_lack_or_more_than_they_have(grants, boss, admin):
    grants.change(boss, HELPER, {Capability.EXPORT: Limit()})

    given = grants.change(admin, HELPER, {Capability.EXPORT: Limit(), Capability.QUEUE_OPS: Limit()})
    taken = grants.change(admin, HELPER, {})
    wider = grants.change(admin, HELPER, {Capability.EXPORT: Limit(), Capability.MUTE: Limit()})
    within = grants.change(admin, HELPER, {Capability.EXPORT: Limit(), Capability.MUTE: Limit(longest_s=86_400)})

    assert given == {"queue_ops": [LACKING]}
    assert taken == {"export": [LACKING]}
    assert wider == {"mute": [WIDER]}
    assert within == {}


def test_nobody_takes_away_their_own_settings(grants, admin, guilds, say):
    said = grants.change(admin, say.MODERATOR_ROLE, {Capability.MUTE: Limit(longest_s=86_400)})

    assert said == {"form": [LOCKED_OUT]}
    assert guilds.scope(say.ODALYS, say.HARBOUR).may(Capability.SETTINGS)


def test_the_rights_of_now_count_not_those_a_page_was_opened_with(grants, boss, admin, say):
    grants.change(boss, say.MODERATOR_ROLE, {})

    assert grants.change(admin, HELPER, {}) == {"form": [TAKES_SETTINGS]}


def test_roles_of_bots_everyones_and_those_of_other_servers_are_given_nothing(grants, boss, say):
    for role_id in (BOTS, RoleId(say.HARBOUR), RoleId(999)):
        assert grants.change(boss, role_id, MUTES) == {"form": [NO_SUCH_ROLE]}


WARNS = {Capability.WARN: Limit()}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_person_is_given_capabilities_and_has_them_until_they_end(grants, boss, guilds, say, clock):
    assert grants.change_person(boss, say.QUILLON, MUTES, DAY) == {}

    held = guilds.scope(say.QUILLON, say.HARBOUR).capabilities
    [shown] = grants.people(boss)
    clock.forward(seconds=DAY.total_seconds())

    assert {one: limit for one, limit in held.items() if one not in GIVEN_BY_ANY} == MUTES
    assert (shown.user_id, shown.member, shown.granted) == (say.QUILLON, True, MUTES)
    assert set(shown.ends.values()) == {clock.now()}
    assert guilds.scope(say.QUILLON, say.HARBOUR) is None
    assert grants.people(boss) == []


def test_what_a_person_is_given_is_taken_away_and_is_nobody_else_s(grants, boss, guilds, say):
    grants.change_person(boss, say.QUILLON, WARNS, None)
    assert guilds.scope(say.QUILLON, say.MEADOW) is None
    assert Capability.WARN in guilds.scope(say.QUILLON, say.HARBOUR).capabilities

    assert grants.change_person(boss, say.QUILLON, {}, None) == {}

    assert guilds.scope(say.QUILLON, say.HARBOUR) is None


def test_who_is_given_more_keeps_the_ends_of_before_or_gets_new_ones(grants, boss, say, clock):
    grants.change_person(boss, say.QUILLON, WARNS, DAY)
    ends = clock.now() + DAY

    grants.change_person(boss, say.QUILLON, MUTES, None, keep_ends=True)
    kept = grants.person(boss, say.QUILLON).ends
    grants.change_person(boss, say.QUILLON, MUTES, HOUR)

    assert kept == {Capability.WARN: ends}
    assert set(grants.person(boss, say.QUILLON).ends.values()) == {clock.now() + HOUR}


def test_a_grant_to_a_person_is_on_record_with_its_end(grants, boss, audit_log, say):
    grants.change_person(boss, say.QUILLON, MUTES, DAY)

    name = f"capabilities of Brass Key ({say.QUILLON})"
    told = "warn (until 2026-11-21 12:00 UTC), mute (at most 1 h, until 2026-11-21 12:00 UTC)"
    assert audit_log.entries(boss)[0].facts == {"before": {name: "none"}, "after": {name: told}}


def test_a_person_is_given_no_more_than_the_giver_has(grants, admin, say):
    given = grants.change_person(admin, say.QUILLON, {Capability.EXPORT: Limit()}, HOUR)
    wider = grants.change_person(admin, say.QUILLON, {Capability.MUTE: Limit()}, HOUR)

    assert (given, wider) == ({"export": [LACKING]}, {"mute": [WIDER]})
    assert grants.people(admin) == []


def test_nobody_gives_for_longer_than_they_have_it_to_a_person_or_a_role(grants, boss, admin, guilds, say):
    grants.change_person(boss, say.ODALYS, {Capability.EXPORT: Limit()}, DAY)
    odalys, exports = guilds.scope(say.ODALYS, say.HARBOUR), {Capability.EXPORT: Limit()}

    assert grants.change_person(odalys, say.QUILLON, exports, 2 * DAY) == {"export": [LONGER]}
    assert grants.change_person(odalys, say.QUILLON, exports, None) == {"export": [LONGER]}
    assert grants.change(odalys, HELPER, exports) == {"export": [LONGER]}
    assert grants.change_person(odalys, say.QUILLON, exports, HOUR) == {}


def test_nobody_gives_themselves_anything(grants, admin, say):
    assert grants.change_person(admin, say.ODALYS, WARNS, None) == {"form": [OWN]}


def test_bots_and_people_of_elsewhere_are_given_nothing(grants, boss, say):
    for user_id in (say.GUARD, say.STRANGER):
        assert grants.change_person(boss, user_id, WARNS, None) == {"form": [NO_SUCH_PERSON]}
        assert grants.person(boss, user_id) is None


def test_who_has_left_has_nothing_and_it_can_be_taken_away(grants, boss, guilds, mirror, say):
    grants.change_person(boss, say.QUILLON, WARNS, None)
    mirror.member_gone(say.HARBOUR, say.QUILLON)

    assert guilds.scope(say.QUILLON, say.HARBOUR) is None
    assert [one.member for one in grants.people(boss)] == [False]
    assert grants.change_person(boss, say.QUILLON, {}, None) == {}
    assert grants.people(boss) == []


def test_of_two_who_saw_the_same_one_is_told(grants, boss):
    said, start = [], threading.Barrier(2)

    def save(wanted):
        start.wait()
        said.append(grants.change(boss, HELPER, wanted, still=lambda kept: kept == {}))

    both = [threading.Thread(target=save, args=({one: Limit()},)) for one in (Capability.WARN, Capability.NOTE)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert sorted(said, key=len) == [{}, {"form": [CHANGED_MEANWHILE]}]


def test_each_preset_holds_the_one_before_and_only_a_trial_mutes_for_a_day_at_most():
    sizes = [set(bundle) for bundle in PRESETS.values()]

    assert all(lesser < more for lesser, more in zip(sizes, sizes[1:], strict=False))
    assert sizes[-1] == set(Capability)
    assert [name for name, bundle in PRESETS.items() if bundle.get(Capability.MUTE) == Limit(longest_s=86_400)] == [
        "trial"
    ]
