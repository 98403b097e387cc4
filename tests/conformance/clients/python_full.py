"""The further steps of the full form, for Pycord and discord.py. What every client must see is in ``test_full.py``."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from typing import Any

import discord

PYCORD = hasattr(discord, "ApplicationContext")
COMMANDS: list[dict[str, Any]] = [
    {"name": "greet", "type": 2},
    {"name": "mark", "type": 3},
    {"name": "ask", "type": 1, "description": "a modal"},
    {
        "name": "pick",
        "type": 1,
        "description": "a choice",
        "options": [{"type": 3, "name": "fruit", "description": "which", "required": True, "autocomplete": True}],
    },
]


def raw(base_url: str, token: str, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
    """One call past the library, so that it does not know of it."""
    headers = {"Authorization": f"Bot {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{base_url}/api/v10{path}", data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, dict(answer.headers), json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        return refused.code, dict(refused.headers), json.loads(refused.read())


class Full:
    """The steps, on a client that is connected.

    Args:
        run: the run they belong to: its client, guild, world and people.
        ask: asks the control API.
        until: waits until something holds.
        call: calls the API past the library.
    """

    def __init__(self, run: Any, ask: Any, until: Any, call: Any) -> None:
        self.run, self.ask, self.until, self.call = run, ask, until, call
        # After a new IDENTIFY the client has other objects than before.
        self.client, self.guild = run.client, run.client.get_guild(run.guild.id)
        self.hall = self.client.get_channel(int(run.world["channels"]["main-hall"]))
        self.automod: list[Any] = []
        self.rate_limited = 0
        self._listen()

    async def all(self) -> dict[str, Any]:
        steps = (
            self.dry_bucket,
            self.forced,
            self.bulk_ban,
            self.bulk_delete,
            self.audit_pages,
            self.errors,
            self.nonce,
        )
        steps += (
            self.menus,
            self.hears_automod,
            self.thread,
            self.webhook,
            self.reaction,
            self.voice,
            self.chunk_limit,
        )
        return {step.__name__: await step() for step in steps}

    def _listen(self) -> None:
        async def on_automod(execution: Any) -> None:
            self.automod.append(execution)

        on_automod.__name__ = "on_auto_moderation_action_execution" if PYCORD else "on_automod_action"

        async def on_socket_raw_receive(message: Any) -> None:
            self.rate_limited += '"RATE_LIMITED"' in (message if isinstance(message, str) else message.decode())

        for each in (on_automod, on_socket_raw_receive):
            self.client.event(each)

    # -- limits ----------------------------------------------------------------------------------------------------

    async def dry_bucket(self) -> Any:
        """A bucket runs dry behind the library's back: its next call is refused, it waits as told, and succeeds."""
        await self.ask("POST", "limits", {"on": True})
        path = f"/channels/{self.hall.id}/messages"
        answers = [await asyncio.to_thread(self.call, "POST", path, {"content": "drop"}) for _ in range(6)]
        refused_at, wait_s = time.monotonic(), answers[-1][2]["retry_after"]
        await self.hall.send("it waited")
        waited_s = time.monotonic() - refused_at
        limits = await self.ask("POST", "limits", {"on": False})
        return {
            "remaining": [int(headers["X-RateLimit-Remaining"]) for _, headers, _ in answers],
            "status": answers[-1][0],
            "scope": answers[-1][1]["X-RateLimit-Scope"],
            "waited": waited_s >= wait_s - 0.05,
            "invalid": limits["invalid_requests"] >= 2,
        }

    async def forced(self) -> Any:
        """A 429 for this route, and one for all routes."""
        waited = []
        for everywhere in (False, True):
            fault = {"status": 429, "extra": {"retry_after": 0.3, "global": everywhere}, "route": "/guilds/{guild_id}"}
            scope = "global" if everywhere else "user"
            fault["headers"] = {"Retry-After": "1", "X-RateLimit-Scope": scope, "X-RateLimit-Reset-After": "0.3"}
            if everywhere:
                fault["headers"]["X-RateLimit-Global"] = "true"
            await self.ask("POST", "faults", fault)
            began = time.monotonic()
            await self.client.fetch_guild(self.guild.id)
            waited.append(time.monotonic() - began >= 0.25)
        return waited

    async def chunk_limit(self) -> Any:
        await self.ask("POST", "limits", {"on": True})
        asked = {"guild_id": str(self.guild.id), "query": "", "limit": 0, "presences": False, "nonce": "0" * 32}
        socket = self.guild._state._get_websocket(self.guild.id)
        for _ in range(2):
            await socket.send_as_json({"op": 8, "d": asked})
        await self.until(lambda: self.rate_limited)
        await self.ask("POST", "limits", {"on": False})
        return True

    # -- moderation ------------------------------------------------------------------------------------------------

    async def bulk_ban(self) -> Any:
        crowd = [int(next(self.run.people)) for _ in range(200)]
        path = f"/guilds/{self.guild.id}/bulk-ban"
        users = [discord.Object(user_id) for user_id in crowd]
        first = await (self.guild.bulk_ban(*users[:150]) if PYCORD else self.guild.bulk_ban(users[:150]))
        second = await (self.guild.bulk_ban(*users) if PYCORD else self.guild.bulk_ban(users))
        ids = [str(user_id) for user_id in crowd]
        again = await asyncio.to_thread(self.call, "POST", path, {"user_ids": ids})
        odd = [await asyncio.to_thread(self.call, "POST", path, {"user_ids": given}) for given in ([*ids, "1"], [])]
        sizes = [[len(part) for part in (done if PYCORD else (done.banned, done.failed))] for done in (first, second)]
        return {"sizes": sizes, "again": again[2]["code"], "odd": [answer[2]["code"] for answer in odd]}

    async def bulk_delete(self) -> Any:
        said = [await self.hall.send(f"to be gone {number}") for number in range(5)]
        await self.hall.delete_messages(said)
        left = {message.id async for message in self.hall.history(limit=50)}
        path = f"/channels/{self.hall.id}/messages/bulk-delete"
        few = await asyncio.to_thread(self.call, "POST", path, {"messages": [str(said[0].id)]})
        many = await asyncio.to_thread(self.call, "POST", path, {"messages": [str(n) for n in range(1, 102)]})
        return {"left": len(left & {message.id for message in said}), "odd": [few[2]["code"], many[2]["code"]]}

    async def audit_pages(self) -> Any:
        """More than one page of a hundred: nothing twice, newest first."""
        read = [entry.id async for entry in self.guild.audit_logs(limit=180)]
        return {"read": len(read), "distinct": len(set(read)), "ordered": read == sorted(read, reverse=True)}

    async def errors(self) -> Any:
        notable, guild = self.run.world["notable"], self.guild
        nobody, closed = discord.Object(1), int(notable["closed_dm"])
        tries = {
            "hierarchy": lambda: guild.ban(discord.Object(int(notable["above_guard"]))),
            "unknown member": lambda: guild.kick(discord.Object(int(notable["outsider"]))),
            "unknown ban": lambda: guild.unban(discord.Object(int(notable["outsider"]))),
            "unknown channel": lambda: self.client.fetch_channel(1),
            "unknown message": lambda: self.hall.fetch_message(1),
            "unknown user": lambda: guild.ban(nobody),
            "long reason": lambda: guild.kick(discord.Object(int(notable["outsider"])), reason="x" * 513),
            "closed messages": lambda: guild.get_member(closed).send("hello"),
        }
        found = {}
        for name, attempt in tries.items():
            try:
                await attempt()
            except discord.HTTPException as refused:
                found[name] = [refused.status, refused.code]
        return found

    async def nonce(self) -> Any:
        enforced = {"enforce_nonce": True} if PYCORD else {}
        said = [await self.hall.send("once", nonce="full-once", **enforced) for _ in range(2)]
        return said[0].id == said[1].id

    # -- interactions and events -----------------------------------------------------------------------------------

    async def menus(self) -> Any:
        self.client.add_listener(self._answer, "on_interaction") if PYCORD else self.client.event(
            _named(self._answer, "on_interaction")
        )
        await self.client.http.bulk_upsert_global_commands(self.client.user.id, COMMANDS)
        who, other = next(self.run.people), next(self.run.people)
        said = await self.hall.send("a message to mark")
        user = await self._interact({"user_id": who, "command": "greet", "target_id": other})
        message = await self._interact({"user_id": who, "command": "mark", "target_id": str(said.id)})
        modal = await self._interact({"user_id": who, "command": "ask"})
        filled = {"custom_id": modal["modal"]["custom_id"], "fields": {"why": "because"}}
        modal_sent = await self._interact({"user_id": who, "modal": filled})
        partial = {"user_id": who, "command": "pick", "options": {"fruit": "pe"}, "autocomplete": "fruit"}
        choices = await self._interact(partial)
        body = {"content": "press", "components": [{"type": 1, "components": [BUTTON]}]}
        _, _, shown = await asyncio.to_thread(self.call, "POST", f"/channels/{self.hall.id}/messages", body)
        pressed = {"custom_id": "lever", "message_id": shown["id"]}
        button = await self._interact({"user_id": who, "channel_id": str(self.hall.id), "component": pressed})
        return {
            "user": user["content"] == f"greets {other}",
            "message": message["content"] == f"marks {said.id}",
            "modal": modal_sent["content"],
            "choices": [choice["value"] for choice in choices["choices"]],
            "button": button["content"],
        }

    async def _interact(self, asked: dict[str, Any]) -> Any:
        number = (await self.ask("POST", "interactions", asked))["interaction_id"]
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            report = await self.ask("GET", f"interactions/{number}")
            if report["acked"]:
                return report
            await asyncio.sleep(0.02)  # between two looks
        raise AssertionError(f"never acknowledged: {asked}")

    async def _answer(self, interaction: Any) -> None:
        data, kind, answer = (
            interaction.data,
            int(getattr(interaction.type, "value", interaction.type)),
            interaction.response,
        )
        if kind == 4:
            if PYCORD:
                await answer.send_autocomplete_result(choices=[discord.OptionChoice("a pear", "pear")])
            else:
                await answer.autocomplete([discord.app_commands.Choice(name="a pear", value="pear")])
        elif kind == 5:
            await answer.send_message(f"why: {_filled(data)}")
        elif kind == 3:
            await answer.edit_message(content="pulled", view=None)
        elif data["name"] == "ask":
            await answer.send_modal(_modal())
        elif data["name"] in ("greet", "mark"):
            await answer.send_message(f"{data['name']}s {data['target_id']}")

    async def hears_automod(self) -> Any:
        who = next(self.run.people)
        asked = {"user_id": who, "channel_id": str(self.hall.id), "content": "bad acorns", "matched": "acorns"}
        await self.ask("POST", "automod", asked)
        await self.until(lambda: self.automod)
        heard = self.automod[0]
        return [str(heard.user_id) == who, heard.content, heard.matched_content]

    # -- places ----------------------------------------------------------------------------------------------------

    async def thread(self) -> Any:
        said = await self.hall.send("here begins a thread")
        thread = await said.create_thread(name="by the mill")
        await thread.send("first")
        await thread.edit(archived=True)
        return [thread.name, (await self.client.fetch_channel(thread.id)).archived]

    async def webhook(self) -> Any:
        made = await self.hall.create_webhook(name="Lamp post")
        said = await made.send("lit", wait=True)
        await made.delete()
        return [said.content, said.author.name]

    async def reaction(self) -> Any:
        said = await self.hall.send("react")
        await said.add_reaction("🌰")
        there = [str(each.emoji) for each in (await self.hall.fetch_message(said.id)).reactions]
        await said.clear_reactions()
        return [there, len((await self.hall.fetch_message(said.id)).reactions)]

    async def voice(self) -> Any:
        who = next(self.run.people)
        rooms = [await self.guild.create_voice_channel(name) for name in ("lower room", "upper room")]
        member = self.guild.get_member(int(who))
        await self.ask("POST", "voice", {"user_id": who, "channel_id": str(rooms[0].id)})
        await self.until(lambda: member.voice and member.voice.channel == rooms[0])
        await member.move_to(rooms[1])
        await self.until(lambda: member.voice and member.voice.channel == rooms[1])
        await member.move_to(None)
        await self.until(lambda: member.voice is None)
        return True


BUTTON = {"type": 2, "style": 1, "label": "Pull", "custom_id": "lever"}


def _named(function: Any, name: str) -> Any:
    async def listen(interaction: Any) -> None:
        await function(interaction)

    listen.__name__ = name
    return listen


def _filled(data: Any) -> Any:
    row = data["components"][0]
    return (row["components"][0] if "components" in row else row["component"])["value"]


def _modal() -> Any:
    if PYCORD:
        return discord.ui.Modal(discord.ui.InputText(label="Why", custom_id="why"), title="Ask", custom_id="asked")
    modal = discord.ui.Modal(title="Ask", custom_id="asked")
    modal.add_item(discord.ui.TextInput(label="Why", custom_id="why"))
    return modal
