"""Users, the application, DMs, and where the gateway is."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import members
from kovra.sandbox.deeds import messages as deeds
from kovra.sandbox.rest.call import Call, snowflake
from kovra.sandbox.rest.routing import Access, Table
from kovra.sandbox.world import moment

table = Table()


@table.on("GET", "/gateway", access=Access.PATH)
def gateway(call: Call) -> dict[str, Any]:
    return {"url": call.gateway_url}


@table.on("GET", "/gateway/bot")
def gateway_bot(call: Call) -> dict[str, Any]:
    start = {"total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": call.slots}
    return {"url": call.gateway_url, "shards": 1, "session_start_limit": start}


@table.on("GET", "/users/@me", access=Access.EITHER)
def me(call: Call) -> dict[str, Any]:
    user_id = call.bot_id if call.grant is None else _with_scope(call, "identify")
    return payloads.own_user(call.world.users[user_id])


@table.on("GET", "/users/@me/guilds", access=Access.EITHER)
def my_guilds(call: Call) -> list[dict[str, Any]]:
    user_id = call.bot_id if call.grant is None else _with_scope(call, "guilds")
    now, after, before = call.stage.now(), call.after() or 0, call.before()
    mine = sorted(call.world.members_of(user_id), key=lambda guild: guild.id)
    shown = [guild for guild in mine if guild.id > after and (before is None or guild.id < before)]
    answer = []
    for guild in shown[: call.limit(200, 200)]:
        item = {
            "id": str(guild.id),
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": guild.owner_id == user_id,
            "permissions": str(permissions.of_member(guild, user_id, now)),
            "features": guild.features,
        }
        if call.flag("with_counts"):
            item |= {"approximate_member_count": len(guild.members), "approximate_presence_count": 1}
        answer.append(item)
    return answer


@table.on("GET", "/users/@me/guilds/{guild_id}/member", access=Access.BEARER)
def my_member(call: Call) -> dict[str, Any]:
    user_id = _with_scope(call, "guilds.members.read")
    guild = call.world.guilds.get(call.id("guild_id"))
    if guild is None or user_id not in guild.members:
        raise errors.unknown_guild()
    return payloads.member(guild.members[user_id], call.world.users[user_id])


@table.on("DELETE", "/users/@me/guilds/{guild_id}")
def leave_guild(call: Call) -> None:
    members.leave(call.stage, call.guild(), call.bot_id)


@table.on("POST", "/users/@me/channels")
def open_dm(call: Call) -> dict[str, Any]:
    if "recipient_id" not in call.body:
        raise errors.required("recipient_id")
    user = call.world.users.get(snowflake("recipient_id", call.body["recipient_id"]))
    if user is None or user.id == call.bot_id:
        raise errors.invalid_recipient()
    return payloads.channel(deeds.open_dm(call.stage, user.id), call.world)


@table.on("GET", "/users/{user_id}")
def user(call: Call) -> dict[str, Any]:
    return payloads.user(call.user())


@table.on("GET", "/oauth2/applications/@me")
@table.on("GET", "/applications/@me")
def application(call: Call) -> dict[str, Any]:
    owner = call.world.users[next(iter(call.world.guilds.values())).owner_id]
    return {
        **payloads.application(call.world),
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": payloads.user(owner),
        "approximate_guild_count": sum(1 for _ in call.world.members_of(call.bot_id)),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
        "hook": True,
        "rpc_origins": [],
    }


@table.on("GET", "/oauth2/@me", access=Access.BEARER)
def authorization(call: Call) -> dict[str, Any]:
    assert call.grant is not None
    return {
        "application": payloads.application(call.world),
        "expires": payloads.iso(moment(call.grant.expires_at)),
        "scopes": call.grant.scopes,
        "user": payloads.user(call.world.users[call.grant.user_id]),
    }


@table.on("GET", "/soundboard-default-sounds")
def default_sounds(call: Call) -> list[Any]:
    """No sounds; but Pycord never becomes ready when this is not a list."""
    return []


def _with_scope(call: Call, scope: str) -> int:
    assert call.grant is not None
    if scope not in call.grant.scopes:
        raise errors.unauthorized()
    return call.grant.user_id
