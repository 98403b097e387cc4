"""The pages people see: who to be, and the guild through somebody's eyes."""

from __future__ import annotations

import json
import re

import pytest
import requests

HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_names_with_markup_in_them_are_shown_and_not_obeyed(small_discord):
    owner = small_discord.world.users[small_discord.guild.owner_id]
    member = small_discord.world.users[small_discord.cast.plain[0]]
    small_discord.host.call(lambda _: [setattr(user, "global_name", HOSTILE) for user in (owner, member)])
    wish = {
        "client_id": str(small_discord.world.bot_id),
        "redirect_uri": "http://localhost:1/<b>",
        "response_type": "code",
        "scope": "identify",
        "state": HOSTILE,
    }

    front = requests.get(small_discord.base_url, timeout=10).text
    consent = requests.get(f"{small_discord.base_url}/oauth2/authorize", params=wish, timeout=10).text

    assert "<img" not in front + consent
    known = json.loads(re.search(r'id="world">(.*?)</script>', front)[1])
    assert known["people"][0]["display_name"] == HOSTILE


def test_every_page_forbids_what_is_not_its_own(small_discord):
    answer = requests.get(small_discord.base_url, timeout=10)

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert requests.get(small_discord.base_url + name, timeout=10).status_code == 200


def test_avatars_are_pictures(small_discord):
    answer = requests.get(f"{small_discord.base_url}/cdn/embed/avatars/3.png", timeout=10)

    assert answer.headers["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


@pytest.fixture
def page(chromium):
    context = chromium.new_context()
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    yield opened
    context.close()
    assert faults == []


@pytest.mark.browser
def test_a_person_reads_talks_and_sees_only_their_channels(small_discord, page):
    page.goto(small_discord.base_url)
    page.wait_for_selector("#messages li")

    page.fill("#text", "hello from the page")
    page.click("#talk button")
    page.wait_for_selector("text=hello from the page")
    page.wait_for_selector("text=# mod-log")
    page.select_option("#person", str(small_discord.cast.plain[0]))
    page.locator("text=# mod-log").wait_for(state="detached")

    last = small_discord.control("GET", f"channels/{small_discord.channel('main-hall')}/messages")[-1]
    assert last["content"] == "hello from the page"
    assert last["author"]["id"] == str(small_discord.guild.owner_id)


@pytest.mark.browser
def test_the_options_of_a_command_are_chosen_where_there_is_a_choice(small_discord, page):
    sizes = [{"name": "a minute", "value": 60}, {"name": "an hour", "value": 3600}]
    options = [
        {"type": 4, "name": "length", "description": "how long", "choices": sizes},
        {"type": 8, "name": "role", "description": "which role"},
        {"type": 7, "name": "place", "description": "which channel"},
        {"type": 5, "name": "quietly", "description": "tell nobody"},
        {"type": 3, "name": "why", "description": "in your words"},
    ]
    command = {"name": "lamp", "description": "light a lamp", "options": options}
    small_discord.rest("PUT", f"/applications/{small_discord.world.bot_id}/commands", json=[command])

    page.goto(small_discord.base_url)
    page.get_by_label("Command").select_option("lamp")
    for option, label in (("length", "an hour"), ("role", "@Minstrel"), ("place", "# main-hall"), ("quietly", "yes")):
        page.locator(f"#options select[name={option}]").select_option(label=label)
    page.locator("#options input[name=why]").fill("it is dark")
    with page.expect_request("**/control/interactions") as sent:
        page.get_by_role("button", name="Run").click()

    assert sent.value.post_data_json["options"] == {
        "length": "3600",
        "role": str(small_discord.role("Minstrel")),
        "place": str(small_discord.channel("main-hall")),
        "quietly": "true",
        "why": "it is dark",
    }
    assert sent.value.response().ok


@pytest.mark.browser
def test_somebody_else_can_sign_in_by_picking_a_name(small_discord, page):
    someone = str(small_discord.cast.plain[0])
    back = f"{small_discord.base_url}/"
    page.goto(
        f"{small_discord.base_url}/oauth2/authorize?client_id={small_discord.world.bot_id}&redirect_uri={back}"
        "&response_type=code&scope=identify&state=s"
    )

    page.select_option("select", someone)
    page.click("text=Authorize")
    page.wait_for_url(re.compile("code="))

    assert {cookie["name"]: cookie["value"] for cookie in page.context.cookies()} == {"sandbox_person": someone}


def test_a_link_to_a_message_opens_the_page_and_one_into_another_guild_does_not(small_discord):
    guild, channel = small_discord.guild.id, small_discord.guild.channel_ids[0]

    here = requests.get(f"{small_discord.base_url}/channels/{guild}/{channel}/1573331327908839424", timeout=10)
    elsewhere = requests.get(f"{small_discord.base_url}/channels/{guild + 1}/{channel}", timeout=10)

    assert here.status_code == 200
    assert 'id="world"' in here.text
    assert elsewhere.status_code == 404
