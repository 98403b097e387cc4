"""The control API: whoever runs the sandbox plays everybody else in it.

All of it is JSON under ``/control`` on the same loopback port; ids are text. It is for the tests and the demo: people
join, leave, talk, run commands and act by hand; faults, latency and limits are set; what happened can be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

from kovra.sandbox import payloads, people, permissions
from kovra.sandbox.commands import CommandRefused, run_command
from kovra.sandbox.deeds import members, messages, places
from kovra.sandbox.errors import Refusal
from kovra.sandbox.faults import Fault, When
from kovra.sandbox.world import Channel, ChannelType, Guild, Member, User

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

Json = dict[str, Any]
Handler = Callable[["Sandbox", "Ask"], Any]


class ControlError(Exception):
    """The control request cannot be done; the message says why.

    Args:
        status: 400, or 404 for what is not there.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Ask:
    """One request: the values of its path, its query and its body."""

    def __init__(self, values: list[str], query: Any, body: Json) -> None:
        self.values, self.query, self.body = values, query, body

    def id(self, key: str, default: int | None = None) -> int:
        """A snowflake of the body."""
        value = self.body.get(key, default)
        if value is None or not str(value).isdigit():
            raise ControlError(f"{key} must be an id, not {value!r}")
        return int(value)

    def path_id(self, at: int = 0) -> int:
        if not self.values[at].isdigit():
            raise ControlError(f"{self.values[at]!r} is not an id", 404)
        return int(self.values[at])


_ROUTES: dict[tuple[str, int], dict[str, tuple[list[str], Handler]]] = {}


def _on(method: str, template: str) -> Callable[[Handler], Handler]:
    """Register a handler; ``*`` in the template stands for a value."""

    def register(handler: Handler) -> Handler:
        parts = template.split("/")
        _ROUTES.setdefault((method, len(parts)), {})[template] = (parts, handler)
        return handler

    return register


async def serve(sandbox: Sandbox, request: web.BaseRequest) -> web.Response:
    """Answer one request under ``/control``."""
    try:
        _require_local(request)
        handler, values = _find(request.method, request.path.removeprefix("/control/"))
        body = await request.json() if request.body_exists and request.content_length != 0 else {}
        if not isinstance(body, dict):
            raise ControlError("the body must be a JSON object")
        answer = handler(sandbox, Ask(values, request.query, body))
        if hasattr(answer, "__await__"):
            answer = await answer
        return _json(200, {} if answer is None else answer)
    except (ControlError, CommandRefused) as error:
        return _json(getattr(error, "status", 400), {"error": str(error)})
    except Refusal as refusal:
        return _json(refusal.status, {"error": refusal.message, "code": refusal.code})
    except (json.JSONDecodeError, ValueError, TypeError) as error:
        return _json(400, {"error": f"{type(error).__name__}: {error}"})


def _json(status: int, body: Any) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=headers)


def _require_local(request: web.BaseRequest) -> None:
    """Refuse pages of other origins, and names that were made to point at this machine."""
    if urlsplit(f"//{request.host}").hostname not in ("127.0.0.1", "localhost"):
        raise ControlError("the control API answers on 127.0.0.1 and localhost only", 403)
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        raise ControlError("the control API takes no requests from other pages", 403)


def _find(method: str, path: str) -> tuple[Handler, list[str]]:
    asked = path.strip("/").split("/")
    for parts, handler in _ROUTES.get((method, len(asked)), {}).values():
        if all(part in ("*", given) for part, given in zip(parts, asked, strict=True)):
            return handler, [given for part, given in zip(parts, asked, strict=True) if part == "*"]
    raise ControlError(f"there is no {method} /control/{path}", 404)


# -- finding what a request names ----------------------------------------------------------------------------------


def _guild(sandbox: Sandbox, guild_id: int) -> Guild:
    guild = sandbox.world.guilds.get(guild_id)
    if guild is None:
        raise ControlError(f"there is no guild {guild_id}", 404)
    return guild


def _asked_guild(sandbox: Sandbox, ask: Ask) -> Guild:
    return _guild(sandbox, ask.id("guild_id", sandbox.world.cast.guild_id))


def _user(sandbox: Sandbox, user_id: int) -> User:
    user = sandbox.world.users.get(user_id)
    if user is None:
        raise ControlError(f"there is no user {user_id}", 404)
    return user


def _member(sandbox: Sandbox, guild: Guild, user_id: int) -> Member:
    member = guild.members.get(_user(sandbox, user_id).id)
    if member is None:
        raise ControlError(f"user {user_id} is not in {guild.name}", 404)
    return member


def _channel(sandbox: Sandbox, channel_id: int) -> Channel:
    channel = sandbox.world.channels.get(channel_id)
    if channel is None:
        raise ControlError(f"there is no channel {channel_id}", 404)
    return channel


def _actor(sandbox: Sandbox, ask: Ask, guild: Guild) -> int:
    """Who does it: ``by``, or the owner when nobody is named."""
    return _user(sandbox, ask.id("by", guild.owner_id)).id


# -- reading ---------------------------------------------------------------------------------------------------------


@_on("GET", "people")
def _people(sandbox: Sandbox, ask: Ask) -> list[Json]:
    return people.staff(sandbox.world)


@_on("GET", "world")
def _world(sandbox: Sandbox, ask: Ask) -> Json:
    world, cast = sandbox.world, sandbox.world.cast
    guild = _guild(sandbox, cast.guild_id)
    return {
        "guild_id": str(guild.id),
        "name": guild.name,
        "owner_id": str(guild.owner_id),
        "bot_id": str(world.bot_id),
        "members": len(guild.members),
        "bans": len(guild.bans),
        "channels": {channel.name: str(channel.id) for channel in world.guild_channels(guild)},
        "roles": {role.name: str(role.id) for role in guild.roles.values()},
        "guilds": [{"id": str(g.id), "name": g.name} for g in world.guilds.values()],
        "notable": {
            "above_guard": str(cast.above_guard),
            "closed_dm": str(cast.closed_dm[0]) if cast.closed_dm else None,
            "closed_dms": [str(user_id) for user_id in cast.closed_dm],
            "bot_member": str(cast.bot_member),
            "outsider": str(cast.outsider),
            "plain": [str(user_id) for user_id in cast.plain],
        },
    }


@_on("GET", "guilds/*/members")
def _members(sandbox: Sandbox, ask: Ask) -> list[Json]:
    guild = _guild(sandbox, ask.path_id())
    return [payloads.member(m, sandbox.world.users[m.user_id]) for m in guild.members.values()]


@_on("GET", "guilds/*/bans")
def _bans(sandbox: Sandbox, ask: Ask) -> list[Json]:
    guild = _guild(sandbox, ask.path_id())
    return [{"user": payloads.user(sandbox.world.users[i]), "reason": why} for i, why in guild.bans.items()]


@_on("GET", "guilds/*/channels")
def _channels(sandbox: Sandbox, ask: Ask) -> list[Json]:
    guild = _guild(sandbox, ask.path_id())
    return [payloads.channel(channel, sandbox.world) for channel in sandbox.world.guild_channels(guild)]


@_on("GET", "guilds/*/audit")
def _audit(sandbox: Sandbox, ask: Ask) -> list[Json]:
    entries = _guild(sandbox, ask.path_id()).audit
    return [payloads.audit_entry(entry) for entry in reversed(entries[-200:])]


@_on("GET", "guilds/*")
def _guild_settings(sandbox: Sandbox, ask: Ask) -> Json:
    return payloads.guild(_guild(sandbox, ask.path_id()))


@_on("GET", "channels/*/messages")
def _messages(sandbox: Sandbox, ask: Ask) -> list[Json]:
    """The channel's messages, oldest first; ``?as=`` adds what only that person sees."""
    channel = _channel(sandbox, ask.path_id())
    viewer = int(ask.query.get("as", 0))
    most = int(ask.query.get("limit", 100))
    held = sandbox.world.messages.get(channel.id, {}).values()
    seen = [m for m in held if m.ephemeral_for in (None, viewer)]
    return [payloads.message(m, sandbox.world) for m in seen[-most:]]


@_on("GET", "users/*/dms")
def _dms(sandbox: Sandbox, ask: Ask) -> list[Json]:
    channel = sandbox.world.dm_with(_user(sandbox, ask.path_id()).id)
    held = {} if channel is None else sandbox.world.messages.get(channel.id, {})
    return [payloads.message(m, sandbox.world) for m in held.values()]


@_on("GET", "effects")
def _effects(sandbox: Sandbox, ask: Ask) -> Json:
    return sandbox.effects.report(ask.query.get("ref"))


@_on("GET", "requests")
def _requests(sandbox: Sandbox, ask: Ask) -> Json:
    """The last requests, oldest first."""
    most = int(ask.query.get("limit", 200))
    tail = [
        {
            "at": round(r.at, 3),
            "method": r.method,
            "path": r.path,
            "status": r.status,
            "ms": round(r.ms, 2),
            "reason": r.reason,
            "body": r.body,
            "answer": r.answer if r.status >= 400 else None,
        }
        for r in list(sandbox.requests)[-most:]
    ]
    return {"served": sandbox.served, "requests": tail}


@_on("GET", "findings")
def _findings(sandbox: Sandbox, ask: Ask) -> Json:
    """What the check against Discord's description found; ``findings`` is null when there is no check."""
    if sandbox.conformance is None:
        return {"findings": None, "checked": 0}
    return {"findings": sandbox.conformance.findings(), "checked": sandbox.conformance.checked}


@_on("GET", "gateway")
def _sessions(sandbox: Sandbox, ask: Ask) -> Json:
    return {"sessions": sandbox.gateway.sessions(), **sandbox.gateway.counts}


# -- people do things ------------------------------------------------------------------------------------------------


@_on("POST", "interactions")
def _interact(sandbox: Sandbox, ask: Ask) -> Json:
    user = _user(sandbox, ask.id("user_id"))
    channel, guild = _place(sandbox, ask, user)
    interaction = run_command(sandbox.desk, sandbox.world, user, guild, channel, ask.body)
    return {"interaction_id": str(interaction.id)}


def _place(sandbox: Sandbox, ask: Ask, user: User) -> tuple[Channel, Guild | None]:
    """Where a command is run: the channel named, the first open one of the guild, or the person's DM."""
    if "channel_id" in ask.body:
        channel = _channel(sandbox, ask.id("channel_id"))
        return channel, sandbox.world.guilds.get(channel.guild_id or 0)
    if ask.body.get("guild_id", "") is None:
        return messages.open_dm(sandbox.stage, user.id), None
    guild = _asked_guild(sandbox, ask)
    _member(sandbox, guild, user.id)
    now = sandbox.stage.now()
    wanted = permissions.VIEW_CHANNEL | permissions.SEND_MESSAGES
    for channel in sandbox.world.guild_channels(guild):
        have = permissions.in_channel(guild, channel, user.id, now)
        if channel.type == ChannelType.TEXT and have & wanted == wanted:
            return channel, guild
    raise ControlError(f"user {user.id} can talk in no channel of {guild.name}")


@_on("GET", "interactions/*")
def _interaction(sandbox: Sandbox, ask: Ask) -> Json:
    report = sandbox.desk.report(ask.path_id())
    if report is None:
        raise ControlError(f"there is no interaction {ask.values[0]}", 404)
    return report


@_on("POST", "messages")
def _post(sandbox: Sandbox, ask: Ask) -> Json:
    """Someone says something: ``user_id``, ``channel_id`` (or none: a DM to the bot), ``content``."""
    user = _user(sandbox, ask.id("user_id"))
    if "channel_id" in ask.body:
        channel = _channel(sandbox, ask.id("channel_id"))
    else:
        channel = messages.open_dm(sandbox.stage, user.id)
    guild = sandbox.world.guilds.get(channel.guild_id or 0)
    if guild is not None:
        permissions.require_in(guild, channel, user.id, permissions.SEND_MESSAGES, sandbox.stage.now())
    attachments = ask.body.get("attachments") or []
    message = messages.post(sandbox.stage, channel, user.id, ask.body, attachments=attachments)
    return payloads.message(message, sandbox.world)


@_on("POST", "messages/delete")
def _delete_message(sandbox: Sandbox, ask: Ask) -> None:
    channel = _channel(sandbox, ask.id("channel_id"))
    message = sandbox.world.messages.get(channel.id, {}).get(ask.id("message_id"))
    if message is None:
        raise ControlError("there is no such message", 404)
    messages.delete(sandbox.stage, channel, message, by=ask.id("by", message.author_id), reason=None)


@_on("POST", "users")
def _make_user(sandbox: Sandbox, ask: Ask) -> Json:
    """Someone new: ``username``, and ``made_at`` (Unix seconds) for the age of the account."""
    made_at = float(ask.body.get("made_at", sandbox.clock()))
    user = people.newcomer(sandbox.world, ask.body, made_at)
    sandbox.stage.changed = True
    return payloads.user(user)


@_on("POST", "join")
def _join(sandbox: Sandbox, ask: Ask) -> Json:
    """Someone joins: ``user_id``, or ``username`` for a new account."""
    guild = _asked_guild(sandbox, ask)
    if "user_id" in ask.body:
        user = _user(sandbox, ask.id("user_id"))
    else:
        user = people.newcomer(sandbox.world, ask.body, float(ask.body.get("made_at", sandbox.clock())))
    if user.id in guild.bans:
        raise ControlError(f"user {user.id} is banned", 403)
    if user.id in guild.members:
        raise ControlError(f"user {user.id} is a member already")
    if user.id == sandbox.world.bot_id:
        members.join(sandbox.stage, guild, user.id)
        sandbox.gateway.open_guild(guild)
        return payloads.user(user)
    return payloads.member(members.join(sandbox.stage, guild, user.id), user)


@_on("POST", "leave")
def _leave(sandbox: Sandbox, ask: Ask) -> None:
    guild = _asked_guild(sandbox, ask)
    members.leave(sandbox.stage, guild, _member(sandbox, guild, ask.id("user_id")).user_id)


@_on("POST", "dms")
def _set_dms(sandbox: Sandbox, ask: Ask) -> None:
    _user(sandbox, ask.id("user_id")).dms_open = bool(ask.body["open"])
    sandbox.stage.changed = True


@_on("POST", "roles")
def _roles(sandbox: Sandbox, ask: Ask) -> Json:
    """Give or take a role by hand: ``user_id``, ``role_id`` or ``role`` (its name), ``give`` (default true), ``by``."""
    guild = _asked_guild(sandbox, ask)
    member = _member(sandbox, guild, ask.id("user_id"))
    role = guild.roles.get(ask.id("role_id", _role_named(guild, ask.body.get("role"))))
    if role is None:
        raise ControlError("there is no such role", 404)
    deed = members.give_role if ask.body.get("give", True) else members.take_role
    deed(sandbox.stage, guild, member, role, by=_actor(sandbox, ask, guild), reason=ask.body.get("reason"))
    return payloads.member(member, sandbox.world.users[member.user_id])


def _role_named(guild: Guild, name: str | None) -> int | None:
    return next((role.id for role in guild.roles.values() if role.name == name), None)


@_on("POST", "channels/*/delete")
def _delete_channel(sandbox: Sandbox, ask: Ask) -> None:
    channel = _channel(sandbox, ask.path_id())
    guild = _guild(sandbox, channel.guild_id or 0)
    by, reason = _actor(sandbox, ask, guild), ask.body.get("reason")
    places.delete_channel(sandbox.stage, guild, channel, by=by, reason=reason)


@_on("POST", "bans")
def _ban(sandbox: Sandbox, ask: Ask) -> None:
    """Ban by hand: ``user_id``, ``by``, ``reason``, ``delete_s``."""
    guild = _asked_guild(sandbox, ask)
    user, by = _user(sandbox, ask.id("user_id")), _actor(sandbox, ask, guild)
    reason, delete_s = ask.body.get("reason"), int(ask.body.get("delete_s", 0))
    members.ban(sandbox.stage, guild, user.id, by=by, reason=reason, delete_s=delete_s)


@_on("POST", "unbans")
def _unban(sandbox: Sandbox, ask: Ask) -> None:
    guild = _asked_guild(sandbox, ask)
    if ask.id("user_id") not in guild.bans:
        raise ControlError("nobody of this id is banned", 404)
    by = _actor(sandbox, ask, guild)
    members.unban(sandbox.stage, guild, ask.id("user_id"), by=by, reason=ask.body.get("reason"))


@_on("POST", "kicks")
def _kick(sandbox: Sandbox, ask: Ask) -> None:
    guild = _asked_guild(sandbox, ask)
    member = _member(sandbox, guild, ask.id("user_id"))
    by = _actor(sandbox, ask, guild)
    members.kick(sandbox.stage, guild, member.user_id, by=by, reason=ask.body.get("reason"))


@_on("POST", "timeouts")
def _time_out(sandbox: Sandbox, ask: Ask) -> Json:
    """Time out by hand: ``user_id``, ``seconds`` (0 lifts it), ``by``, ``reason``."""
    guild = _asked_guild(sandbox, ask)
    member = _member(sandbox, guild, ask.id("user_id"))
    seconds = float(ask.body.get("seconds", 0))
    until = people.later(sandbox.stage.now(), seconds) if seconds else None
    by, reason = _actor(sandbox, ask, guild), ask.body.get("reason")
    members.time_out(sandbox.stage, guild, member, until, by=by, reason=reason)
    return payloads.member(member, sandbox.world.users[member.user_id])


# -- weather ---------------------------------------------------------------------------------------------------------


@_on("GET", "faults")
def _armed(sandbox: Sandbox, ask: Ask) -> list[Json]:
    return [_fault_payload(fault) for fault in sandbox.faults.armed]


@_on("POST", "faults")
def _arm(sandbox: Sandbox, ask: Ask) -> Json:
    """Arm a fault; the keys are the fields of :class:`kovra.sandbox.faults.Fault`."""
    what = {**ask.body, "when": When(ask.body.get("when", "before"))}
    if "params" in what:
        what["params"] = {name: str(value) for name, value in what["params"].items()}
    return _fault_payload(sandbox.faults.arm(**what))


@_on("DELETE", "faults")
def _disarm(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.faults.clear()


def _fault_payload(fault: Fault) -> Json:
    return {name: getattr(fault, name) for name in Fault.__dataclass_fields__}


@_on("POST", "latency")
def _latency(sandbox: Sandbox, ask: Ask) -> Json:
    sandbox.faults.latency_ms = float(ask.body["ms"])
    return {"ms": sandbox.faults.latency_ms}


@_on("POST", "limits")
def _set_limits(sandbox: Sandbox, ask: Ask) -> Json:
    sandbox.limits.on = bool(ask.body["on"])
    return _limits(sandbox, ask)


@_on("GET", "limits")
def _limits(sandbox: Sandbox, ask: Ask) -> Json:
    limits = sandbox.limits
    return {"on": limits.on, "refused": limits.refused, "invalid_requests": limits.invalid_requests()}


@_on("POST", "gateway")
async def _gateway(sandbox: Sandbox, ask: Ask) -> None:
    """Trouble on the gateway: ``do`` is ``drop`` (with ``code``), ``reconnect`` or ``invalidate``."""
    what = ask.body.get("do")
    if what == "drop":
        await sandbox.gateway.disconnect_all(int(ask.body.get("code", 4000)))
    elif what == "reconnect":
        sandbox.gateway.ask_reconnect()
    elif what == "invalidate":
        sandbox.gateway.invalidate_all()
    else:
        raise ControlError("do must be drop, reconnect or invalidate")


@_on("POST", "reset")
def _reset(sandbox: Sandbox, ask: Ask) -> None:
    """Back to the beginning: the world, the counters, faults and limits; connections are invalidated."""
    sandbox.reset()
