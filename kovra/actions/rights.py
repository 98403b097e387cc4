"""Who may do what to whom. One pure function, asked twice: when an action is requested and when it is executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from kovra.actions.capabilities import (
    ALL_PERMISSIONS,
    GIVEN_BY,
    GUARD_NEEDS,
    NEEDS,
    Capability,
    Limit,
    Person,
    capabilities,
    effective_permissions,
    permission_names,
)
from kovra.actions.request import BY_HAND, INVERSE, TO_CHANNELS, Action, ActionRequest, Refusal, RefusalKind
from kovra.ids import GuildId, RoleId, UserId

#: These act on a member only; a bare id can be banned, unbanned and noted, and a quarantine of who left be forgotten.
MEMBERS_ONLY = frozenset(
    {Action.SOFTBAN, Action.KICK, Action.MUTE, Action.UNMUTE, Action.WARN}
    | {Action.ROLE_ADD, Action.ROLE_REMOVE, Action.QUARANTINE}
)

#: These last, until the end they name or for good.
LASTING = frozenset({Action.BAN, Action.MUTE, Action.QUARANTINE, Action.LOCK, Action.SLOWMODE, Action.LOCKDOWN})

#: Discord's channel types in which people write and that can be locked or slowed: text, announcements, forums, media.
WRITTEN_IN = frozenset({0, 5, 15, 16})

#: Guard must outrank the target for these.
OUTRANKING = frozenset(
    {Action.BAN, Action.SOFTBAN, Action.KICK, Action.MUTE, Action.UNMUTE, Action.QUARANTINE, Action.UNQUARANTINE}
)


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role as the guild has it now. ``rank`` is its position; a ``managed`` one belongs to an integration."""

    role_id: RoleId
    name: str
    rank: int
    managed: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """A channel, or the server itself, as it is now. ``kind`` is Discord's channel type, None of a server."""

    name: str
    kind: int | None = None


@dataclass(frozen=True, kw_only=True)
class CaseSeen:
    """A case as it stands now.

    ``holds``: what it began is in force still; ``age_s``: how long ago it was written.
    """

    case_no: int
    action: Action
    target_id: UserId
    moderator_id: UserId
    age_s: int
    holds: bool = False
    voided: bool = False
    reversed_by: int | None = None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """All that rights are decided from: one guild's live state around one request.

    ``grants`` are what Kovra itself gave the moderator, beside what their Discord permissions give. ``end_stands``:
    the case whose end is being kept has not been lifted or replaced since; only Guard's own requests ask that.
    ``role``, ``case``, ``place``: those that the request names; None when it names none, or the guild has none such.
    """

    guild_id: GuildId
    owner_id: UserId
    guard: Person
    moderator: Person
    target: Person
    grants: Mapping[Capability, Limit] = field(default_factory=dict)
    end_stands: bool = True
    role: Role | None = None
    case: CaseSeen | None = None
    place: Place | None = None


def check(request: ActionRequest, standing: Standing) -> Refusal | None:
    """Decide whether a request may run now.

    Returns:
        ``None`` when it may, else the first reason why not. Actions without a moderator (``native``, ``system``, …)
        are measured by Guard's rank and permissions alone.
    """
    about = _about_place if request.of_place else about_target
    checks = [_about_end(request, standing), _about_reversal(request, standing), about(request, standing)]
    if request.source in BY_HAND:
        checks += [_about_moderator(request, standing)]
    checks += [_about_membership(request, standing), _about_role(request, standing), about_guard(request, standing)]
    return next((refusal for refusal in checks if refusal), None)


def looks_around(request: ActionRequest) -> bool:
    """Whether more must be seen than who is who: the role, the case or the channel that the request names."""
    return request.of_place or not request.params.keys().isdisjoint({"role_id", "case_no", "reverses"})


def job_needs(request: ActionRequest) -> tuple[Capability, ...]:
    """What a request of a job takes beside its action's own capability: to release somebody's rest is to approve it."""
    if request.batch_id is None:
        return ()
    return (Capability.MASS,) if request.releases is None else (Capability.APPROVE,)


def superseded(case_no: int | None) -> Refusal:
    """The refusal of a request that keeps an end which is no longer wanted."""
    return _no(
        RefusalKind.SUPERSEDED,
        f"Case #{case_no} does not end by itself any more: someone has lifted or replaced it since. Nothing was done.",
    )


def _about_end(request: ActionRequest, standing: Standing) -> Refusal | None:
    return superseded(request.for_case) if request.for_case is not None and not standing.end_stands else None


def _about_reversal(request: ActionRequest, standing: Standing) -> Refusal | None:
    """A case is taken back by its opposite, once, while it holds."""
    if request.reverses is None:
        return None
    case, which = standing.case, f"Case #{request.reverses}"
    if case is None or case.target_id != request.target_id or INVERSE.get(case.action) is not request.action:
        return _no(RefusalKind.CASE_UNKNOWN, f"{which} is none that a {request.action.noun} of this person takes back.")
    if case.reversed_by is not None:
        return _no(RefusalKind.REVERSED, f"{which} was taken back already, by case #{case.reversed_by}.")
    if case.action in LASTING and not case.holds:
        return _no(RefusalKind.REVERSED, f"{which} is over: there is nothing to take back.")
    return None


def _about_place(request: ActionRequest, standing: Standing) -> Refusal | None:
    place = standing.place
    if place is None:
        return _no(RefusalKind.CHANNEL_UNKNOWN, "This server has no such channel. Choose another one.")
    if request.action in TO_CHANNELS and place.kind not in WRITTEN_IN:
        return _no(
            RefusalKind.CHANNEL_UNKNOWN,
            f"{place.name} is no channel to {request.action.verb}: only text channels, announcements and forums are.",
        )
    return None


def about_target(request: ActionRequest, standing: Standing) -> Refusal | None:
    verb, target = request.action.verb, standing.target
    if target.user_id == request.moderator_id:
        return _no(RefusalKind.SELF, f"You cannot {verb} yourself.")
    if target.user_id == standing.guard.user_id:
        return _no(RefusalKind.GUARD, f"Guard cannot {verb} itself.")
    if target.user_id == standing.owner_id:
        return _no(RefusalKind.OWNER, f"{target.name} owns this server. Nobody can {verb} the owner.")
    if request.action is Action.WARN and target.bot:
        return _no(RefusalKind.BOT_TARGET, f"{target.name} is a bot and cannot read a warning. Add a note instead.")
    return None


def _about_moderator(request: ActionRequest, standing: Standing) -> Refusal | None:
    verb, moderator = request.action.verb, standing.moderator
    if not moderator.member:
        return _no(RefusalKind.NO_LONGER_MEMBER, "You are no longer a member of this server.")
    held, needed = capabilities(moderator, standing.owner_id, standing.grants), NEEDS[request.action]
    for wanted in (needed, *job_needs(request)):
        if wanted not in held:
            return _no(
                RefusalKind.NO_CAPABILITY,
                f"You may not {request.action.doing} here: it takes the capability “{wanted}”, which comes with "
                f"{permission_names(GIVEN_BY[wanted])} in Discord. Ask an admin of this server.",
            )
    if request.over_message is not None and Capability.CHANNELS not in held:
        return _no(
            RefusalKind.NO_CAPABILITY,
            "You may not delete messages here: it takes the capability “channels”, which comes with "
            f"{permission_names(GIVEN_BY[Capability.CHANNELS])} in Discord. Nothing was done; ask again and leave the "
            "message where it is.",
        )
    longest_s = held[needed].longest_s
    # What is asked for without an end lasts longer than any limit.
    if request.action in LASTING and (refusal := too_long(verb, longest_s, request.params.get("duration_s", inf))):
        return refusal
    return outranked(verb, standing)


def too_long(verb: str, longest_s: int | None, wanted_s: float) -> Refusal | None:
    """Whether somebody's capability reaches as far as what they ask for."""
    if longest_s is None or wanted_s <= longest_s:
        return None
    most = f"{longest_s // 3600} h" if longest_s >= 3600 else f"{longest_s // 60} min"
    return _no(RefusalKind.CAPABILITY_LIMIT, f"You may {verb} for at most {most}. Choose a shorter time.")


def outranked(verb: str, standing: Standing) -> Refusal | None:
    """Whether the target stands level with the moderator, or above them."""
    moderator, target = standing.moderator, standing.target
    if moderator.user_id == standing.owner_id or not target.member or target.rank < moderator.rank:
        return None
    return _no(
        RefusalKind.OUTRANKED,
        f"{target.name} is not below you: their highest role is level with or above yours. "
        f"Someone with a higher role can {verb} them.",
    )


def _about_membership(request: ActionRequest, standing: Standing) -> Refusal | None:
    if request.action in MEMBERS_ONLY and not standing.target.member:
        return _no(
            RefusalKind.NOT_A_MEMBER,
            f"{standing.target.name} is not a member of this server, so there is nobody to {request.action.verb}.",
        )
    return None


def _about_role(request: ActionRequest, standing: Standing) -> Refusal | None:
    """A role is given and taken by those above it, Guard among them; those of bots and of boosts by nobody."""
    if "role_id" not in request.params:
        return None
    role, moderator = standing.role, standing.moderator
    if role is None or role.role_id == request.guild_id:
        return _no(RefusalKind.ROLE_UNKNOWN, "This server has no such role to give or take. Choose another one.")
    if role.managed:
        return _no(
            RefusalKind.ROLE_OUT_OF_REACH,
            f"The role {role.name} belongs to a bot, a boost or a subscription: Discord alone gives and takes it.",
        )
    if role.rank >= standing.guard.rank:
        return _no(
            RefusalKind.ROLE_OUT_OF_REACH,
            f"The role {role.name} is not below Guard’s, so Discord would refuse. "
            "Move Guard’s role higher in Discord’s role list.",
        )
    by_hand = request.source in BY_HAND and moderator.user_id != standing.owner_id
    if by_hand and role.rank >= moderator.rank:
        return _no(
            RefusalKind.ROLE_OUT_OF_REACH,
            f"The role {role.name} is not below your highest role, so it is not yours to give or take.",
        )
    return None


def about_guard(request: ActionRequest, standing: Standing) -> Refusal | None:
    doing, guard, target = request.action.doing, standing.guard, standing.target
    if not guard.member:
        return _no(RefusalKind.GUARD_ABSENT, "Guard is not in this server. Invite it again to act here.")
    bits, needed = effective_permissions(guard, standing.owner_id), GUARD_NEEDS.get(request.action)
    if needed and bits & needed.value != needed.value:
        return _no(
            RefusalKind.GUARD_PERMISSION,
            f"Guard may not {doing} here: its role lacks {permission_names(needed)}. Give it back in Discord.",
        )
    if request.action not in OUTRANKING or not target.member:
        return None
    if target.rank >= guard.rank:
        return _no(
            RefusalKind.GUARD_OUTRANKED,
            f"Guard’s role is not above {target.name}’s, so Discord would refuse. "
            "Move Guard’s role higher in Discord’s role list.",
        )
    if request.action is Action.MUTE and effective_permissions(target, standing.owner_id) == ALL_PERMISSIONS:
        return _no(
            RefusalKind.TARGET_ADMINISTRATOR,
            f"{target.name} is an administrator, and Discord does not let anyone mute administrators.",
        )
    return None


def _no(kind: RefusalKind, sentence: str) -> Refusal:
    return Refusal(kind=kind, sentence=sentence)
