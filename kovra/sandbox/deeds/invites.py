"""Invites: made, used, used up and taken back."""

from __future__ import annotations

from datetime import datetime, timedelta

from kovra.sandbox import payloads
from kovra.sandbox.stage import AuditAction, Stage, change
from kovra.sandbox.world import Channel, Guild, Invite

_ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def create(
    stage: Stage, guild: Guild, channel: Channel, *, by: int, reason: str | None, max_age_s: int, max_uses: int
) -> Invite:
    """Make an invite into a channel; 0 is no end, and no limit."""
    invite = Invite(
        code=_code(stage.new_id()),
        channel_id=channel.id,
        inviter_id=by,
        created_at=stage.now(),
        max_age_s=max_age_s,
        max_uses=max_uses,
    )
    guild.invites[invite.code] = invite
    stage.changed = True
    stage.tell("INVITE_CREATE", guild, lambda: payloads.invite_event(invite, guild, stage.world), channel)
    changes = [change("code", None, invite.code), change("max_uses", None, max_uses)]
    stage.record(guild, AuditAction.INVITE_CREATE, None, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "create_invite")
    return invite


def delete(stage: Stage, guild: Guild, invite: Invite, *, by: int, reason: str | None) -> None:
    """Take an invite back."""
    _remove(stage, guild, invite)
    changes = [change("code", invite.code, None), change("uses", invite.uses, None)]
    stage.record(guild, AuditAction.INVITE_DELETE, None, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "delete_invite")


def use(stage: Stage, guild: Guild, invite: Invite) -> None:
    """Somebody comes in by it; the last use ends it, without an audit entry."""
    invite.uses += 1
    stage.changed = True
    if invite.max_uses and invite.uses >= invite.max_uses:
        _remove(stage, guild, invite)


def valid(guild: Guild, now: datetime) -> list[Invite]:
    """The invites that have not run out."""
    return [invite for invite in guild.invites.values() if not _is_over(invite, now)]


def _is_over(invite: Invite, now: datetime) -> bool:
    return bool(invite.max_age_s) and invite.created_at + timedelta(seconds=invite.max_age_s) <= now


def _remove(stage: Stage, guild: Guild, invite: Invite) -> None:
    del guild.invites[invite.code]
    stage.changed = True
    gone = {"guild_id": str(guild.id), "channel_id": str(invite.channel_id), "code": invite.code}
    stage.tell("INVITE_DELETE", guild, lambda: gone, stage.world.channels.get(invite.channel_id))


def _code(number: int) -> str:
    """A code that no other invite has: the id in letters, the quick end first."""
    letters = []
    while number:
        number, rest = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return "".join(letters)
