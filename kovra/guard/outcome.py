"""What Discord's answers mean for an action (API reference, JSON error codes)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kovra.actions.request import Action
from kovra.errors import DiscordRefused

CLOSED_DMS = 50007
#: Nor to somebody who shares no server with Guard.
NO_SERVER_SHARED = 50278
NO_MUTUAL_GUILD = 50278
INVALID_RECIPIENT = 50033
OPENING_DMS_TOO_FAST = 40003
UNKNOWN_MESSAGE = 10008
UNKNOWN_BAN = 10026
#: Too many bans of people who are no members.
TOO_MANY_STRANGERS = 30035


class FailureKind(StrEnum):
    """Why an action that was tried has not happened, or may not have."""

    TARGET_UNKNOWN = "target_unknown"
    TARGET_GONE = "target_gone"
    NOT_BANNED = "not_banned"
    ALREADY_BANNED = "already_banned"
    FORBIDDEN = "forbidden"
    NO_ACCESS = "no_access"
    INVALID = "invalid"
    TOKEN = "token"
    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"
    ATTEMPTS = "attempts"
    HALF_DONE = "half_done"
    ROLE_GONE = "role_gone"
    NOTHING_THERE = "nothing_there"
    NO_CHANNEL = "no_channel"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The end of an action that made no case. ``sentence`` is for people: what happened and what to do."""

    kind: FailureKind
    sentence: str
    code: int | None = None


_BY_CODE = {
    10013: FailureKind.TARGET_UNKNOWN,
    10007: FailureKind.TARGET_GONE,
    UNKNOWN_BAN: FailureKind.NOT_BANNED,
    10011: FailureKind.ROLE_GONE,
    10003: FailureKind.NO_CHANNEL,
    50013: FailureKind.FORBIDDEN,
    50001: FailureKind.NO_ACCESS,
    10004: FailureKind.NO_ACCESS,
    50035: FailureKind.INVALID,
}


def failure(action: Action, target_name: str, error: DiscordRefused) -> Failure:
    """Read a refusal of the act itself."""
    kind = FailureKind.TOKEN if error.status == 401 else _BY_CODE.get(error.code, FailureKind.REFUSED)
    nothing = f"Nothing happened to {target_name}."
    sentences = {
        FailureKind.TARGET_UNKNOWN: "Unknown user: nobody on Discord has this id. Check the id and ask again.",
        FailureKind.TARGET_GONE: _left(action, target_name),
        FailureKind.NOT_BANNED: f"{target_name} is not banned, so there was no ban to lift.",
        FailureKind.ROLE_GONE: f"The role was deleted before its turn came. {nothing} Choose another one.",
        FailureKind.NO_CHANNEL: f"{target_name} was deleted before its turn came. Nothing was done.",
        FailureKind.FORBIDDEN: (
            f"Discord refused the {action.noun}: Guard’s role is too low or lacks the permission. {nothing} "
            "Move Guard’s role higher or give the permission back, then ask again."
        ),
        FailureKind.NO_ACCESS: f"Guard has no access to this server any more. {nothing} Invite Guard again.",
        FailureKind.INVALID: f"Discord did not accept the {action.noun}: {error.text}. {nothing}",
        FailureKind.TOKEN: f"Discord no longer knows Guard’s token. {nothing} The operator must set a new one.",
        FailureKind.REFUSED: (
            f"Discord refused the {action.noun} ({error.status}, {error.code}: {error.text}). {nothing}"
        ),
    }
    return Failure(kind=kind, sentence=sentences[kind], code=error.code)


def gone(action: Action, target_name: str) -> Failure:
    """The target left by themselves before an act that never reached them."""
    return Failure(kind=FailureKind.TARGET_GONE, sentence=_left(action, target_name))


def _left(action: Action, target_name: str) -> str:
    return f"{target_name} left the server before Guard could {action.verb} them. Nothing was done."


def half_done(target_name: str, error: DiscordRefused) -> Failure:
    """A softban whose ban Discord did not let Guard lift again."""
    return Failure(
        kind=FailureKind.HALF_DONE,
        sentence=(
            f"{target_name} was banned and their messages were deleted, but Discord refused to lift the ban "
            f"({error.status}, {error.code}: {error.text}). They are still banned: unban them once Guard may ban again."
        ),
        code=error.code,
    )


def half_set(target_name: str, error: DiscordRefused) -> Failure:
    """A lockdown of which Discord took only the first half."""
    return Failure(
        kind=FailureKind.HALF_DONE,
        sentence=(
            f"The verification level of {target_name} was set, but Discord refused to change the pauses of invites and "
            f"DMs ({error.status}, {error.code}: {error.text}). Look at the server's safety settings in Discord."
        ),
        code=error.code,
    )


def half_purged(deleted: int, error: DiscordRefused) -> Failure:
    """A purge that Discord stopped in the middle."""
    return Failure(
        kind=FailureKind.HALF_DONE,
        sentence=(
            f"{deleted} messages were deleted, then Discord refused ({error.status}, {error.code}: {error.text}). "
            "Give Guard access to the channel and Manage Messages, then ask again for the rest."
        ),
        code=error.code,
    )


def nothing_to_purge(target_name: str) -> Failure:
    """No message was there that could be deleted."""
    return Failure(
        kind=FailureKind.NOTHING_THERE,
        sentence=(
            f"There was no message of {target_name} to delete: pinned ones stay, and Discord deletes none that are "
            "older than 14 days at once."
        ),
    )


def already_banned(target_name: str) -> Failure:
    """A mass ban met somebody whom another ban keeps out: that ban stands as it is."""
    sentence = f"{target_name} is banned already. That ban stands as it is; nothing was changed."
    return Failure(kind=FailureKind.ALREADY_BANNED, sentence=sentence)


def unconfirmed(action: Action, target_name: str) -> Failure:
    """The call left, no usable answer came, and looking at Discord did not settle it either."""
    return Failure(
        kind=FailureKind.UNCONFIRMED,
        sentence=(
            f"Discord did not answer the {action.noun}, so it is not known whether it happened. "
            f"Look at {target_name} in Discord before asking again."
        ),
    )
