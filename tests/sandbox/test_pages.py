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


def tool(page, name):
    """One part of the tools, opened with the keyboard."""
    summary = page.locator(f"#tool-{name} summary")
    summary.focus()
    if not page.locator(f"#tool-{name}").evaluate("part => part.open"):
        page.keyboard.press("Enter")
    return page.locator(f"#tool-{name}")


def full_name(discord, user_id):
    """As the lists of the page name somebody."""
    member, user = discord.guild.members[user_id], discord.world.users[user_id]
    return f"{member.nick or user.global_name or user.username} ({user_id})"


@pytest.mark.browser
def test_a_member_is_banned_by_hand_and_a_new_account_joins(small_discord, page, eventually):
    someone = small_discord.cast.plain[0]
    page.goto(small_discord.base_url)
    people = tool(page, "people")
    page.locator("#people option").first.wait_for(state="attached")

    people.get_by_label("Who").fill(full_name(small_discord, someone))
    people.get_by_label("Reason").fill("by hand")
    people.get_by_role("button", name="Ban", exact=True).click()
    eventually(lambda: small_discord.guild.bans == {someone: "by hand"})
    people.get_by_label("A new account").fill("fresh.fern")
    people.get_by_role("button", name="Join").click()

    page.get_by_text("fresh.fern joined.").wait_for()
    assert any(small_discord.world.users[i].username == "fresh.fern" for i in small_discord.guild.members)
    assert small_discord.guild.audit[-1].user_id == small_discord.guild.owner_id


@pytest.mark.browser
def test_somebody_nobody_knows_is_asked_for_again(small_discord, page):
    page.goto(small_discord.base_url)
    people = tool(page, "people")

    people.get_by_label("Who").fill("who is that")
    people.get_by_role("button", name="Kick").click()

    page.get_by_text("Nobody here is called who is that: choose somebody from the list.").wait_for()


@pytest.mark.browser
def test_faults_latency_and_limits_are_set_from_the_page(small_discord, page, eventually):
    page.goto(small_discord.base_url)
    faults = tool(page, "faults")

    faults.get_by_label("Request").fill("PUT /guilds/{guild_id}/bans/{user_id}")
    faults.get_by_label("Happens").select_option(label="429, wait two seconds")
    faults.get_by_label("When").select_option(label="after it is done")
    faults.get_by_role("button", name="Arm", exact=True).click()
    page.locator("#armed li").wait_for()
    banned = small_discord.in_guild("PUT", f"/bans/{small_discord.cast.plain[0]}")
    faults.get_by_label("Every answer takes").fill("30")
    faults.get_by_role("button", name="Set").click()
    faults.get_by_label("rate limits").check()
    eventually(lambda: small_discord.host.sandbox.limits.on)

    assert (banned.status_code, banned.headers["Retry-After"], banned.json()["retry_after"]) == (429, "2", 2)
    assert small_discord.cast.plain[0] in small_discord.guild.bans
    assert small_discord.host.sandbox.faults.latency_ms == 30


@pytest.mark.browser
def test_a_message_is_reacted_to_pinned_and_a_thread_started_from_it(small_discord, page, eventually):
    hall = str(small_discord.channel("main-hall"))
    said = {"user_id": str(small_discord.cast.plain[0]), "channel_id": hall, "content": "look here"}
    message_id = int(small_discord.control("POST", "messages", said)["id"])
    page.goto(small_discord.base_url)

    def menu():
        page.locator("#messages li", has_text="look here").get_by_label("More about").press("Enter")
        return page.locator("#menu")

    menu().get_by_label("React with 🏮").click()
    page.locator("#messages .mark", has_text="🏮 1").wait_for()
    menu().get_by_role("button", name="Pin", exact=True).click()
    page.get_by_text("📌 pinned").wait_for()
    menu().get_by_label("Name of the thread").fill("found things")
    page.locator("#menu").get_by_role("button", name="Start thread").click()
    page.locator("#channels").get_by_text("↳ found things").click()
    page.locator("#place", has_text="found things").wait_for()

    message = small_discord.world.messages[int(hall)][message_id]
    assert message.reactions == {"🏮": [small_discord.guild.owner_id]}
    assert message.pinned
    assert small_discord.world.channels[message_id].name == "found things"


@pytest.mark.browser
def test_a_menu_of_the_bot_is_used_on_a_member_and_on_a_message_and_a_silent_bot_is_named(small_discord, page):
    menus = [{"name": "Look closer", "type": 2}, {"name": "Report it", "type": 3}]
    small_discord.rest("PUT", f"/applications/{small_discord.world.bot_id}/commands", json=menus)
    someone = small_discord.cast.plain[0]
    page.goto(small_discord.base_url)
    people = tool(page, "people")
    page.locator("#people option").first.wait_for(state="attached")
    people.get_by_label("Who").fill(full_name(small_discord, someone))

    with page.expect_request("**/control/interactions") as on_member:
        people.get_by_role("button", name="Look closer").click()
    page.locator("#messages li").last.get_by_label("More about").press("Enter")
    with page.expect_request("**/control/interactions") as on_message:
        page.locator("#menu").get_by_role("button", name="Report it").click()

    assert on_member.value.post_data_json["target_id"] == str(someone)
    newest = small_discord.control("GET", f"channels/{small_discord.channel('main-hall')}/messages")[-1]
    assert on_message.value.post_data_json["target_id"] == newest["id"]
    page.get_by_text("Guard did not respond in three seconds.").wait_for()


@pytest.mark.browser
def test_what_happened_to_a_request_is_read_on_the_page(small_discord, page):
    for mark in ("abcdefghijklmn23", "abcdefghijklmn24"):
        small_discord.in_guild("PUT", f"/bans/{small_discord.cast.plain[0]}", reason=f"spam [kv:{mark}]")
    page.goto(small_discord.base_url)

    tool(page, "effects").get_by_label("Reference").fill("[kv:abcdefghijklmn23]")
    page.keyboard.press("Enter")
    requests_part = tool(page, "requests")

    page.locator("#effects li").first.wait_for()
    assert page.locator("#effects li").all_inner_texts() == ["abcdefghijklmn23 ban: 1, changed 1"]
    requests_part.get_by_text("2 served").wait_for()


@pytest.mark.browser
def test_a_scene_is_played_and_stopped_with_the_keyboard(small_discord, page, eventually):
    page.goto(small_discord.base_url)
    page.get_by_role("button", name="Play quiet").press("Enter")
    page.get_by_role("button", name="Stop quiet").press("Enter")
    page.get_by_role("button", name="Play quiet").wait_for()

    assert not any(each["playing"] for each in small_discord.control("GET", "scenes"))


@pytest.mark.browser
def test_new_messages_leave_the_focus_and_the_messages_before_them_alone(small_discord, page):
    hall, someone = str(small_discord.channel("main-hall")), str(small_discord.cast.plain[0])
    page.goto(small_discord.base_url)
    first = page.locator("#messages li").first
    first.evaluate("node => { node.touched = true; node.querySelector('.more').focus(); }")

    small_discord.control("POST", "messages", {"user_id": someone, "channel_id": hall, "content": "one more"})
    page.get_by_text("one more").wait_for()

    assert first.evaluate("node => node.touched && node.contains(document.activeElement)")


@pytest.mark.browser
def test_the_gateway_is_troubled_from_the_page(small_discord, page, eventually):
    page.goto(small_discord.base_url)
    gateway = tool(page, "gateway")

    gateway.get_by_label("Trouble").select_option(label="refuses the next connection with a code")
    gateway.get_by_label("Code", exact=True).fill("4014")
    gateway.get_by_role("button", name="Let it happen").click()

    eventually(lambda: list(small_discord.host.sandbox.gateway.refusals) == [4014])
