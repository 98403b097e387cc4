"""Scenes: the same seed plays the same, moderators are stronger than raiders, and control starts and stops them."""

from __future__ import annotations

import random
import time
from itertools import islice

import pytest

from kovra.sandbox import Sandbox, lanternfall, talk
from kovra.sandbox.scenes import RAID_S, RAIDERS, SCENES, Players

MEMBERS = 40


def a_stage(seed: int = 7) -> Players:
    at = time.time()
    sandbox = Sandbox(lanternfall(lambda: at, members=MEMBERS), clock=lambda: at)
    return Players(sandbox.stage, sandbox.desk, seed)


def said(play: Players) -> list[str]:
    return [m.content for held in play.stage.world.messages.values() for m in held.values()]


@pytest.mark.parametrize("name", SCENES)
def test_the_same_seed_plays_the_same_scene(name):
    played = []
    for _ in range(2):
        play = a_stage()
        pauses = list(islice(SCENES[name](play), 300))
        played.append((pauses, said(play), sorted(play.stage.world.users[i].username for i in play.guild.members)))

    assert played[0] == played[1]


def test_another_seed_plays_another_way():
    one, other = a_stage(1), a_stage(2)
    for play in (one, other):
        list(islice(SCENES["busy"](play), 100))

    assert said(one) != said(other)


def test_a_raid_is_three_hundred_young_accounts_who_join_and_post_within_two_minutes():
    play = a_stage()
    members, lines = set(play.guild.members), len(said(play))

    took_s = sum(SCENES["raid"](play))

    assert took_s == pytest.approx(RAID_S)
    assert len(set(play.guild.members) - members) == RAIDERS == 300
    assert len(said(play)) - lines == RAIDERS


def test_people_talk_join_speak_and_rise_while_it_is_busy():
    play = a_stage()
    before = set(play.guild.members)
    roles = sum(len(m.roles) for m in play.guild.members.values())

    list(islice(SCENES["busy"](play), 400))

    assert set(play.guild.members) - before
    assert play.guild.voice
    assert sum(len(m.roles) for m in play.guild.members.values()) > roles
    assert len(set(said(play))) > 150


def test_people_react_and_start_threads_while_it_is_busy():
    play = a_stage()

    list(islice(SCENES["busy"](play), 800))

    reactions = [m.reactions for held in play.stage.world.messages.values() for m in held.values() if m.reactions]
    assert len(reactions) > 50
    assert play.guild.thread_ids
    assert any(play.stage.world.messages.get(thread) for thread in play.guild.thread_ids)


def test_a_town_left_to_itself_does_not_grow():
    play = a_stage()
    before = len(play.guild.members)
    scene = SCENES["busy"](play)

    sizes = [len(play.guild.members) - before for _ in islice(scene, 2000)]

    assert max(sizes[:1000]) > 10
    assert max(sizes) <= 45


def test_every_word_of_a_conversation_is_chosen():
    talks = [talk.exchange(random.Random(seed)) for seed in range(200)]

    assert len({tuple(words) for words in talks}) > 150
    assert not any("{" in line or "}" in line for words in talks for line in words)


def test_whoever_is_banned_says_nothing_more():
    play = a_stage()
    scene = SCENES["spam"](play)
    next(scene)
    hands = [i for i in play.guild.members if play.stage.world.users[i].username.startswith("offer.")]
    for hand in hands:
        del play.guild.members[hand]
    lines = len(said(play))

    list(scene)

    assert len(hands) == 3
    assert len(said(play)) == lines


def test_a_quarrel_is_reported_to_the_staff():
    play = a_stage()
    room = next(c for c in play.stage.world.channels.values() if c.name == "staff-room")
    before = len(play.stage.world.messages[room.id])

    list(SCENES["drama"](play))

    assert len(play.stage.world.messages[room.id]) > before


def test_a_scene_is_started_and_stopped_through_control(small_discord, eventually):
    def playing() -> list[str]:
        return [each["scene"] for each in small_discord.control("GET", "scenes") if each["playing"]]

    assert playing() == []
    small_discord.control("POST", "scenes", {"scene": "raid", "pace": 1000})
    eventually(lambda: len(small_discord.guild.members) > MEMBERS + RAIDERS and not playing())

    small_discord.control("POST", "scenes", {"scene": "quiet"})
    assert playing() == ["quiet"]
    small_discord.control("POST", "scenes", {"scene": "quiet", "do": "stop"})
    assert playing() == []


def test_a_reset_ends_every_scene(small_discord):
    small_discord.control("POST", "scenes", {"scene": "busy"})

    small_discord.control("POST", "reset")

    assert not any(each["playing"] for each in small_discord.control("GET", "scenes"))


def test_a_scene_nobody_wrote_is_refused(small_discord):
    small_discord.control("POST", "scenes", {"scene": "opera"}, status=400)
    small_discord.control("POST", "scenes", {"scene": "raid", "pace": 0}, status=400)
