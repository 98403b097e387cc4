"""From what happens on a server to its log channel: heard over the gateway, kept, and posted by Guard's hands."""

from __future__ import annotations

import json

import psycopg2
import pytest

from kovra.guard.log_channels import HEARD, EventClass
from kovra.guard.log_posts import LogPosts
from kovra.ids import GuildId
from kovra.sandbox.deeds import members, messages
from kovra.store.database import Database
from kovra.store.log_events import LogEventKeeper
from kovra.store.log_posts import PostLedger
from kovra.store.roster import Roster


@pytest.fixture
def guild(sandbox):
    return sandbox.call(lambda s: s.world.guilds[s.world.cast.guild_id])


@pytest.fixture
def channels(sandbox, guild):
    return sandbox.call(lambda s: {one.name: one for one in s.world.guild_channels(guild)})


@pytest.fixture
def choose(database, postgres_server, guild):
    """``choose(channel, classes)``: post these classes there, and nothing else."""

    def put(channel, classes):
        chosen = json.dumps({one.value: str(channel.id) for one in classes})
        statement = (
            "INSERT INTO guild_settings (guild_id, log_channels, changed_at) VALUES (%s, %s, now())"
            " ON CONFLICT (guild_id) DO UPDATE SET log_channels = excluded.log_channels"
        )
        line = psycopg2.connect(postgres_server.admin_url, dbname=database.engine.url.database)
        with line, line.cursor() as cursor:
            cursor.execute(statement, (guild.id, chosen))
        line.close()

    return put


@pytest.fixture
def listening(start_bot, database, rows, eventually, choose, channels):
    """A bot that posts every class in the channel for bots."""
    choose(channels["bot-corner"], HEARD)
    return start_bot(heard=LogEventKeeper(database))


@pytest.fixture
def posted(database, rest, sandbox, channels, guild):
    """``posted()``: what stands in the log channel once everything that waits has been posted, without its markup."""
    worker = Database(database.engine.url.render_as_string(hide_password=False), role="kovra_worker")
    bulletin = type("Silent", (), {"ring": lambda self, guild_id: None})()
    posts = LogPosts(
        ledger=PostLedger(worker), roster=Roster(worker), discord=rest, bulletin=bulletin, base_url="https://k"
    )

    def read():
        if guild.id in posts.ledger.waiting():
            posts.run(GuildId(guild.id))
        there = sandbox.call(lambda s: list(s.world.messages.get(channels["bot-corner"].id, {}).values()))
        embeds = [embed for message in there for embed in message.embeds]
        return {one["title"]: {each["name"]: each["value"] for each in one["fields"]} for one in embeds}

    yield read
    worker.dispose()


def test_every_class_is_heard_and_posted(sandbox, control, listening, posted, guild, channels, eventually):
    user_id = sandbox.call(lambda s: s.world.cast.plain[0])
    member = guild.members[user_id]
    role = next(one for one in guild.roles.values() if one.id not in member.roles and one.id != guild.id)
    lounge = next(one for one in channels.values() if one.type == 2)
    hall = channels["main-hall"]

    def play(s):
        by = {"by": guild.owner_id, "reason": None}
        members.rename(s.stage, guild, member, "Night*jar", **by)
        members.give_role(s.stage, guild, member, role, **by)
        edited = messages.post(s.stage, hall, user_id, {"content": "helo <@&1>"})
        messages.edit(s.stage, hall, edited, {"content": "hello"})
        deleted = messages.post(s.stage, hall, user_id, {"content": "buy **this**"})
        messages.delete(s.stage, hall, deleted, by=user_id, reason=None)
        swept = [messages.post(s.stage, hall, user_id, {"content": f"flood {n}"}).id for n in range(3)]
        messages.bulk_delete(s.stage, guild, hall, swept, **by)
        members.connect(s.stage, guild, member, lounge.id)

    sandbox.call(play)
    came = int(control("join", username="latecomer")["user"]["id"])
    control("leave", user_id=str(came))

    eventually(lambda: len(posted()) == 8)
    found = posted()
    name = "Night\\*jar"
    assert found["Joined · latecomer"]["Member"] == f"<@{came}>\n`{came}`"
    assert found["Left · latecomer"]["Joined"].startswith("<t:")
    assert found[f"Name changed · {name}"]["Nickname"].endswith(f"→ {name}")
    assert found[f"Roles changed · {name}"]["Given"] == f"<@&{role.id}>"
    assert found[f"Message edited · {name}"]["Before"] == "helo \\<@\u200b&1\\>"
    assert found[f"Message edited · {name}"]["After"] == "hello"
    assert found[f"Message deleted · {name}"]["Text"] == "buy \\*\\*this\\*\\*"
    assert found[f"Message deleted · {name}"]["Deleted by"] == "Not told by Discord: its author, or a bot"
    assert found["3 messages deleted"]["Of these"].count("flood") == 3
    assert found["3 messages deleted"]["Deleted by"] == f"<@{guild.owner_id}>"
    assert found[f"Voice channel entered · {name}"]["Channel"] == f"<#{lounge.id}>"


def test_who_deleted_is_told_as_far_as_the_audit_log_proves_it(
    sandbox, listening, rows, rest, guild, channels, eventually, plain
):
    hall = channels["main-hall"]

    def deleted(text, by=None):
        def play(s):
            said = messages.post(s.stage, hall, plain[0], {"content": text})
            messages.delete(s.stage, hall, said, by=by or plain[0], reason=None)

        sandbox.call(play)

    def told(text):
        found = rows(f"SELECT facts -> 'by', facts -> 'certain' FROM log_events WHERE facts ->> 'text' = '{text}'")
        return found[0] if found else None

    owner = [str(guild.owner_id)]
    deleted("one", by=guild.owner_id)
    eventually(lambda: told("one") == (owner, True))

    # Discord counts this one in the same entry, and tells of it no more.
    deleted("two", by=guild.owner_id)
    deleted("own")
    eventually(lambda: told("two") == (owner, False))

    deleted("last")
    deleted("first of another", by=plain[1])
    eventually(lambda: told("first of another") == ([str(plain[1])], False))
    # Whom an earlier entry fitted is not forgotten over a later one.
    assert told("own")[0][0] == owner[0]


def test_what_nobody_chose_a_channel_for_is_not_kept(
    sandbox, control, start_bot, database, rows, choose, channels, eventually
):
    choose(channels["bot-corner"], [EventClass.JOINS])
    start_bot(heard=LogEventKeeper(database))
    user_id, hall = str(sandbox.call(lambda s: s.world.cast.plain[0])), str(channels["main-hall"].id)

    said = control("messages", user_id=user_id, channel_id=hall, content="hello")
    control("messages/delete", channel_id=hall, message_id=said["id"])
    control("leave", user_id=user_id)
    control("join", username="latecomer")

    eventually(lambda: rows("SELECT event_class FROM log_events") == [("joins",)])


def test_a_channel_chosen_later_counts_from_then_on(
    control, start_bot, database, rows, choose, channels, eventually, guild
):
    start_bot(heard=LogEventKeeper(database))
    control("join", username="before")
    choose(channels["bot-corner"], [EventClass.JOINS])

    numbers = iter(range(1000))
    eventually(
        lambda: control("join", username=f"after{next(numbers)}") and rows("SELECT user_name FROM log_events") != []
    )

    assert rows("SELECT count(*) FROM log_events WHERE user_name = 'before'") == [(0,)]


def test_what_bots_write_is_not_told_of(sandbox, listening, rows, rest, channels, eventually, guild):
    from kovra.guard.ports import Message

    corner = channels["bot-corner"]
    written = rest.send(corner.id, Message(content="a post"), nonce="n1")
    sandbox.call(
        lambda s: messages.delete(s.stage, corner, s.world.messages[corner.id][written], by=guild.owner_id, reason=None)
    )
    unknown = sandbox.call(lambda s: s.stage.new_id())
    sandbox.call(
        lambda s: s.stage.tell(
            "MESSAGE_DELETE",
            guild,
            lambda: {"id": str(unknown), "channel_id": str(corner.id), "guild_id": str(guild.id)},
            corner,
        )
    )

    eventually(lambda: rows("SELECT facts ->> 'message_id' FROM log_events") == [(str(unknown),)])
