"""What Discord's permissions give, and what grants add to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kovra.actions.capabilities import (
    ALL_PERMISSIONS,
    Capability,
    Limit,
    Permission,
    capabilities,
    effective_permissions,
)
from tests.actions.people import EVERY_PERMISSION, MODERATOR, OWNER, person

P, C = Permission, Capability


@pytest.mark.parametrize(
    ("permissions", "given"),
    [
        (P(0), set()),
        (P.MODERATE_MEMBERS, {C.NOTE, C.WARN, C.MUTE, C.INBOX}),
        (P.KICK_MEMBERS, {C.KICK}),
        (P.BAN_MEMBERS, {C.BAN}),
        (P.MANAGE_MESSAGES, set()),
        (P.MANAGE_CHANNELS, set()),
        (P.MANAGE_MESSAGES | P.MANAGE_CHANNELS, {C.CHANNELS}),
        (P.MANAGE_ROLES, {C.ROLES}),
        (P.VIEW_AUDIT_LOG, {C.VIEW_AUDIT}),
        (
            P.MANAGE_GUILD,
            {C.LOCKDOWN, C.AMEND, C.REVERSE, C.APPROVE, C.APPEALS, C.AUTOMOD, C.ANTINUKE, C.QUEUE_OPS, C.EXPORT}
            | {C.SETTINGS},
        ),
    ],
)
def test_capabilities_come_with_discord_permissions(permissions, given):
    found = capabilities(person(MODERATOR, permissions=permissions.value), OWNER)

    assert set(found) == given | ({C.VIEW, C.VIEW_NOTES} if given else set())
    assert set(found.values()) <= {Limit()}


def test_mass_takes_ban_members_and_manage_server_together():
    both = P.BAN_MEMBERS | P.MANAGE_GUILD

    assert C.MASS in capabilities(person(MODERATOR, permissions=both.value), OWNER)
    for single in (P.BAN_MEMBERS, P.MANAGE_GUILD):
        assert C.MASS not in capabilities(person(MODERATOR, permissions=single.value), OWNER)


@pytest.mark.parametrize("user", [person(OWNER), person(MODERATOR, permissions=P.ADMINISTRATOR.value)])
def test_owner_and_administrator_have_every_capability(user):
    assert set(capabilities(user, OWNER)) == set(Capability)
    assert effective_permissions(user, OWNER) == ALL_PERMISSIONS


def test_someone_who_is_no_member_has_nothing_whatever_was_granted():
    gone = person(MODERATOR, member=False, permissions=ALL_PERMISSIONS)

    assert capabilities(gone, OWNER, {C.BAN: Limit()}) == {}
    assert effective_permissions(gone, OWNER) == 0
    assert capabilities(replace(gone, user_id=OWNER), OWNER) == {}


def test_a_timed_out_moderator_has_nothing_whatever_was_granted():
    quiet = person(MODERATOR, permissions=EVERY_PERMISSION, timed_out=True)

    assert capabilities(quiet, OWNER, {C.BAN: Limit()}) == {}


def test_a_grant_adds_to_what_permissions_give_and_never_narrows_it():
    muter = person(MODERATOR, permissions=P.MODERATE_MEMBERS.value)

    found = capabilities(muter, OWNER, {C.BAN: Limit(longest_s=60), C.MUTE: Limit(longest_s=60)})

    assert found[C.BAN] == Limit(longest_s=60)
    assert found[C.MUTE] == Limit()
    assert C.KICK not in found


def test_a_grant_alone_is_enough_to_look():
    assert set(capabilities(person(MODERATOR), OWNER, {C.WARN: Limit()})) == {C.WARN, C.VIEW, C.VIEW_NOTES}
