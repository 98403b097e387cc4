"""Threads that go to rest, and the lists they are read from."""

from __future__ import annotations

from tests.sandbox.forum import MANAGE_THREADS, PRIVATE, code


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
