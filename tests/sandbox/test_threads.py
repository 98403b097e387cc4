"""Threads: started, talked in, changed, put to rest, listed, deleted; who is in them and who may."""

from __future__ import annotations

import discord
import pytest

from kovra.sandbox import permissions, snapshot
from kovra.sandbox.deeds import places
from kovra.sandbox.world import ChannelType, Overwrite
from tests.sandbox.forum import MANAGE_THREADS, MARK, PRIVATE, PUBLIC, SEND_IN_THREADS, code, entries, told

# -- starting ----------------------------------------------------------------------------------------------------------


def test_a_thread_is_started_from_a_message_and_hangs_on_it(small_discord, forum, connect):
    connect(small_discord)
    person = small_discord.cast.plain[0]
    body = {"user_id": str(person), "channel_id": str(forum.hall), "content": "who took the kettle?"}
    asked = small_discord.control("POST", "messages", body)["id"]

    started = forum.start_from(asked)
    again = forum.start_from(asked)
    thread = started.json()
    message = small_discord.rest("GET", f"/channels/{forum.hall}/messages/{asked}").json()
    first = forum.ask("GET", thread, "/messages").json()

    assert (started.status_code, thread["id"], thread["type"], thread["parent_id"]) == (
        201, asked, PUBLIC, str(forum.hall)
    )  # fmt: skip
    assert code(again) == (400, 160004)
    assert (message["flags"] & 32, message["thread"]["id"]) == (32, asked)
    assert [(m["type"], m["message_reference"]) for m in first] == [
        (21, {"type": 0, "channel_id": str(forum.hall), "message_id": asked})
    ]
    assert [name for name, _ in told(small_discord, "MESSAGE_UPDATE")] == ["THREAD_CREATE", "MESSAGE_UPDATE"]


def test_a_public_one_started_by_itself_is_said_in_its_channel_and_a_private_one_is_not(small_discord, forum):
    public = forum.start("lanterns")
    private = forum.start("the surprise", None)

    newest = small_discord.rest("GET", f"/channels/{forum.hall}/messages?limit=1").json()[0]
    assert (newest["type"], newest["content"]) == (18, "lanterns")
    assert (public["type"], private["type"]) == (PUBLIC, PRIVATE)
    assert (public["owner_id"], public["member_count"]) == (str(small_discord.world.bot_id), 1)
    assert "invitable" in private["thread_metadata"]
    assert "invitable" not in public["thread_metadata"]
    assert entries(small_discord, 2) == [(110, each["id"], "to keep order") for each in (private, public)]


@pytest.mark.parametrize(
    "body",
    [{"name": ""}, {"name": "x" * 101}, {"auto_archive_duration": 61}, {"rate_limit_per_user": 21_601}, {"type": 0}],
)
def test_what_a_thread_cannot_be(small_discord, forum, body):
    body = {"name": "lanterns", "type": PUBLIC, **body}
    answer = small_discord.rest("POST", f"/channels/{forum.hall}/threads", json=body)

    assert code(answer) == (400, 50035)


def test_threads_are_started_in_channels_of_text_alone(small_discord, forum):
    inside = forum.start()
    voice = small_discord.channel("Fireside")

    answers = [
        small_discord.rest("POST", f"/channels/{where}/threads", json={"name": "n", "type": PUBLIC})
        for where in (inside["id"], voice)
    ]

    assert [code(answer) for answer in answers] == [(400, 50024)] * 2


@pytest.mark.parametrize(("kind", "bit"), [(PUBLIC, 35), (PRIVATE, 36)])
def test_each_kind_needs_its_permission(small_discord, forum, kind, bit):
    forum.without(1 << bit)

    answer = small_discord.rest("POST", f"/channels/{forum.hall}/threads", json={"name": "n", "type": kind})

    assert code(answer) == (403, 50013)


# -- talking -----------------------------------------------------------------------------------------------------------


def test_pycord_talks_and_listens_in_a_thread(small_discord, forum, connect, eventually):
    guard = connect(small_discord)
    person = small_discord.cast.plain[0]

    async def start():
        hall = guard.bot.get_channel(forum.hall)
        thread = await hall.create_thread(name="by Pycord", type=discord.ChannelType.public_thread)
        await thread.send("first")
        return thread.id

    thread_id = guard.run(start())
    forum.say(thread_id, person, "second")

    eventually(lambda: "second" in [m.content for name, m in guard.heard if name == "message"])
    thread = guard.bot.guilds[0].get_thread(thread_id)
    eventually(lambda: {member.id for member in thread.members} == {small_discord.world.bot_id, person})
    read = forum.ask("GET", thread_id).json()
    assert (read["message_count"], read["total_message_sent"], read["member_count"]) == (2, 2, 2)


def test_messages_of_a_thread_are_purged_and_swept_like_others(small_discord, forum):
    thread, person = forum.start(), small_discord.cast.plain[0]
    ids = [forum.ask("POST", thread, "/messages", json={"content": str(n)}).json()["id"] for n in range(3)]
    forum.say(thread["id"], person, "spam")

    assert forum.ask("POST", thread, "/messages/bulk-delete", json={"messages": ids[:2]}).status_code == 204
    small_discord.in_guild("PUT", f"/bans/{person}?delete_message_seconds=3600")

    assert [m["id"] for m in forum.ask("GET", thread, "/messages").json()] == ids[2:]
    assert forum.ask("GET", thread).json()["message_count"] == 1


def test_a_webhook_posts_into_a_thread_of_its_channel(small_discord, forum):
    thread = forum.start()
    elsewhere = small_discord.channel("trade-post")
    hook = small_discord.rest("POST", f"/channels/{forum.hall}/webhooks", json={"name": "crier"}).json()
    path = f"/webhooks/{hook['id']}/{hook['token']}"

    said = small_discord.rest("POST", f"{path}?wait=true&thread_id={thread['id']}", json={"content": "hear"}).json()
    wrong = small_discord.rest("POST", f"{path}?thread_id={elsewhere}", json={"content": "hear"})
    from_it = small_discord.rest(
        "POST", f"{path}?wait=true", json={"content": "a thread may be started from this"}
    ).json()

    assert said["channel_id"] == thread["id"]
    assert code(wrong) == (404, 10003)
    started = forum.start_from(from_it["id"]).json()
    assert [m["author"]["username"] for m in forum.ask("GET", started, "/messages").json()] == ["crier"]


def test_talking_in_threads_has_a_permission_of_its_own(small_discord, forum):
    thread = forum.start()
    forum.without(SEND_IN_THREADS)

    inside = forum.ask("POST", thread, "/messages", json={"content": "x"})
    outside = small_discord.rest("POST", f"/channels/{forum.hall}/messages", json={"content": "x"})

    assert code(inside) == (403, 50013)
    assert outside.status_code == 200


# -- changing ----------------------------------------------------------------------------------------------------------


def test_a_thread_is_renamed_slowed_locked_and_put_to_rest(small_discord, forum, connect):
    connect(small_discord)
    thread = forum.start()
    body = {"name": "oil", "rate_limit_per_user": 30, "locked": True, "archived": True, "auto_archive_duration": 60}

    changed = forum.ask("PATCH", thread, json=body, reason="quarrel").json()

    assert (changed["name"], changed["rate_limit_per_user"]) == ("oil", 30)
    metadata = changed["thread_metadata"]
    assert (metadata["locked"], metadata["archived"], metadata["auto_archive_duration"]) == (True, True, 60)
    assert told(small_discord)[-1] == ("THREAD_UPDATE", changed)
    assert entries(small_discord, 1) == [(111, thread["id"], "quarrel")]


def test_what_rests_is_woken_before_it_is_changed(small_discord, forum):
    thread = forum.start()
    message = forum.ask("POST", thread, "/messages", json={"content": "x"}).json()
    forum.ask("PATCH", thread, json={"archived": True})
    person = small_discord.cast.plain[0]

    refused = [
        forum.ask("PATCH", thread, json={"name": "y"}),
        forum.ask("PATCH", thread, f"/messages/{message['id']}", json={"content": "y"}),
        forum.ask("DELETE", thread, f"/messages/{message['id']}"),
        forum.ask("PUT", thread, f"/messages/{message['id']}/reactions/%F0%9F%8F%AE/@me"),
        forum.ask("PUT", thread, f"/thread-members/{person}"),
    ]
    renamed = forum.ask("PATCH", thread, json={"archived": False, "name": "y"})

    assert [code(answer) for answer in refused] == [(400, 50083)] * 5
    assert renamed.json()["name"] == "y"


def test_a_message_wakes_a_thread_unless_it_is_locked(small_discord, forum):
    open_one, locked_one = forum.start(), forum.start()
    forum.ask("PATCH", open_one, json={"archived": True})
    forum.ask("PATCH", locked_one, json={"archived": True, "locked": True})
    forum.without(MANAGE_THREADS)

    said = [forum.ask("POST", each, "/messages", json={"content": "hello"}) for each in (open_one, locked_one)]

    assert said[0].status_code == 200
    assert code(said[1]) == (400, 50083)
    assert forum.ask("GET", open_one).json()["thread_metadata"]["archived"] is False


def test_a_locked_thread_that_is_awake_is_for_moderators(small_discord, forum):
    thread = forum.start()
    forum.ask("PATCH", thread, json={"locked": True})

    as_moderator = forum.ask("POST", thread, "/messages", json={"content": "enough"})
    forum.without(MANAGE_THREADS)
    as_another = forum.ask("POST", thread, "/messages", json={"content": "but"})

    assert as_moderator.status_code == 200
    assert code(as_another) == (403, 160005)


def test_without_the_right_one_changes_only_what_is_ones_own(small_discord, forum):
    own, foreign = forum.start(), forum.start_by(small_discord.cast.plain[0])
    forum.ask("PATCH", foreign, json={"archived": True})
    forum.without(MANAGE_THREADS)

    allowed = [
        forum.ask("PATCH", own, json={"name": "mine"}),
        forum.ask("PATCH", foreign, json={"archived": False}),
    ]
    refused = [
        forum.ask("PATCH", own, json={"rate_limit_per_user": 5}),
        forum.ask("PATCH", own, json={"locked": True}),
        forum.ask("PATCH", foreign, json={"name": "not mine"}),
        forum.ask("DELETE", own),
    ]

    assert [answer.status_code for answer in allowed] == [200, 200]
    assert [code(answer) for answer in refused] == [(403, 50013)] * 4


def test_a_thread_is_deleted_and_its_message_stays(small_discord, forum, connect):
    connect(small_discord)
    newest = small_discord.rest("GET", f"/channels/{forum.hall}/messages?limit=1").json()[0]["id"]
    thread = forum.start_from(newest).json()

    gone = forum.ask("DELETE", thread, reason="done")

    assert gone.json()["id"] == thread["id"]
    assert code(forum.ask("GET", thread)) == (404, 10003)
    message = small_discord.rest("GET", f"/channels/{forum.hall}/messages/{newest}").json()
    assert "thread" not in message
    assert told(small_discord)[-1] == (
        "THREAD_DELETE",
        {key: thread[key] for key in ("id", "guild_id", "parent_id", "type")},
    )
    assert entries(small_discord, 1) == [(112, thread["id"], "done")]


def test_a_deleted_channel_takes_its_threads_along(small_discord, forum):
    thread = forum.start()

    small_discord.rest("DELETE", f"/channels/{forum.hall}")

    assert forum.active() == []
    assert code(forum.ask("GET", thread)) == (404, 10003)


def test_a_thread_has_no_overwrites_invites_or_webhooks_of_its_own(small_discord, forum):
    thread = forum.start()

    answers = [
        forum.ask("PUT", thread, f"/permissions/{small_discord.guild.id}", json={"type": 0, "deny": "2048"}),
        forum.ask("POST", thread, "/invites", json={}),
        forum.ask("POST", thread, "/webhooks", json={"name": "n"}),
    ]

    assert [code(answer) for answer in answers] == [(400, 50024)] * 3


# -- the gateway, the snapshot, the ledger -----------------------------------------------------------------------------


def test_a_guild_is_opened_with_the_threads_that_are_awake(small_discord, forum, connect):
    awake, resting = forum.start(), forum.start()
    forum.ask("PATCH", resting, json={"archived": True})

    guard = connect(small_discord)

    assert [str(thread.id) for thread in guard.bot.guilds[0].threads] == [awake["id"]]


def test_the_bot_is_sent_the_threads_of_a_channel_that_opens_to_it(small_discord, forum, connect, eventually):
    thread = forum.start_by(small_discord.cast.plain[0])
    bot_id = small_discord.world.bot_id

    def cover(sandbox, *, deny):
        world = sandbox.world
        overwrite = Overwrite(id=bot_id, type=1, deny=deny)
        guild = world.guilds[world.cast.guild_id]
        places.put_overwrite(
            sandbox.stage, guild, world.channels[forum.hall], overwrite, by=guild.owner_id, reason=None
        )

    small_discord.host.call(lambda sandbox: cover(sandbox, deny=permissions.VIEW_CHANNEL))
    guard = connect(small_discord)
    assert guard.bot.guilds[0].threads == []
    small_discord.host.call(lambda sandbox: cover(sandbox, deny=0))

    eventually(lambda: [each.id for each in guard.bot.guilds[0].threads] == [thread])
    assert [(name, d["channel_ids"]) for name, d in told(small_discord)] == [("THREAD_LIST_SYNC", [str(forum.hall)])]


def test_threads_are_kept_and_follow_their_channel_after_a_restart(small_discord, forum, tmp_path):
    thread = forum.start("kept", PRIVATE)
    forum.ask("PUT", thread, f"/thread-members/{small_discord.cast.plain[0]}")
    world = small_discord.host.call(lambda sandbox: sandbox.world)

    snapshot.save(snapshot.Snapshot(world=world), tmp_path / "state.json")
    again = snapshot.load(tmp_path / "state.json").world

    assert again == world
    kept = again.channels[int(thread["id"])]
    again.channels[forum.hall].overwrites[1] = Overwrite(id=1, type=1)
    assert 1 in kept.overwrites
    assert kept.type == ChannelType.PRIVATE_THREAD


def test_deeds_in_threads_are_counted(small_discord, forum):
    thread = forum.start()
    forum.ask("PATCH", thread, json={"locked": True}, reason=MARK)
    forum.ask("PATCH", thread, json={"locked": True}, reason=MARK)
    forum.ask("DELETE", thread, reason=MARK)

    report = small_discord.control("GET", "effects?ref=abcdefghijklmn23")["effects"]

    assert {item["verb"]: (item["count"], item["changed"]) for item in report} == {
        f"edit_thread {thread['id']}": (2, 1),
        "delete_thread": (1, 1),
    }
