"""The bytes of server-sent events."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from kovra.ids import GuildId
from kovra.live.events import (
    Event,
    Hint,
    HintKind,
    comment,
    frame,
    hint_frame,
    resync_frame,
    retry_frame,
    revoked_frame,
)

GUILD = GuildId(110_000_000_000_000_001)
REQUEST = UUID("0192f5a0-0000-7000-8000-000000000001")


def event(kind: str = "action.done", request_id: UUID | None = REQUEST, **facts: object) -> Event:
    return Event(guild_id=GUILD, seq=42, kind=kind, request_id=request_id, facts=facts, at=datetime.now(UTC))


def test_a_frame_has_number_kind_and_facts_on_three_lines():
    assert frame(event(case_no=7)) == (
        b'id: 42\nevent: action.done\ndata: {"request_id":"0192f5a0-0000-7000-8000-000000000001","case_no":7}\n\n'
    )


def test_ids_and_numbers_a_browser_would_round_travel_as_text():
    data = frame(event(target_id=110_000_000_000_000_002, huge=2**53, small=2**53 - 1, flag=True)).split(b"data: ")[1]

    assert json.loads(data) == {
        "request_id": str(REQUEST),
        "target_id": "110000000000000002",
        "huge": str(2**53),
        "small": 2**53 - 1,
        "flag": True,
    }


def test_no_fact_can_break_out_of_its_line():
    data = frame(event(state="a\nid: 9\r\n\r\ndata: x\u2028\x85"))

    assert data.count(b"\n") == 4
    assert b"\r" not in data


@pytest.mark.parametrize("kind", ["", "a b", "a\nid: 9", "Case.Created", "a..b", ".a", "a."])
def test_a_kind_that_is_no_dotted_word_is_refused(kind):
    with pytest.raises(ValueError, match="no kind of event"):
        frame(event(kind=kind))


def test_a_hint_has_no_number():
    hint = Hint(guild_id=GUILD, kind=HintKind.MEMBER_JOINED, facts={"user_id": 110_000_000_000_000_003})

    assert hint_frame(hint) == b'event: member.joined\ndata: {"user_id":"110000000000000003"}\n\n'


def test_the_frames_of_the_stream_itself():
    assert resync_frame(9) == b"id: 9\nevent: resync\ndata: {}\n\n"
    assert revoked_frame() == b"event: revoked\ndata: {}\n\n"
    assert retry_frame(2000) == b"retry: 2000\n\n"
    assert comment() == b": \n\n"
    assert comment("a\n\nb") == b": a b\n\n"
