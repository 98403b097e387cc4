"""What Guard writes: audit-log reasons, notices, posts and failures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kovra.actions.request import Action, ActionRequest, Source
from kovra.errors import DiscordRefused
from kovra.guard.case import Case, NoticeStatus
from kovra.guard.case_post import Shown, post_of, text_in
from kovra.guard.outcome import FailureKind, failure, unconfirmed
from kovra.guard.perform import MAX_AUDIT_REASON, audit_reason
from kovra.ids import GuildId, UserId, audit_ref
from tests.wishes import MAKING, needed

REQUEST = UUID("0192f5a0-0000-7000-8000-000000000001")
AT = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def a(action=Action.BAN, reason="spam"):
    return ActionRequest(
        request_id=REQUEST,
        guild_id=GuildId(1),
        action=action,
        target_id=UserId(3),
        moderator_id=UserId(2),
        source=Source.DASHBOARD,
        reason=reason,
        issued_at=AT,
        params=needed(action),
    )


def case(action=Action.MUTE, reason="spam", name="raider"):
    return Case(
        guild_id=GuildId(1),
        case_no=42,
        request_id=REQUEST,
        action=action,
        target_id=UserId(3),
        target_name=name,
        moderator_id=UserId(2),
        moderator_name="odalys",
        source=Source.DASHBOARD,
        reason=reason,
        created_at=AT,
        ends_at=AT if action is Action.MUTE else None,
    )


def test_an_audit_reason_names_the_moderator_the_reason_and_the_mark():
    assert audit_reason(a(), "odalys") == f"odalys: spam {audit_ref(REQUEST)}"
    assert audit_reason(a(reason=""), "odalys") == f"odalys: no reason given {audit_ref(REQUEST)}"


def test_a_long_audit_reason_is_cut_at_a_word():
    said = audit_reason(a(reason="word " * 700), "odalys")

    assert said.endswith(f"word… {audit_ref(REQUEST)}")
    assert MAX_AUDIT_REASON - 6 <= len(said) <= MAX_AUDIT_REASON


@pytest.mark.parametrize("reason", ["x" * 600, "荒らし行為" * 200, "https://example.org/" + "a" * 600])
def test_a_reason_without_blanks_is_cut_and_not_lost(reason):
    said = audit_reason(a(reason=reason), "odalys")

    assert said.startswith(f"odalys: {reason[:100]}")
    assert len(said) == MAX_AUDIT_REASON


@given(
    reason=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=1200), name=st.text("ab 🦊\n", max_size=80)
)
def test_any_audit_reason_fits_discord_on_one_line_and_keeps_its_mark(reason, name):
    said = audit_reason(a(reason=reason), name)

    assert len(said) <= MAX_AUDIT_REASON
    assert said.endswith(f" {audit_ref(REQUEST)}")
    assert said.splitlines() == [said]


@pytest.mark.parametrize("action", MAKING)
def test_a_post_fits_an_embed_and_carries_the_mark(action):
    shown = Shown(case=case(action, reason="x" * 4000, name="_" * 200), notice=NoticeStatus.REFUSED)
    [embed] = post_of([shown], "https://k").embeds

    assert len(embed["title"]) <= 256
    assert len(embed["description"]) <= 4096
    assert embed["url"] == "https://k/g/1/cases?case=42"
    assert embed["footer"]["text"] == audit_ref(REQUEST)
    assert {"name": "DM", "value": "refused: the member was not told", "inline": True} in embed["fields"]
    assert all(each["value"] for each in embed["fields"])


def test_a_case_without_a_reason_says_so():
    assert post_of([Shown(case=case(reason=""))], "https://k").embeds[0]["description"] == "No reason given"


def test_ten_of_the_longest_cases_share_a_message_that_discord_takes():
    big = (1 << 63) - 1
    places = {"deleted": 1000, "channels": [str(big - place) for place in range(20)]}
    longest = replace(
        case(Action.PURGE, reason="x" * 4000, name="_" * 200),
        **dict.fromkeys(("guild_id", "target_id", "moderator_id", "case_no", "role_id", "for_case", "reverses"), big),
        ends_at=AT,
        voided=True,
        of_member=True,
        result=places,
    )
    message = post_of([Shown(case=longest, notice=NoticeStatus.REFUSED, reversed_by=big)] * 10, "https://k")

    assert len(message.embeds) == 10
    assert sum(map(text_in, message.embeds)) <= 6000


def test_cases_that_share_a_message_keep_as_much_of_their_reasons_as_there_is_room_for():
    few = post_of([Shown(case=case(reason="x" * 4000))] * 3, "https://k").embeds
    many = post_of([Shown(case=case(reason="x" * 4000))] * 10, "https://k").embeds

    assert [len(embed["description"]) for embed in (*few, many[0])] == [1000, 1000, 1000, 400]


def test_a_case_that_changed_says_so():
    shown = Shown(case=replace(case(), voided=True), reversed_by=43)
    fields = {one["name"]: one["value"] for one in post_of([shown], "https://k").embeds[0]["fields"]}

    assert (fields["Reversed by"], fields["Void"]) == ("#43", "This case does not count any more.")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, 10013, FailureKind.TARGET_UNKNOWN),
        (404, 10007, FailureKind.TARGET_GONE),
        (404, 10026, FailureKind.NOT_BANNED),
        (403, 50013, FailureKind.FORBIDDEN),
        (403, 50001, FailureKind.NO_ACCESS),
        (404, 10004, FailureKind.NO_ACCESS),
        (400, 50035, FailureKind.INVALID),
        (401, 0, FailureKind.TOKEN),
        (401, 50013, FailureKind.TOKEN),
        (400, 12345, FailureKind.REFUSED),
    ],
)
@pytest.mark.parametrize("action", MAKING)
def test_every_refusal_of_discord_has_its_kind_and_a_whole_sentence(action, status, code, kind):
    found = failure(action, "raider", DiscordRefused(status, code, "Discord's words"))

    assert (found.kind, found.code) == (kind, code)
    assert found.sentence.endswith(".")
    assert "None" not in found.sentence


def test_an_unconfirmed_deed_is_not_called_undone():
    found = unconfirmed(Action.BAN, "raider")

    assert found.kind is FailureKind.UNCONFIRMED
    assert "not known" in found.sentence
    assert "Nothing" not in found.sentence
