"""Threads: started, talked in, changed, put to rest, listed, deleted; who is in them and who may."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import discord
import pytest

from kovra.sandbox import permissions, snapshot
from kovra.sandbox.deeds import messages, places, threads
from kovra.sandbox.world import ChannelType, Overwrite

MANAGE_THREADS, SEND_IN_THREADS = 1 << 34, 1 << 38
PUBLIC, PRIVATE = 11, 12
MARK = "[kv:abcdefghijklmn23]"


class Forum:
    """The main hall, and the threads started there."""

    def __init__(self, place) -> None:
        self.place = place
        self.hall = place.channel("main-hall")

    def start(self, name="lanterns", kind=PUBLIC, **more):
        body = {"name": name, "type": kind, **more}
        return self.place.rest("POST", f"/channels/{self.hall}/threads", json=body, reason="to keep order").json()

    def start_from(self, message_id, **more):
        path = f"/channels/{self.hall}/messages/{message_id}/threads"
        return self.place.rest("POST", path, json={"name": "about this", **more})

    def start_by(self, person, name="theirs", kind=PUBLIC, **more):
        """A person starts one."""

        def deed(sandbox):
            world = sandbox.world
            guild = world.guilds[world.cast.guild_id]
            return threads.start(
                sandbox.stage, guild, world.channels[self.hall], name, by=person, reason=None, type=kind,
                auto_archive_min=60, **more,
            ).id  # fmt: skip

        return self.place.host.call(deed)

    def say(self, thread_id, person, text):
        self.place.host.call(
            lambda sandbox: messages.post(
                sandbox.stage, sandbox.world.channels[int(thread_id)], person, {"content": text}
            )
        )

    def ask(self, method, thread, path="", **more):
        thread_id = thread["id"] if isinstance(thread, dict) else thread
        return self.place.rest(method, f"/channels/{thread_id}{path}", **more)

    def active(self):
        return [each["id"] for each in self.place.in_guild("GET", "/threads/active").json()["threads"]]

    def archived(self, kind="public", **query):
        return self.place.rest("GET", f"/channels/{self.hall}/threads/archived/{kind}", params=query).json()

    def without(self, *permissions):
        """Take permissions from everybody, the bot among them."""
        for role in self.place.guild.roles.values():
            for permission in permissions:
                role.permissions &= ~permission


@pytest.fixture
def forum(small_discord) -> Forum:
    return Forum(small_discord)


@pytest.fixture
def timed_forum(timed_discord) -> Forum:
    return Forum(timed_discord)


def code(answer):
    return answer.status_code, answer.json()["code"]


def told(place, *names):
    sent = place.host.call(lambda sandbox: sandbox.gateway.sent())
    return [(e["t"], e["d"]) for e in map(json.loads, sent) if e["t"] in names or e["t"].startswith("THREAD_")]


def entries(place, count):
    log = place.in_guild("GET", "/audit-logs").json()["audit_log_entries"][:count]
    return [(entry["action_type"], entry["target_id"], entry.get("reason")) for entry in log]


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


# -- people ------------------------------------------------------------------------------------------------------------


def test_people_are_put_in_and_out_and_listed(small_discord, forum, connect):
    connect(small_discord)
    thread, bot_id = forum.start(), small_discord.world.bot_id
    people = sorted(small_discord.cast.plain[:3])

    statuses = [forum.ask("PUT", thread, f"/thread-members/{each}").status_code for each in people]
    listed = forum.ask("GET", thread, "/thread-members").json()
    page = forum.ask("GET", thread, f"/thread-members?with_member=true&limit=2&after={people[0]}").json()
    out = forum.ask("DELETE", thread, f"/thread-members/{people[0]}")
    left = forum.ask("DELETE", thread, "/thread-members/@me")
    missing = forum.ask("GET", thread, f"/thread-members/{people[0]}")

    assert statuses == [204] * 3
    assert {int(each["user_id"]) for each in listed} == {*people, bot_id}
    after = [user_id for user_id in sorted([*people, bot_id]) if user_id > people[0]]
    assert [int(each["member"]["user"]["id"]) for each in page] == after[:2]
    assert (out.status_code, left.status_code) == (204, 204)
    assert code(missing) == (404, 10007)
    updates = [d for name, d in told(small_discord) if name == "THREAD_MEMBERS_UPDATE"]
    assert [d["member_count"] for d in updates] == [2, 3, 4, 3, 2]
    assert updates[-1]["removed_member_ids"] == [str(bot_id)]


def test_the_bot_joins_is_told_so_and_reads_its_own_membership(small_discord, forum, connect):
    guard = connect(small_discord)
    thread = forum.start_by(small_discord.cast.plain[0])

    assert code(forum.ask("GET", thread, "/thread-members/@me")) == (404, 10007)
    assert forum.ask("PUT", thread, "/thread-members/@me").status_code == 204

    assert forum.ask("GET", thread, "/thread-members/@me").json()["user_id"] == str(small_discord.world.bot_id)
    names = [name for name, _ in told(small_discord)]
    assert names == ["THREAD_CREATE", "THREAD_MEMBER_UPDATE", "THREAD_MEMBERS_UPDATE"]
    assert guard.bot.guilds[0].get_thread(thread) is not None


def test_a_private_thread_is_seen_by_those_in_it_and_by_moderators(small_discord, forum, connect):
    person = small_discord.cast.plain[0]
    guild = small_discord.guild
    hidden = forum.start_by(person, kind=PRIVATE)
    channel = small_discord.world.channels[hidden]

    def sees(user_id):
        now = datetime.now(UTC)
        return bool(permissions.in_channel(guild, channel, user_id, now) & permissions.VIEW_CHANNEL)

    assert [sees(person), sees(small_discord.cast.plain[1]), sees(small_discord.person("Senior moderator"))] == [
        True, False, True
    ]  # fmt: skip
    forum.without(MANAGE_THREADS)
    connect(small_discord)
    forum.say(hidden, person, "a secret")
    assert code(forum.ask("GET", hidden)) == (403, 50001)
    assert hidden not in [int(each) for each in forum.active()]
    assert told(small_discord, "MESSAGE_CREATE") == []


def test_a_private_thread_that_is_closed_to_invitations_is_opened_by_moderators_alone(small_discord, forum):
    person, guest = small_discord.cast.plain[:2]
    closed = forum.start_by(person, kind=PRIVATE, invitable=False)
    forum.ask("PUT", closed, "/thread-members/@me")
    by_moderator = forum.ask("PUT", closed, f"/thread-members/{guest}")
    forum.without(MANAGE_THREADS)

    refused = [
        forum.ask("PUT", closed, f"/thread-members/{small_discord.cast.plain[2]}"),
        forum.ask("DELETE", closed, f"/thread-members/{guest}"),
    ]

    assert by_moderator.status_code == 204
    assert [code(answer) for answer in refused] == [(403, 50013)] * 2


def test_whoever_leaves_the_guild_is_out_of_its_threads(small_discord, forum):
    person = small_discord.cast.plain[0]
    thread = forum.start()
    forum.ask("PUT", thread, f"/thread-members/{person}")

    small_discord.in_guild("DELETE", f"/members/{person}")

    assert forum.ask("GET", thread).json()["member_count"] == 1


def test_without_the_members_intent_only_ones_own_comings_and_goings_are_told(small_discord, forum, connect):
    connect(small_discord, intents=discord.Intents(guilds=True))
    thread = forum.start_by(small_discord.cast.plain[0])

    forum.ask("PUT", thread, f"/thread-members/{small_discord.cast.plain[1]}")
    forum.ask("PUT", thread, "/thread-members/@me")

    updates = [d for name, d in told(small_discord) if name == "THREAD_MEMBERS_UPDATE"]
    assert [d["added_members"][0]["user_id"] for d in updates] == [str(small_discord.world.bot_id)]


# -- lists -------------------------------------------------------------------------------------------------------------


def test_threads_go_to_rest_by_themselves(timed_forum, clock):
    forum = timed_forum
    quick, slow = forum.start(auto_archive_duration=60), forum.start(auto_archive_duration=1440)

    clock.forward(59 * 60)
    both = forum.active()
    forum.ask("POST", quick, "/messages", json={"content": "still here"})
    clock.forward(59 * 60)
    kept = forum.active()
    clock.forward(60)

    assert both == kept == [slow["id"], quick["id"]]
    assert forum.active() == [slow["id"]]
    assert [each["id"] for each in forum.archived()["threads"]] == [quick["id"]]


def test_archived_threads_are_read_in_pages_the_last_one_first(timed_forum, clock):
    forum = timed_forum
    started = [forum.start(str(n)) for n in range(3)]
    private = [forum.start(str(n), PRIVATE) for n in range(3)]
    for each in [*started, *private]:
        clock.forward(1)
        forum.ask("PATCH", each, json={"archived": True})

    pages = {}
    for kind in ("public", "private"):
        first = forum.archived(kind, limit=2)
        at = first["threads"][-1]["thread_metadata"]["archive_timestamp"]
        rest = forum.archived(kind, before=at)
        pages[kind] = [each["name"] for each in first["threads"] + rest["threads"]]
        assert (first["has_more"], rest["has_more"]) == (True, False)
        assert [each["id"] for each in first["members"]] == [each["id"] for each in first["threads"]]

    assert pages == {"public": ["2", "1", "0"], "private": ["2", "1", "0"]}


def test_private_ones_that_were_joined_need_no_right_and_page_by_id(small_discord, forum):
    mine = [forum.start(str(n), PRIVATE) for n in range(2)]
    theirs = forum.start_by(small_discord.cast.plain[0], kind=PRIVATE)
    for each in (*mine, {"id": theirs}):
        forum.ask("PATCH", each, json={"archived": True})
    forum.without(MANAGE_THREADS)
    path = f"/channels/{forum.hall}/users/@me/threads/archived/private"

    newest = small_discord.rest("GET", f"{path}?limit=1").json()
    older = small_discord.rest("GET", f"{path}?before={newest['threads'][0]['id']}").json()
    refused = small_discord.rest("GET", f"/channels/{forum.hall}/threads/archived/private")

    assert [each["id"] for each in newest["threads"] + older["threads"]] == [mine[1]["id"], mine[0]["id"]]
    assert (newest["has_more"], older["has_more"]) == (True, False)
    assert code(refused) == (403, 50013)


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
