"""People react, pin and start threads through the control API, as far as Discord lets them."""

from __future__ import annotations

import pytest


@pytest.fixture
def said(small_discord):
    """A message in the main hall, by somebody."""
    hall, someone = str(small_discord.channel("main-hall")), str(small_discord.cast.plain[0])
    return small_discord.control("POST", "messages", {"user_id": someone, "channel_id": hall, "content": "look"})


def at(message: dict[str, object], **more: object) -> dict[str, object]:
    return {"channel_id": message["channel_id"], "message_id": message["id"], **more}


def test_a_person_reacts_and_takes_it_back(small_discord, said):
    wish = at(said, user_id=str(small_discord.cast.plain[1]), emoji="🏮")

    counts = [small_discord.control("POST", "reactions", wish).get("reactions", []) for _ in range(2)]
    again = small_discord.control("POST", "reactions", {**wish, "on": True})
    twice = small_discord.control("POST", "reactions", {**wish, "on": True})

    assert [len(each) for each in counts] == [1, 0]
    assert again["reactions"][0]["count"] == twice["reactions"][0]["count"] == 1


def test_only_who_may_pin_pins(small_discord, said):
    trainee, senior = str(small_discord.person("Trainee")), str(small_discord.person("Senior moderator"))

    small_discord.control("POST", "pins", at(said, by=trainee), status=403)
    up = small_discord.control("POST", "pins", at(said, by=senior))
    down = small_discord.control("POST", "pins", at(said, by=senior, on=False))

    assert (up["pinned"], down["pinned"]) == (True, False)


def test_a_thread_is_started_seen_and_talked_in(small_discord, said):
    someone = str(small_discord.cast.plain[1])
    wish = {"user_id": someone, "channel_id": said["channel_id"], "name": "the ladder"}

    started = small_discord.control("POST", "threads", {**wish, "message_id": said["id"]})
    small_discord.control("POST", "threads", {**wish, "message_id": said["id"]}, status=400)
    small_discord.control("POST", "threads", {**wish, "name": " "}, status=400)
    line = {"user_id": someone, "channel_id": started["id"], "content": "here"}
    small_discord.control("POST", "messages", line)

    seen = small_discord.control("GET", f"guilds/{small_discord.guild.id}/threads?as={someone}")
    assert [(each["id"], each["name"]) for each in seen] == [(said["id"], "the ladder")]
    assert small_discord.control("GET", f"channels/{started['id']}/messages")[-1]["content"] == "here"


def test_threads_of_a_channel_one_does_not_see_are_not_shown(small_discord):
    someone, room = str(small_discord.cast.plain[0]), str(small_discord.channel("staff-room"))
    wish = {"channel_id": room, "name": "handover"}

    small_discord.control("POST", "threads", {**wish, "user_id": someone}, status=403)
    small_discord.control("POST", "threads", {**wish, "user_id": str(small_discord.guild.owner_id)})

    assert small_discord.control("GET", f"guilds/{small_discord.guild.id}/threads?as={someone}") == []
    assert len(small_discord.control("GET", f"guilds/{small_discord.guild.id}/threads")) == 1


def test_other_peoples_messages_are_deleted_by_moderators_alone(small_discord, said):
    small_discord.control("POST", "messages/delete", at(said, by=str(small_discord.cast.plain[1])), status=403)
    small_discord.control("POST", "messages/delete", at(said, by=str(small_discord.person("Moderator"))))

    left = small_discord.control("GET", f"channels/{said['channel_id']}/messages")
    assert said["id"] not in {message["id"] for message in left}


@pytest.mark.parametrize("emoji", ["lantern", "", "<:lamp:1>"])
def test_words_are_no_reactions(small_discord, said, emoji):
    wish = at(said, user_id=str(small_discord.cast.plain[1]), emoji=emoji)

    small_discord.control("POST", "reactions", wish, status=400)
