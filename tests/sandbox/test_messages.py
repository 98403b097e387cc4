"""Messages: nonces, history, deletion."""

from __future__ import annotations


def post(discord, content="hello", channel="mod-log", **more):
    body = {"content": content, **more}
    return discord.rest("POST", f"/channels/{discord.channel(channel)}/messages", json=body)


def test_the_same_enforced_nonce_returns_the_first_message(small_discord):
    first = post(small_discord, "one", nonce="n-1", enforce_nonce=True).json()
    second = post(small_discord, "two", nonce="n-1", enforce_nonce=True).json()
    elsewhere = post(small_discord, "three", channel="main-hall", nonce="n-1", enforce_nonce=True).json()

    assert first["id"] == second["id"] == elsewhere["id"]
    assert second["content"] == "one"


def test_a_nonce_that_is_not_enforced_sends_twice(small_discord):
    first = post(small_discord, nonce="n-2").json()
    second = post(small_discord, nonce="n-2").json()

    assert first["id"] != second["id"]


def test_a_nonce_of_a_deleted_message_is_an_unknown_message(small_discord):
    message = post(small_discord, nonce="n-3", enforce_nonce=True).json()
    small_discord.rest("DELETE", f"/channels/{message['channel_id']}/messages/{message['id']}")

    again = post(small_discord, nonce="n-3", enforce_nonce=True)

    assert (again.status_code, again.json()["code"]) == (404, 10008)


def test_a_nonce_is_forgotten_after_five_minutes(timed_discord, clock):
    first = post(timed_discord, nonce="n-4", enforce_nonce=True).json()
    clock.forward(299)
    within = post(timed_discord, nonce="n-4", enforce_nonce=True).json()
    clock.forward(2)
    after = post(timed_discord, nonce="n-4", enforce_nonce=True).json()

    assert within["id"] == first["id"]
    assert after["id"] != first["id"]


def test_history_is_read_newest_first_and_in_pages(small_discord):
    channel = small_discord.channel("bot-corner")
    sent = [post(small_discord, str(n), channel="bot-corner").json()["id"] for n in range(5)]

    newest = small_discord.rest("GET", f"/channels/{channel}/messages?limit=2").json()
    older = small_discord.rest("GET", f"/channels/{channel}/messages?limit=2&before={sent[3]}").json()
    newer = small_discord.rest("GET", f"/channels/{channel}/messages?limit=2&after={sent[0]}").json()

    assert [m["id"] for m in newest] == [sent[4], sent[3]]
    assert [m["id"] for m in older] == [sent[2], sent[1]]
    assert [m["id"] for m in newer] == [sent[2], sent[1]]


def test_bulk_delete_takes_two_to_a_hundred_young_different_messages(small_discord):
    channel = small_discord.channel("bot-corner")
    ids = [post(small_discord, str(n), channel="bot-corner").json()["id"] for n in range(3)]
    path = f"/channels/{channel}/messages/bulk-delete"
    old = str((int(ids[0]) >> 22) - 15 * 86_400_000 << 22)

    codes = [
        small_discord.rest("POST", path, json={"messages": asked}).json()["code"]
        for asked in ([ids[0]], [ids[0], ids[0]], [ids[0], old])
    ]
    done = small_discord.rest("POST", path, json={"messages": ids})

    assert codes == [50016, 50035, 50034]
    assert done.status_code == 204
    left = small_discord.rest("GET", f"/channels/{channel}/messages").json()
    assert not {m["id"] for m in left} & set(ids)


def test_a_ban_takes_the_recent_messages_of_the_banned_with_it(small_discord):
    author, hall = small_discord.cast.plain[0], small_discord.channel("main-hall")
    said = small_discord.control(
        "POST", "messages", {"user_id": str(author), "channel_id": str(hall), "content": "spam"}
    )

    small_discord.in_guild("PUT", f"/bans/{author}?delete_message_seconds=604800")

    left = small_discord.control("GET", f"channels/{hall}/messages")
    assert said["id"] not in {m["id"] for m in left}
    assert str(author) not in {m["author"]["id"] for m in left}


def test_a_ban_without_a_window_leaves_the_messages(small_discord):
    author, hall = small_discord.cast.plain[0], small_discord.channel("main-hall")
    said = small_discord.control(
        "POST", "messages", {"user_id": str(author), "channel_id": str(hall), "content": "hello"}
    )

    small_discord.in_guild("PUT", f"/bans/{author}")

    assert said["id"] in {m["id"] for m in small_discord.control("GET", f"channels/{hall}/messages")}


def test_only_the_bots_own_messages_can_be_edited(small_discord):
    hall = small_discord.channel("main-hall")
    theirs = small_discord.control("GET", f"channels/{hall}/messages")[-1]
    mine = post(small_discord, "first").json()

    foreign = small_discord.rest("PATCH", f"/channels/{hall}/messages/{theirs['id']}", json={"content": "x"})
    own = small_discord.rest("PATCH", f"/channels/{mine['channel_id']}/messages/{mine['id']}", json={"content": "2nd"})

    assert (foreign.status_code, foreign.json()["code"]) == (403, 50005)
    assert own.json()["content"] == "2nd"
    assert own.json()["edited_timestamp"]


def test_a_direct_message_arrives_with_the_person(small_discord):
    user_id = small_discord.cast.plain[0]
    channel = small_discord.rest("POST", "/users/@me/channels", json={"recipient_id": str(user_id)}).json()

    embed = {"title": "You were warned", "footer": {"text": "Lanternfall"}}
    small_discord.rest("POST", f"/channels/{channel['id']}/messages", json={"embeds": [embed]})

    received = small_discord.control("GET", f"users/{user_id}/dms")
    assert [m["embeds"][0]["title"] for m in received] == ["You were warned"]


def test_deletions_stand_in_the_audit_log_as_on_discord(timed_discord, clock):
    discord = timed_discord
    author, hall = discord.cast.plain[0], discord.channel("main-hall")
    owner = str(discord.guild.owner_id)

    def said():
        facts = {"user_id": str(author), "channel_id": str(hall), "content": "hello"}
        return discord.control("POST", "messages", facts)["id"]

    def deleted(**by):
        discord.control("POST", "messages/delete", {"channel_id": str(hall), "message_id": said(), **by})

    discord.rest("DELETE", f"/channels/{hall}/messages/{said()}")
    deleted()
    for _ in range(3):
        deleted(by=owner)
        clock.forward(200)

    log = discord.in_guild("GET", "/audit-logs?action_type=72").json()["audit_log_entries"]
    told = [(one["user_id"], one["target_id"], one["options"]) for one in log]
    same = (owner, str(author))
    assert told == [(*same, {"channel_id": str(hall), "count": n}) for n in ("1", "2")]
