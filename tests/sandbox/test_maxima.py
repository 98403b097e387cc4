"""Discord's maxima: how many roles and channels a guild has, and what a rule of AutoMod may hold."""

from __future__ import annotations

import pytest

from kovra.sandbox.rest import channels, roles

RULES = "/auto-moderation/rules"
MODERATE_MEMBERS = 1 << 40
KEYWORD, SPAM, MENTIONS = 1, 3, 5


def rule(trigger=KEYWORD, actions=None, **more):
    return {
        "name": "lamps",
        "event_type": 1,
        "trigger_type": trigger,
        "actions": actions or [{"type": 1, "metadata": {}}],
        "trigger_metadata": {"keyword_filter": ["oil"]} if trigger == KEYWORD else {},
        **more,
    }


def time_out(seconds):
    return [{"type": 3, "metadata": {"duration_seconds": seconds}}]


def code(answer):
    return answer.status_code, answer.json()["code"]


def test_a_guild_has_so_many_roles_and_channels_and_no_more(small_discord, monkeypatch):
    monkeypatch.setattr(roles, "MOST_ROLES", len(small_discord.guild.roles))
    monkeypatch.setattr(channels, "MOST_CHANNELS", len(small_discord.guild.channel_ids))

    answers = [small_discord.in_guild("POST", path, json={"name": "more"}) for path in ("/roles", "/channels")]

    assert [code(answer) for answer in answers] == [(400, 30005), (400, 30013)]


@pytest.mark.parametrize(
    "body",
    [
        rule(trigger_metadata={"keyword_filter": ["x"] * 1001}),
        rule(trigger_metadata={"keyword_filter": ["x" * 61]}),
        rule(trigger_metadata={"regex_patterns": ["x"] * 11}),
        rule(trigger_metadata={"regex_patterns": ["x" * 261]}),
        rule(exempt_roles=["1"] * 21),
        rule(exempt_channels=["1"] * 51),
        rule(actions=[{"type": 1, "metadata": {"custom_message": "x" * 151}}]),
        rule(actions=time_out(2_419_201)),
        rule(SPAM, actions=time_out(60)),
        rule(MENTIONS, trigger_metadata={"mention_total_limit": 51}),
    ],
)
def test_a_rule_holds_no_more_than_it_may(small_discord, body):
    assert code(small_discord.in_guild("POST", RULES, json=body)) == (400, 50035)
    assert small_discord.in_guild("GET", RULES).json() == []


@pytest.mark.parametrize("body", [rule(actions=time_out(2_419_200)), rule(MENTIONS, actions=time_out(60))])
def test_a_rule_that_times_out_is_for_those_who_may(small_discord, body):
    made = small_discord.in_guild("POST", RULES, json=body)
    small_discord.guild.roles[small_discord.role("Guard")].permissions &= ~MODERATE_MEMBERS

    refused = [
        small_discord.in_guild("PATCH", f"{RULES}/{made.json()['id']}", json={"actions": body["actions"]}),
        small_discord.in_guild("POST", RULES, json={**body, "trigger_type": KEYWORD, "trigger_metadata": {}}),
    ]

    assert made.status_code == 200
    assert [code(answer) for answer in refused] == [(403, 50013)] * 2


@pytest.mark.parametrize("trigger", [KEYWORD, SPAM, 4, MENTIONS, 6])
def test_a_rule_of_every_trigger_has_what_its_kind_has(small_discord, trigger):
    event = 2 if trigger == 6 else 1
    action = {"type": 4, "metadata": {}} if trigger == 6 else {"type": 1, "metadata": {}}
    body = rule(trigger, actions=[action], trigger_metadata={}, event_type=event)

    # What it answers is held against Discord's description when the test ends.
    made = small_discord.in_guild("POST", RULES, json=body)
    assert made.status_code == 200
    path = f"{RULES}/{made.json()['id']}"
    assert small_discord.in_guild("PATCH", path, json={"trigger_metadata": {}}).status_code == 200
