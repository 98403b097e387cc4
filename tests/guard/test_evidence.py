"""What of a message is kept, and that its deletion goes with the act and never stands in its way."""

from __future__ import annotations

import json

import pytest

from kovra.actions.request import Action, State
from kovra.errors import DiscordRefused
from kovra.guard.evidence import MAX_EMBEDS_BYTES, MAX_FILE_BYTES, FileKind, FileStatus, on_discord, seen

CDN = "https://cdn.example.org"
HERE = 130_000_000_000_000_003


def a_payload(**changes):
    payload = {
        "id": "11",
        "channel_id": "12",
        "author": {"id": "13", "username": "spammer", "global_name": "Spam"},
        "content": "free\0 nitro",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "edited_timestamp": None,
        "embeds": [],
        "attachments": [],
    }
    return payload | changes


def a_file(**changes):
    file = {"filename": "scam.png", "content_type": "image/png", "size": 10, "url": f"{CDN}/attachments/1/2/scam.png"}
    return file | changes


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example.org/attachments/1/2/a.png",
        "https://cdn.example.org.evil.example/attachments/1/2/a.png",
        "https://cdn.example.org@evil.example/attachments/1/2/a.png",
        "https://user@cdn.example.org/attachments/1/2/a.png",
        "https://cdn.example.org:8443/attachments/1/2/a.png",
        "https://cdn.example.org/avatars/1/2.png",
        "https://cdn.example.org/attachments/../admin",
        "https://cdn.example.org/attachments/%2e%2e/admin",
        "https://cdn.example.org/attachments/1//2",
        "https://169.254.169.254/attachments/1/2/a.png",
        "file:///attachments/1/2/a.png",
        "",
    ],
)
def test_only_files_on_discords_own_server_are_fetched(url):
    assert not on_discord(url, CDN)
    [file] = seen(a_payload(attachments=[a_file(url=url)]), CDN).files
    assert file.status is FileStatus.ELSEWHERE


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, FileStatus.WAITING),
        ({"url": f"{CDN}/attachments/1/2/scam.png?ex=6&is=5&hm=4"}, FileStatus.WAITING),
        ({"content_type": "text/plain; charset=utf-8"}, FileStatus.WAITING),
        ({"content_type": "text/html"}, FileStatus.WRONG_TYPE),
        ({"content_type": "image/svg+xml"}, FileStatus.WRONG_TYPE),
        ({"content_type": None}, FileStatus.WRONG_TYPE),
        ({"size": MAX_FILE_BYTES + 1}, FileStatus.TOO_LARGE),
    ],
)
def test_what_is_fetched_is_bounded_in_type_and_size(changes, status):
    [file] = seen(a_payload(attachments=[a_file(**changes)]), CDN).files

    assert file.status is status


def test_what_a_message_says_is_kept_within_bounds():
    embeds = [{"title": "\0hi\ud800", "fields": [{"name": "\\u0000"}]}, {"description": "x" * MAX_EMBEDS_BYTES}]

    message = seen(a_payload(embeds=embeds, attachments=[a_file()] * 30), CDN)

    assert (message.content, message.author_name) == ("free nitro", "Spam")
    assert message.embeds == [{"title": "hi?", "fields": [{"name": "\\u0000"}]}]
    assert json.dumps(message.embeds)
    assert [one.status for one in message.files] == [FileStatus.WAITING] * 10 + [FileStatus.TOO_MANY] * 15


def test_what_a_message_passes_on_is_kept_with_its_files_and_stickers():
    snapshot = {
        "content": "free\0 nitro",
        "embeds": [{"title": "claim"}],
        "timestamp": "2026-01-01T00:00:00.000000+00:00",
        "attachments": [a_file(filename="passed.png")],
        "sticker_items": [{"id": "91", "name": "wave", "format_type": 1}],
    }
    origin = {"type": 1, "guild_id": "7", "channel_id": "8", "message_id": "9"}
    stickers = [{"id": "92", "name": "di/ce", "format_type": 4}, {"id": "../93", "name": "bad", "format_type": 1}]

    message = seen(
        a_payload(message_snapshots=[{"message": snapshot}], message_reference=origin, sticker_items=stickers), CDN
    )

    assert message.forwarded == [
        {
            "guild_id": "7",
            "channel_id": "8",
            "message_id": "9",
            "content": "free nitro",
            "embeds": [{"title": "claim"}],
            "sent_at": "2026-01-01T00:00:00+00:00",
        }
    ]
    assert [(one.kind, one.filename, one.url, one.status) for one in message.files] == [
        (FileKind.FORWARDED, "passed.png", f"{CDN}/attachments/1/2/scam.png", FileStatus.WAITING),
        (FileKind.STICKER, "di/ce.gif", f"{CDN}/stickers/92.gif", FileStatus.WAITING),
        (FileKind.STICKER, "bad.png", "", FileStatus.WRONG_TYPE),
        (FileKind.STICKER, "wave.png", f"{CDN}/stickers/91.png", FileStatus.WAITING),
    ]


def test_stickers_are_fetched_where_discord_keeps_them_and_nowhere_else():
    discord = "https://cdn.discordapp.com"
    formats = [{"id": "1", "name": "s", "format_type": kind} for kind in (1, 2, 3, 4, 9)]

    found = seen(a_payload(sticker_items=formats), discord).files

    urls = [f"{discord}/stickers/1.png"] * 2 + [f"{discord}/stickers/1.json"]
    assert [one.url for one in found] == [*urls, "https://media.discordapp.net/stickers/1.gif", ""]
    assert all(on_discord(one.url, discord) for one in found[:4])
    assert not on_discord("https://media.discordapp.net/attachments/1/2/a.png", discord)
    assert not on_discord("https://media.discordapp.net/stickers/1.gif", CDN)


def over(stage, world, action=Action.WARN, **more):
    message_id = world.written[HERE][-1].message_id
    params = {"delete_channel_id": HERE, "delete_message_id": message_id, **more}
    return stage.ask(action, params=params), message_id


def test_the_message_goes_with_the_act_and_the_case_says_so(stage, world):
    request, message_id = over(stage, world)

    row = stage.run(request)

    assert row.case.result == {"message": "deleted"}
    assert message_id not in [one.message_id for one in world.written[HERE]]


def test_a_message_that_stays_does_not_undo_the_act(stage, world):
    world.fail["delete_messages"] = DiscordRefused(403, 50013, "Missing Permissions")
    request, _ = over(stage, world, Action.BAN)

    row = stage.run(request)

    assert row.state is State.DONE
    assert world.bans
    assert row.case.result == {"message": "refused", "code": 50013}


def test_a_deletion_without_an_answer_is_tried_once_more_and_then_told(stage, world):
    world.silent["delete_messages"] = 1
    request, _ = over(stage, world)
    assert stage.run(request).case.result == {"message": "deleted"}

    world.silent["delete_messages"] = 2
    request, _ = over(stage, world)
    assert stage.run(request).case.result == {"message": "unknown"}


def test_a_message_that_is_gone_already_is_deleted(stage, world):
    world.fail["delete_messages"] = DiscordRefused(404, 10008, "Unknown Message")

    assert stage.run(over(stage, world)[0]).case.result == {"message": "deleted"}


@pytest.mark.parametrize("point", ["after_effect_intent", "after_effect_call", "after_message_deleted"])
def test_whoever_dies_around_the_deletion_there_is_one_case_and_the_message_is_gone(stage, world, point):
    request, message_id = over(stage, world, Action.BAN)
    assert stage.die_at(request, point)

    row = stage.run(request)

    assert (row.state, row.case.result) == (State.DONE, {"message": "deleted"})
    assert message_id not in [one.message_id for one in world.written[HERE]]
