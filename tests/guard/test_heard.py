"""How what happens on a server reads in its log channel."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from kovra.guard.case_post import MOST_TEXT, text_in
from kovra.guard.heard import MOST_HEARD, MOST_LETTERS, MOST_SWEPT, Heard, heard_post, quoted
from kovra.guard.log_channels import EventClass
from kovra.ids import ChannelId, GuildId, UserId, audit_ref

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
POST = UUID(int=7)
WHO = UserId(300_000_000_000_000_005)


def a(event_class, **facts) -> Heard:
    return Heard(
        event_id=UUID(int=1),
        guild_id=GuildId(1),
        event_class=event_class,
        at=NOON,
        user_id=facts.pop("user_id", WHO),
        user_name="Quillon",
        channel_id=ChannelId(5),
        case_no=facts.pop("case_no", None),
        facts=facts,
    )


def read(heard) -> tuple[str, dict[str, str]]:
    [embed] = heard_post([heard], POST).embeds
    return embed["title"], {one["name"]: one["value"] for one in embed["fields"]}


@pytest.mark.parametrize(
    ("heard", "title", "said"),
    [
        (a(EventClass.JOINS), "Joined · Quillon", {"Account made": "<t:1491595973:f> (<t:1491595973:R>)"}),
        (a(EventClass.JOINS, bot=True), "Bot added · Quillon", {}),
        (
            a(EventClass.LEAVES, joined_at=NOON.isoformat()),
            "Left · Quillon",
            {"Joined": "<t:1767355200:f> (<t:1767355200:R>)"},
        ),
        (a(EventClass.LEAVES, case_no=42), "Removed · Quillon", {"Case": "#42"}),
        (
            a(EventClass.NAMES, changed={"nick": [None, "Bo*ld"], "username": ["old", "new"]}),
            "Name changed · Quillon",
            {"Nickname": "none → Bo\\*ld", "User name": "old → new"},
        ),
        (
            a(EventClass.ROLES, given=["8", "9"], taken=[]),
            "Roles changed · Quillon",
            {"Given": "<@&8> <@&9>"},
        ),
        (
            a(EventClass.EDITS, message_id="9", before="helo", after=""),
            "Message edited · Quillon",
            {
                "Channel": "<#5>\n[Message](https://discord.com/channels/1/5/9)",
                "Before": "helo",
                "After": "No text",
            },
        ),
        (
            a(EventClass.EDITS, message_id="9", before=None, after="hello"),
            "Message edited · Quillon",
            {"Before": "Not known: written before Guard listened."},
        ),
        (
            a(EventClass.DELETIONS, message_id="9", text="bye", files=["a.png", "b.txt"]),
            "Message deleted · Quillon",
            {
                "Channel": "<#5>",
                "Text": "bye",
                "Attachments": "a.png, b.txt",
                "Deleted by": "Not told by Discord: its author, or a bot",
            },
        ),
        (
            a(EventClass.DELETIONS, message_id="9", text="bye", by=["7"], certain=True),
            "Message deleted · Quillon",
            {"Deleted by": "<@7>"},
        ),
        (
            a(EventClass.DELETIONS, message_id="9", text="bye", by=["7", "8"], certain=False),
            "Message deleted · Quillon",
            {"Deleted by": "Probably <@7> or <@8>"},
        ),
        (
            a(EventClass.DELETIONS, message_id="9", text="bye", by=["8"], certain=False, asked_by="7", case_no=42),
            "Message deleted · Quillon",
            {"Deleted by": "<@7> through Guard, case #42"},
        ),
        (
            a(EventClass.DELETIONS, message_id="9", user_id=None),
            "Message deleted",
            {"Text": "Not known: written before Guard listened."},
        ),
        (
            a(EventClass.DELETIONS, count=1200, texts=[["Quillon", "one"], ["Pell", "two"]], user_id=None),
            "1,200 messages deleted",
            {"Of these": "Quillon: one\nPell: two", "Deleted by": "Not told by Discord: a ban, or a bot"},
        ),
        (a(EventClass.VOICE, **{"from": None, "to": "8"}), "Voice channel entered · Quillon", {"Channel": "<#8>"}),
        (
            a(EventClass.VOICE, **{"from": "7", "to": "8"}),
            "Voice channel changed · Quillon",
            {"Channel": "<#7> → <#8>"},
        ),
        (a(EventClass.VOICE, **{"from": "7", "to": None}), "Voice channel left · Quillon", {"Channel": "<#7>"}),
        (
            a(EventClass.JOINS, missed=1234, user_id=None),
            "1,234 more of a kind: joined",
            {"Not posted one by one": "Too many at once for this channel."},
        ),
    ],
)
def test_each_says_what_happened(heard, title, said):
    found, fields = read(heard)

    assert found == title
    assert said.items() <= fields.items()


def test_words_of_members_are_text():
    wild = "@everyone <@300> <#5> **bold** [here](https://evil.example)\n# big\n- list\n1. one\n> quote"

    shown = quoted(wild)

    assert "@everyone" not in shown
    assert "\\<@" in shown
    assert "\\<#5" in shown
    assert "https://" not in shown
    assert "\\[here\\]" in shown
    assert all(line.startswith("\\") for line in shown.splitlines()[1:])


@pytest.mark.parametrize(
    "longest",
    [
        a(EventClass.EDITS, message_id="9" * 18, before="*" * MOST_LETTERS, after="_" * MOST_LETTERS),
        a(
            EventClass.DELETIONS,
            count=100,
            texts=[["*" * 32, "_" * MOST_LETTERS]] * MOST_SWEPT,
        ),
        a(EventClass.DELETIONS, message_id="9" * 18, text="*" * MOST_LETTERS, files=["f" * 100] * 10),
        a(EventClass.NAMES, changed={kind: ["*" * 32, "_" * 32] for kind in ("username", "global_name", "nick")}),
        a(EventClass.ROLES, given=["9" * 19] * 250, taken=["9" * 19] * 250),
    ],
)
def test_ten_of_the_longest_fit_in_a_message(longest):
    embeds = heard_post([longest] * MOST_HEARD, POST).embeds

    assert len(embeds) == 10
    assert sum(map(text_in, embeds)) <= MOST_TEXT
    assert all(len(one["value"]) <= 1024 for embed in embeds for one in embed["fields"])


def test_a_message_is_found_again_by_its_mark():
    assert audit_ref(POST) in json.dumps(heard_post([a(EventClass.JOINS)], POST).embeds[0]["footer"])
