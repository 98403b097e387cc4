"""One client, Pycord or discord.py, whichever ``discord`` is here, goes through all steps against a sandbox.

``python_client.py BASE_URL TOKEN ROUNDS [full]`` prints one JSON object: step -> what it saw. It is a program of its
own, for the two libraries cannot live in one process.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
import urllib.request
from functools import partial
from typing import Any

import discord
import discord.gateway
import discord.http
import yarl
from python_full import Full, raw

BASE_URL, TOKEN, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
PYCORD = hasattr(discord, "ApplicationContext")
PATIENCE_S = 20
REASON = "conformance ☃"

if PYCORD:
    discord.http.Route.API_BASE_URL = BASE_URL + "/api/v{API_VERSION}"
else:
    discord.http.Route.BASE = BASE_URL + "/api/v10"
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(BASE_URL.replace("http", "ws") + "/gateway")


def control(method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{BASE_URL}/control/{path}", data=data, method=method)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.loads(answer.read())


async def ask(method: str, path: str, body: Any = None) -> Any:
    return await asyncio.to_thread(control, method, path, body)


async def until(question: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not question():  # noqa: ASYNC110 - asks what no event tells
            await asyncio.sleep(0.01)  # between two looks


def client() -> Any:
    intents = discord.Intents.default()
    intents.members = intents.message_content = True
    if not PYCORD:
        return discord.Client(intents=intents, enable_debug_events=True)

    class Prompt(discord.Bot):
        async def before_identify_hook(self, shard_id: Any, *, initial: bool = False) -> None:
            """No wait between two IDENTIFYs."""

    return Prompt(
        intents=intents,
        auto_sync_commands=False,
        cache_default_sounds=False,
        guild_ready_timeout=0.3,
        enable_debug_events=True,
    )


class Run:
    def __init__(self) -> None:
        self.client = client()
        self.heard: list[str] = []
        self.joined: list[int] = []
        self.audited: list[int] = []
        self.seen: dict[str, Any] = {"library": f"{'py-cord' if PYCORD else 'discord.py'} {discord.__version__}"}
        self._listen()

    def _listen(self) -> None:
        async def on_resumed() -> None:
            self.heard.append("resumed")

        async def on_ready() -> None:
            self.heard.append("ready")

        async def on_member_join(member: Any) -> None:
            self.joined.append(member.id)

        async def on_audit_log_entry_create(entry: Any) -> None:
            self.audited.append(entry.action.value)

        async def on_raw_audit_log_entry(payload: Any) -> None:
            self.audited.append(payload.action_type.value)

        for each in (on_resumed, on_ready, on_member_join):
            self.client.event(each)
        self.client.event(on_raw_audit_log_entry if PYCORD else on_audit_log_entry_create)

    async def all(self) -> dict[str, Any]:
        life = asyncio.create_task(self.client.start(TOKEN))
        waiting = asyncio.create_task(self.client.wait_until_ready())
        await asyncio.wait([life, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
        if life.done():
            await life
        self.world = await ask("GET", "world")
        self.guild = self.client.get_guild(int(self.world["guild_id"]))
        self.people = iter(self.world["notable"]["plain"])
        for step in (self.connect, self.chunk, self.moderate, self.interactions, self.resume, self.rate_limit):
            self.seen[step.__name__] = await step()
        if "full" in sys.argv:
            self.seen["full"] = await Full(self, ask, until, partial(raw, BASE_URL, TOKEN)).all()
        await self.client.close()
        return self.seen

    async def connect(self) -> Any:
        return {"guild": self.guild.name, "me": str(self.client.user.id)}

    async def chunk(self) -> Any:
        if not self.guild.chunked:
            await self.guild.chunk()
        return {"members": len(self.guild.members)}

    async def moderate(self) -> Any:
        banned, muted, kicked, raised, *crowd = [int(next(self.people)) for _ in range(6)]
        guild, hall = self.guild, self.client.get_channel(int(self.world["channels"]["main-hall"]))
        role = guild.get_role(int(self.world["roles"]["Minstrel"]))
        await guild.ban(discord.Object(banned), reason=REASON, delete_message_seconds=60)
        await guild.get_member(muted).timeout(
            datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10), reason=REASON
        )
        await guild.kick(discord.Object(kicked), reason=REASON)
        await guild.get_member(raised).add_roles(role, reason=REASON)
        users = [discord.Object(user_id) for user_id in crowd]
        bulk = await (guild.bulk_ban(*users, reason=REASON) if PYCORD else guild.bulk_ban(users, reason=REASON))
        said = await hall.send("said once", nonce="conformance-1")
        try:
            await guild.ban(discord.Object(int(self.world["notable"]["above_guard"])))
            refused = 0
        except discord.Forbidden as error:
            refused = error.code
        await until(lambda: len(self.audited) >= 6)
        read = [entry async for entry in guild.audit_logs(limit=20)]
        return {
            "banned": str(banned),
            "muted": str(muted),
            "kicked": str(kicked),
            "raised": str(raised),
            "bulk": sorted(str(user.id) for user in (bulk[0] if PYCORD else bulk.banned)),
            "said": str(said.id),
            "refused": refused,
            "audit_read": sorted(entry.action.value for entry in read if entry.reason == REASON),
            "audit_heard": sorted(self.audited),
        }

    async def interactions(self) -> Any:
        await self._make_command()
        who = next(self.people)
        asked = {"user_id": who, "command": "lamp", "options": {"color": "amber"}}
        number = (await ask("POST", "interactions", asked))["interaction_id"]
        async with asyncio.timeout(PATIENCE_S):
            report = await ask("GET", f"interactions/{number}")
            while not report["content"]:
                await asyncio.sleep(0.02)  # between two looks
                report = await ask("GET", f"interactions/{number}")
        return {"deferred": report["deferred"], "ephemeral": report["ephemeral"], "content": report["content"]}

    async def _make_command(self) -> None:
        if PYCORD:

            @self.client.slash_command(name="lamp", description="light a lamp")
            @discord.option("color", str, description="which")
            async def lamp(ctx: Any, color: str) -> None:
                await ctx.defer(ephemeral=True)
                await ctx.edit(content=f"the lamp is {color}")

            await self.client.sync_commands()
            return
        from discord import app_commands

        tree = app_commands.CommandTree(self.client)

        async def lamp(interaction: Any, color: str) -> None:
            await interaction.response.defer(ephemeral=True)
            await interaction.edit_original_response(content=f"the lamp is {color}")

        lamp.__annotations__ = {"interaction": discord.Interaction, "color": str}
        tree.add_command(app_commands.Command(name="lamp", description="light a lamp", callback=lamp))
        await tree.sync()

    async def resume(self) -> Any:
        resumed = 0
        for number in range(ROUNDS):
            before = self.heard.count("resumed")
            asked = {"do": "drop", "code": 4000} if number % 2 == 0 else {"do": "reconnect"}
            await ask("POST", "gateway", asked)
            newcomer = int((await ask("POST", "join", {"username": f"late{number}"}))["user"]["id"])
            await until(lambda before=before, n=newcomer: self.heard.count("resumed") > before and n in self.joined)
            resumed += 1
        ready = self.heard.count("ready")
        await ask("POST", "gateway", {"do": "invalidate"})
        await until(lambda: self.heard.count("ready") > ready)
        return {"resumed": resumed, "twice": len(self.joined) - len(set(self.joined))}

    async def rate_limit(self) -> Any:
        targets = [(await ask("POST", "join", {"username": f"brief{number}"}))["user"]["id"] for number in range(7)]
        await ask("POST", "limits", {"on": True})
        for target in targets:
            await self.guild.kick(discord.Object(int(target)), reason=REASON)
        limits = await ask("POST", "limits", {"on": False})
        return {"kicked": targets, "refused": limits["refused"]["user"]}


async def main() -> None:
    print(json.dumps(await Run().all()))


asyncio.run(main())
