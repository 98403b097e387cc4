"""The log channel as people find it: lost, mended, chosen anew; and what was missed meanwhile."""

from __future__ import annotations

import json
import time

import pytest

from kovra.actions.request import Action, State
from kovra.guard.health import Area, examine
from kovra.guard.log_channels import HEARD
from kovra.store.database import Database
from kovra.store.health import Health


@pytest.fixture
def closed(path):
    """Guard may not write in the log channel; ``closed()`` mends it, and lets half a minute be over."""
    channel_id = str(path.discord.world["channels"]["mod-log"])
    fault = {
        "method": "POST",
        "route": "/channels/{channel_id}/messages",
        "params": {"channel_id": channel_id},
        "status": 403,
        "code": 50013,
        "message": "Missing Permissions",
        "times": None,
    }
    path.discord.ask("POST", "faults", fault)

    def mend():
        path.discord.ask("DELETE", "faults")
        path.write("UPDATE log_posts SET due_at = now() WHERE due_at > now()")

    yield mend
    mend()


@pytest.fixture
def health(path):
    web = Database(path.config.database_url, role="kovra_web")
    yield lambda: {one.area: one for one in examine(Health(web).vitals(path.guild_id))}
    web.dispose()


def test_a_closed_channel_stops_nothing_is_found_and_what_was_missed_is_posted_once_it_is_mended(path, closed, health):
    asked = [path.a(Action.NOTE, path.discord.someone(), reason=f"missed {number}") for number in range(12)]
    for request in asked:
        path.submit(request)

    rows = [path.until(lambda r=r: (row := path.row(r.request_id)) and row["state"] == "done" and row) for r in asked]
    finding = path.until(lambda: health().get(Area.LOG_CHANNEL))
    closed()
    ended = [path.end_of(request.request_id) for request in asked]

    assert {row["state"] for row in rows} == {State.DONE}
    assert "Discord refused Guard’s last post in a log channel (code 50013). Moderation goes on;" in finding.sentence
    assert {row["post_status"] for row in ended} == {"sent"}
    posts = [path.discord.log_posts(request.request_id) for request in asked]
    assert [len(one) for one in posts] == [1] * 12
    assert len({one["id"] for [one] in posts}) <= 3
    assert Area.LOG_CHANNEL not in path.until(lambda: (found := health()) and found or {"none": 1})


def test_a_case_taken_back_says_so_in_its_post(path):
    ban = path.a(Action.BAN, path.discord.someone())
    path.run(ban)
    number = path.case_of(ban.request_id)["case_no"]

    path.run(path.a(Action.UNBAN, ban.target_id, params={"reverses": number}))

    def posted():
        [post] = path.discord.log_posts(ban.request_id)
        return "Reversed by" in json.dumps(post["embeds"])

    path.until(posted)


def test_a_post_that_somebody_deleted_is_known_as_deleted(path):
    warning = path.a(Action.WARN, path.discord.someone())
    row = path.run(warning)
    number = path.case_of(warning.request_id)["case_no"]
    path.write("UPDATE mod_cases SET post_message_id = post_message_id - 1 WHERE case_no = :no", no=number)

    path.run(path.a(Action.VOID, warning.target_id, reason="mistake", params={"case_no": number}))

    assert row["post_status"] == "sent"
    path.until(lambda: path.case_of(warning.request_id)["post_status"] == "deleted")


@pytest.fixture
def every_class(path):
    """The classes of what happens on the server are posted in the channel of the log."""
    where = str(path.discord.world["channels"]["mod-log"])
    before = path.first("SELECT log_channels FROM guild_settings WHERE guild_id = :g", g=path.guild_id)
    put = (
        "INSERT INTO guild_settings (guild_id, log_channels, changed_at) VALUES (:g, cast(:chosen AS jsonb), now())"
        " ON CONFLICT (guild_id) DO UPDATE SET log_channels = excluded.log_channels"
    )
    path.write(put, g=path.guild_id, chosen=json.dumps({one.value: where for one in HEARD}))
    yield
    path.write(put, g=path.guild_id, chosen=json.dumps(before["log_channels"] if before else {}))


def test_what_happens_on_the_server_is_posted_and_a_ban_is_told_apart_from_a_leave(path, every_class):
    def posted(what):
        where = path.discord.world["channels"]["mod-log"]
        posts = path.discord.ask("GET", f"channels/{where}/messages?limit=200")
        return [embed for post in posts for embed in post["embeds"] if what in embed["title"]]

    came = []

    def heard():
        # The bot looks at the settings every two seconds; it must not be flooded meanwhile.
        if not came or time.monotonic() > came[-1] + 1:
            path.discord.ask("POST", "join", {"username": f"eave-{len(came)}"})
            came.append(time.monotonic())
        return posted("eave")

    path.until(heard)
    banned = path.a(Action.BAN, path.discord.someone())
    path.run(banned)

    number = path.case_of(banned.request_id)["case_no"]
    [removed] = path.until(lambda: [one for one in posted("Removed") if str(banned.target_id) in json.dumps(one)])
    assert {"name": "Case", "value": f"#{number}", "inline": True} in removed["fields"]
    assert path.all("SELECT 1 FROM log_events WHERE at < now() - interval '1 minute'") == []
