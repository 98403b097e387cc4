"""A real, unmodified Pycord against the sandbox, over the wire."""

from __future__ import annotations

from datetime import timedelta

import discord
import pytest

from kovra.sandbox import snapshot


def test_pycord_connects_and_knows_every_member(small_discord, connect):
    guard = connect(small_discord)

    guild = guard.bot.get_guild(small_discord.guild.id)
    assert guild.chunked
    assert {member.id for member in guild.members} == set(small_discord.guild.members)
    assert guild.me.guild_permissions.ban_members
    assert guild.owner_id == small_discord.guild.owner_id


def test_two_shards_see_their_own_guilds(small_discord, connect):
    shard = (small_discord.guild.id >> 22) % 2

    home = connect(small_discord, shard_id=shard, shard_count=2)
    away = connect(small_discord, shard_id=1 - shard, shard_count=2)

    assert [guild.id for guild in home.bot.guilds] == [small_discord.guild.id]
    assert away.bot.guilds == []


def test_a_ban_is_told_as_ban_then_removal_then_audit_entry(small_discord, connect, eventually):
    guard = connect(small_discord)
    guild, target = guard.bot.get_guild(small_discord.guild.id), small_discord.cast.plain[0]

    guard.run(guild.ban(discord.Object(target), reason="spam ☃\nand more", delete_message_seconds=3600))
    eventually(lambda: "raw_audit_log_entry" in guard.names())

    told = [name for name in guard.names() if name in ("member_ban", "raw_member_remove", "raw_audit_log_entry")]
    assert told == ["member_ban", "raw_member_remove", "raw_audit_log_entry"]
    entry = dict(guard.heard)["raw_audit_log_entry"]
    assert (entry.target_id, entry.reason) == (target, "spam ☃\nand more")
    assert guard.run(guild.fetch_ban(discord.Object(target))).reason == "spam ☃\nand more"


def test_a_ban_of_a_stranger_removes_nobody(small_discord, connect, eventually):
    guard = connect(small_discord)
    guild = guard.bot.get_guild(small_discord.guild.id)

    guard.run(guild.ban(discord.Object(small_discord.cast.outsider)))
    guard.run(guild.unban(discord.Object(small_discord.cast.outsider), reason="appeal"))
    eventually(lambda: guard.names().count("raw_audit_log_entry") == 2)

    assert "raw_member_remove" not in guard.names()
    assert "member_unban" in guard.names()


def test_kick_timeout_and_their_audit_entries(small_discord, connect, eventually):
    guard = connect(small_discord)
    guild = guard.bot.get_guild(small_discord.guild.id)
    kicked, muted = (guild.get_member(user_id) for user_id in small_discord.cast.plain[:2])

    guard.run(kicked.kick(reason="bye"))
    guard.run(muted.timeout_for(timedelta(minutes=10), reason="calm down"))
    eventually(lambda: guild.get_member(muted.id).timed_out)
    guard.run(guild.get_member(muted.id).remove_timeout())
    eventually(lambda: not guild.get_member(muted.id).timed_out)

    entries = guard.run(guild.audit_logs(limit=3).flatten())
    assert [entry.action for entry in entries] == [
        discord.AuditLogAction.member_update,
        discord.AuditLogAction.member_update,
        discord.AuditLogAction.kick,
    ]
    assert [entry.reason for entry in entries] == [None, "calm down", "bye"]
    assert entries[1].after.communication_disabled_until is not None
    assert {entry.user.id for entry in entries} == {guard.bot.user.id}


def test_direct_messages_go_out_or_are_refused(small_discord, connect):
    guard = connect(small_discord)
    guild = guard.bot.get_guild(small_discord.guild.id)
    open_to_all, closed = small_discord.cast.plain[0], small_discord.cast.closed_dm[0]

    sent = guard.run(guild.get_member(open_to_all).send("hello", embed=discord.Embed(title="Warning")))
    with pytest.raises(discord.Forbidden) as refused:
        guard.run(guild.get_member(closed).send("hello"))

    assert sent.embeds[0].title == "Warning"
    assert refused.value.code == 50007


def test_a_log_post_with_a_nonce_is_one_message_though_pycord_tries_twice(small_discord, connect):
    guard = connect(small_discord)
    log = guard.bot.get_channel(small_discord.channel("mod-log"))
    small_discord.control("POST", "faults", {"method": "POST", "when": "after", "status": 502})

    message = guard.run(log.send("case #1", nonce="case-1", enforce_nonce=True))

    posts = small_discord.control("GET", f"channels/{log.id}/messages")
    assert [post["id"] for post in posts] == [str(message.id)]
    assert small_discord.control("GET", "effects")["nonces"] == {"case-1": 1}


def test_bulk_ban_bans_many_at_once_without_a_name_in_the_audit_log(small_discord, connect, eventually):
    guard = connect(small_discord)
    guild = guard.bot.get_guild(small_discord.guild.id)
    targets = [discord.Object(user_id) for user_id in small_discord.cast.plain[:20]]

    banned, failed = guard.run(guild.bulk_ban(*targets, discord.Object(small_discord.cast.above_guard), reason="raid"))
    eventually(lambda: guard.names().count("raw_audit_log_entry") == 20)

    assert {user.id for user in banned} == {target.id for target in targets}
    assert [user.id for user in failed] == [small_discord.cast.above_guard]
    entries = guard.run(guild.audit_logs(limit=20).flatten())
    assert {entry.user for entry in entries} == {None}


def test_channels_roles_and_lockdown(small_discord, connect, eventually):
    guard = connect(small_discord)
    guild = guard.bot.get_guild(small_discord.guild.id)
    hall = guild.get_channel(small_discord.channel("main-hall"))
    member = guild.get_member(small_discord.cast.plain[0])

    guard.run(hall.edit(slowmode_delay=30, reason="slow"))
    guard.run(hall.set_permissions(guild.default_role, send_messages=False, reason="lock"))
    eventually(lambda: hall.slowmode_delay == 30 and not hall.permissions_for(member).send_messages)
    guard.run(hall.set_permissions(guild.default_role, overwrite=None, reason="unlock"))
    eventually(lambda: hall.permissions_for(member).send_messages)

    quarantine = guild.get_role(small_discord.role("Quarantine"))
    guard.run(member.add_roles(quarantine, reason="q"))
    eventually(lambda: quarantine in guild.get_member(member.id).roles)
    guard.run(guild.edit(verification_level=discord.VerificationLevel.highest, reason="raid"))
    until = discord.utils.utcnow() + timedelta(hours=1)
    incidents = guard.run(guild.modify_incident_actions(invites_disabled_until=until, dms_disabled_until=until))
    eventually(lambda: guild.verification_level is discord.VerificationLevel.highest)
    assert incidents.invites_disabled_until is not None

    made = guard.run(guild.create_text_channel("incident", reason="r"))
    guard.run(made.delete(reason="r"))
    eventually(lambda: guild.get_channel(made.id) is None)


def test_a_late_audit_entry_is_neither_told_nor_readable_before_its_time(small_discord, connect, eventually):
    guard = connect(small_discord)
    guild = guard.bot.get_guild(small_discord.guild.id)
    small_discord.control("POST", "audit_delay", {"ms": 300})

    guard.run(guild.kick(discord.Object(small_discord.cast.plain[0])))
    at_once = guard.run(guild.audit_logs(limit=5).flatten())
    eventually(lambda: "raw_audit_log_entry" in guard.names())

    assert at_once == []
    assert len(guard.run(guild.audit_logs(limit=5).flatten())) == 1


def test_whoever_is_kicked_comes_back_when_asked_to(small_discord, connect, eventually):
    guard = connect(small_discord)
    target = small_discord.cast.plain[0]
    small_discord.control("POST", "rejoin", {"on": True})

    guard.run(guard.bot.get_guild(small_discord.guild.id).kick(discord.Object(target)))
    eventually(lambda: "member_join" in guard.names())

    assert target in small_discord.guild.members


def test_discords_own_automod_and_voice_are_told_of(small_discord, connect, eventually):
    guard = connect(small_discord)
    guild, someone = guard.bot.get_guild(small_discord.guild.id), small_discord.cast.plain[0]
    hall, fireside = small_discord.channel("main-hall"), small_discord.channel("Fireside")

    blocked = {"user_id": str(someone), "channel_id": str(hall), "content": "a bad word", "matched": "bad"}
    small_discord.control("POST", "automod", blocked)
    small_discord.control("POST", "voice", {"user_id": str(someone), "channel_id": str(fireside)})
    eventually(lambda: guild.get_member(someone).voice)
    guard.run(guild.get_member(someone).move_to(None, reason="quiet"))
    eventually(lambda: guild.get_member(someone).voice is None)

    execution = dict(guard.heard)["auto_moderation_action_execution"]
    assert (execution.matched_keyword, execution.content) == ("bad", "a bad word")
    assert guild.get_channel(hall).id == execution.channel_id


def test_a_lost_connection_is_resumed_and_nothing_is_missing(small_discord, connect, eventually):
    guard = connect(small_discord)
    hall, speaker = str(small_discord.channel("main-hall")), str(small_discord.cast.plain[0])

    small_discord.control("POST", "gateway", {"do": "drop", "code": 4000})
    for number in range(30):
        body = {"user_id": speaker, "channel_id": hall, "content": f"line {number}"}
        small_discord.control("POST", "messages", body)
    eventually(lambda: "resumed" in guard.names())
    eventually(lambda: guard.names().count("message") >= 30)

    heard = [what.content for name, what in guard.heard if name == "message"]
    assert heard == [f"line {number}" for number in range(30)]
    assert small_discord.control("GET", "gateway")["resumed"] == 1


def test_after_a_restart_of_discord_the_bot_starts_anew_by_itself(tmp_path, a_discord, connect, eventually):
    state = tmp_path / "state.json"
    with a_discord(state=state) as first:
        guard = connect(first)
        port = int(first.base_url.rsplit(":", 1)[1])
        hall, speaker = str(first.channel("main-hall")), str(first.cast.plain[0])

    kept = snapshot.load(state)
    with a_discord(world=kept.world, port=port) as second:
        eventually(lambda: guard.names().count("ready") == 2)
        second.control("POST", "messages", {"user_id": speaker, "channel_id": hall, "content": "back again"})
        eventually(lambda: "message" in guard.names())

        assert dict(guard.heard)["message"].content == "back again"


def test_a_request_to_reconnect_is_followed_and_a_lost_session_starts_anew(small_discord, connect, eventually):
    guard = connect(small_discord)

    small_discord.control("POST", "gateway", {"do": "reconnect"})
    eventually(lambda: "resumed" in guard.names())
    small_discord.control("POST", "gateway", {"do": "invalidate"})
    eventually(lambda: small_discord.control("GET", "gateway")["identified"] == 2)

    eventually(lambda: guard.names().count("ready") == 2)


def test_people_join_leave_and_change_roles_by_hand(small_discord, connect, eventually):
    guard = connect(small_discord)
    guild = guard.bot.get_guild(small_discord.guild.id)
    trainee = small_discord.person("Trainee")

    joined = small_discord.control("POST", "join", {"username": "newly.here"})
    eventually(lambda: guild.get_member(int(joined["user"]["id"])))
    small_discord.control("POST", "leave", {"user_id": joined["user"]["id"]})
    eventually(lambda: guild.get_member(int(joined["user"]["id"])) is None)
    small_discord.control("POST", "roles", {"user_id": str(trainee), "role": "Trainee", "give": False})
    eventually(lambda: not guild.get_member(trainee).guild_permissions.moderate_members)


def test_deeds_by_hand_are_credited_to_the_person(small_discord, connect, eventually):
    guard = connect(small_discord)
    guild, moderator = guard.bot.get_guild(small_discord.guild.id), small_discord.person("Moderator")
    one, two, three = map(str, small_discord.cast.plain[:3])

    small_discord.control("POST", "bans", {"user_id": one, "by": str(moderator), "reason": "by hand"})
    small_discord.control("POST", "kicks", {"user_id": two, "by": str(moderator)})
    small_discord.control("POST", "timeouts", {"user_id": three, "by": str(moderator), "seconds": 60})
    small_discord.control("POST", "unbans", {"user_id": one, "by": str(moderator)})
    eventually(lambda: guard.names().count("raw_audit_log_entry") == 4)

    entries = guard.run(guild.audit_logs(limit=4).flatten())
    assert {entry.user.id for entry in entries} == {moderator}
    assert [entry.action.name for entry in entries] == ["unban", "member_update", "kick", "ban"]


def test_a_further_guild_is_joined_and_known(small_discord, connect, eventually):
    guard = connect(small_discord)

    settled = small_discord.control("POST", "guilds", {"name": "Saltmarsh", "members": 3})
    guild = eventually(lambda: guard.bot.get_guild(int(settled["guild_id"])))
    eventually(lambda: "guild_join" in guard.names())
    guard.run(guild.ban(discord.Object(int(settled["members"][0])), reason="elsewhere"))

    assert guild.me.guild_permissions.ban_members
    bans = small_discord.control("GET", f"guilds/{settled['guild_id']}/bans")
    assert [ban["reason"] for ban in bans] == ["elsewhere"]


def test_a_bot_that_is_put_out_of_a_guild_is_told_and_can_come_back(small_discord, connect, eventually):
    guard = connect(small_discord)
    me = str(small_discord.world.bot_id)

    small_discord.control("POST", "kicks", {"user_id": me})
    eventually(lambda: guard.bot.guilds == [])
    small_discord.control("POST", "join", {"user_id": me})
    eventually(lambda: [guild.name for guild in guard.bot.guilds] == ["Lanternfall"])


def test_without_the_members_intent_no_member_events_come(small_discord, connect, eventually):
    intents = discord.Intents.default()
    guard = connect(small_discord, intents=intents)

    small_discord.control("POST", "join", {"username": "unseen"})
    hall, speaker = str(small_discord.channel("main-hall")), str(small_discord.cast.plain[0])
    small_discord.control("POST", "messages", {"user_id": speaker, "channel_id": hall, "content": "secret"})
    eventually(lambda: "message" in guard.names())

    assert "member_join" not in guard.names()
    assert dict(guard.heard)["message"].content == ""


def test_a_wrong_token_is_turned_away(a_discord, connect):
    with a_discord(token="another") as place, pytest.raises(discord.LoginFailure):
        connect(place)
