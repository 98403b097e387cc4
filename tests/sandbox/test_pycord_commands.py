"""Commands, menus and buttons of a real, unmodified Pycord, run by the sandbox's people."""

from __future__ import annotations

import discord


def commands(bot: discord.Bot) -> None:
    """What the tests run: an answer at once, a deferred one that is edited, and one with choices while typing."""

    @bot.slash_command(name="ping", description="answer")
    async def ping(ctx: discord.ApplicationContext) -> None:
        await ctx.respond("pong", ephemeral=True)

    async def reasons(ctx: discord.AutocompleteContext) -> list[str]:
        return [reason for reason in ("spam", "spoiler", "rude") if reason.startswith(ctx.value)]

    group = bot.create_group("mod", "moderation")

    @group.command(name="warn", description="warn someone")
    @discord.option("member", discord.Member, description="who")
    @discord.option("reason", str, description="why", autocomplete=reasons)
    async def warn(ctx: discord.ApplicationContext, member: discord.Member, reason: str) -> None:
        await ctx.defer(ephemeral=True)
        await ctx.edit(content=f"{ctx.author.display_name} warned {member.display_name}: {reason}")

    @bot.slash_command(name="twice", description="acknowledge twice")
    async def twice(ctx: discord.ApplicationContext) -> None:
        await ctx.respond("one")
        await ctx.followup.send("two")

    class Confirm(discord.ui.View):
        @discord.ui.button(label="Yes", custom_id="yes")
        async def yes(self, button: discord.ui.Button, interaction: discord.Interaction) -> None:
            await interaction.response.edit_message(content="confirmed", view=None)

    @bot.slash_command(name="confirm", description="ask before")
    async def confirm(ctx: discord.ApplicationContext) -> None:
        await ctx.respond("sure?", view=Confirm())

    @bot.user_command(name="History")
    async def history(ctx: discord.ApplicationContext, user: discord.Member) -> None:
        await ctx.respond(f"history of {user.id}", ephemeral=True)

    @bot.message_command(name="Report to moderators")
    async def report(ctx: discord.ApplicationContext, message: discord.Message) -> None:
        await ctx.respond(f"reported {message.content}", ephemeral=True)


def test_a_command_is_synced_run_deferred_and_edited(small_discord, connect, eventually):
    guard = connect(small_discord, before=commands)
    guard.run(guard.bot.sync_commands())
    moderator, target = small_discord.person("Moderator"), small_discord.cast.plain[0]

    begun = small_discord.control(
        "POST",
        "interactions",
        {"user_id": str(moderator), "command": "mod warn", "options": {"member": str(target), "reason": "spam"}},
    )
    path = f"interactions/{begun['interaction_id']}"
    answer = eventually(lambda: (r := small_discord.control("GET", path))["content"] and r)

    assert answer["acked"]
    assert answer["deferred"]
    assert answer["ephemeral"]
    assert not answer["loading"]
    assert answer["content"].startswith("Juniper warned ")
    assert answer["content"].endswith(": spam")
    assert [item["what"] for item in answer["history"]] == ["callback", "edit"]


def run(discord, user_id, eventually, **asked):
    begun = discord.control("POST", "interactions", {"user_id": str(user_id), **asked})
    path = f"interactions/{begun['interaction_id']}"
    return eventually(lambda: (r := discord.control("GET", path))["acked"] and r)


def test_an_answer_at_once_choices_and_menus(small_discord, connect, eventually):
    guard = connect(small_discord, before=commands)
    guard.run(guard.bot.sync_commands())
    owner, target = small_discord.person("Owner"), str(small_discord.cast.plain[0])
    hall = str(small_discord.channel("main-hall"))
    message = small_discord.control("GET", f"channels/{hall}/messages")[-1]

    pong = run(small_discord, owner, eventually, command="ping")
    choices = run(small_discord, owner, eventually, command="mod warn", options={"reason": "sp"}, autocomplete="reason")
    history = run(small_discord, owner, eventually, command="History", target_id=target)
    report = run(
        small_discord, owner, eventually, command="Report to moderators", target_id=message["id"], channel_id=hall
    )

    assert (pong["content"], pong["deferred"]) == ("pong", False)
    assert [choice["value"] for choice in choices["choices"]] == ["spam", "spoiler"]
    assert history["content"] == f"history of {target}"
    assert report["content"] == f"reported {message['content']}"


def test_follow_ups_are_seen_in_the_channel(small_discord, connect, eventually):
    guard = connect(small_discord, before=commands)
    guard.run(guard.bot.sync_commands())

    begun = small_discord.control("POST", "interactions", {"user_id": str(small_discord.person("Owner")),
                                                           "command": "twice"})  # fmt: skip
    path = f"interactions/{begun['interaction_id']}"
    answer = eventually(lambda: (r := small_discord.control("GET", path))["followups"] and r)

    assert [post["content"] for post in answer["followups"]] == ["two"]


def test_a_command_the_bot_does_not_have_is_refused_with_the_names_of_those_it_has(small_discord, connect):
    guard = connect(small_discord, before=commands)
    guard.run(guard.bot.sync_commands())
    owner = str(small_discord.person("Owner"))

    unknown = small_discord.control("POST", "interactions", {"user_id": owner, "command": "nothing"}, status=400)
    no_option = small_discord.control("POST", "interactions", {"user_id": owner, "command": "mod warn"}, status=400)

    assert "History, Report to moderators, confirm, mod, ping, twice" in unknown["error"]
    assert no_option["error"] == "missing: member, reason"


def test_a_button_is_pressed_and_changes_its_message(small_discord, connect, eventually):
    guard = connect(small_discord, before=commands)
    guard.run(guard.bot.sync_commands())
    owner, hall = small_discord.person("Owner"), str(small_discord.channel("main-hall"))

    run(small_discord, owner, eventually, command="confirm", channel_id=hall)
    question = small_discord.control("GET", f"channels/{hall}/messages")[-1]
    component = {"custom_id": "yes", "message_id": question["id"]}
    run(small_discord, owner, eventually, component=component, channel_id=hall)

    after = small_discord.control("GET", f"channels/{hall}/messages")[-1]
    assert question["components"][0]["components"][0]["label"] == "Yes"
    assert (after["id"], after["content"], after["components"]) == (question["id"], "confirmed", [])
