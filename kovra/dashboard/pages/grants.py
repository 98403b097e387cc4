"""Who may do what: what each role has by its Discord permissions, and what admins give to it beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, request, url_for
from marshmallow import fields
from werkzeug.wrappers import Response

from kovra.actions.capabilities import GIVEN_BY, Capability, Limit, permission_names
from kovra.actions.presets import PRESETS
from kovra.dashboard import settings_words as words
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.services import services
from kovra.dashboard.settings_form import kept, section, seen_by, typed
from kovra.live.events import HintKind
from kovra.store.grants import Granted, RoleGrants
from kovra.store.guilds import GuildScope
from kovra.store.settings import Problems

#: What nothing in Kovra asks for yet is not offered.
OFFERED = tuple(
    one
    for one in Capability
    if one not in (Capability.INBOX, Capability.APPEALS, Capability.AUTOMOD, Capability.ANTINUKE)
)
#: The longest mute that may be given, in seconds, as the field says it.
MUTE_LIMITS = {"": "of any length", "3600": "at most 1 h", "86400": "at most 24 h", "604800": "at most 7 days"}
_SENT = ("role", "mute_longest", *(one.value for one in OFFERED))

grants = Blueprint("grants", __name__)


@dataclass(frozen=True, kw_only=True)
class Box:
    """One capability of a role as the form draws it. ``fixed`` says why it cannot be ticked or unticked here."""

    capability: Capability
    covers: str
    ticked: bool
    fixed: str


@grants.get("/g/<int:guild_id>/settings/access")
@policy(in_guild(Capability.SETTINGS))
def access(guild_id: int) -> Response:
    """All roles, or one of them with what it is given."""
    wanted = request.args.get("role", "")
    if not wanted:
        return section("access", {"roles": services().grants.roles(scope()), "role": None, "words": _offered})
    role, preset = _role(wanted), PRESETS.get(request.args.get("preset", ""))
    return section("access", _form(role, role.granted if preset is None else {**role.granted, **preset}))


@grants.post("/g/<int:guild_id>/settings/access")
@policy(in_guild(Capability.SETTINGS))
def keep(guild_id: int) -> Response:
    """Keep what one role is given, all or none; whoever has it is held to it at once."""
    known, viewer = services(), scope()
    sent = typed({name: fields.String(load_default="") for name in _SENT})
    role = _role(sent["role"])
    wanted = _read(viewer, role, sent)
    problems: Problems = known.grants.change(viewer, role.role_id, wanted, seen_by(sent, words.granted))
    if problems:
        return section("access", _form(_role(sent["role"]), wanted), problems)
    # What a role means has changed: open pages look again, and streams end whose viewers may no longer see them.
    known.submit.bulletin.ring(viewer.guild_id)
    known.submit.bulletin.hint(viewer.guild_id, HintKind.ROLE_UPDATED, {"role_id": role.role_id})
    return kept("access", role=str(role.role_id))


def _offered(capabilities: Collection[Capability]) -> str:
    return words.given([one for one in OFFERED if one in capabilities])


def _role(text: str) -> RoleGrants:
    found = next((role for role in services().grants.roles(scope()) if str(role.role_id) == text), None)
    if found is None:
        raise NoSuchPage
    return found


def _read(viewer: GuildScope, role: RoleGrants, sent: Mapping[str, str]) -> dict[Capability, Limit]:
    """What the form asks for. What its writer could not tick stays as it is."""
    wanted: dict[Capability, Limit] = {}
    for one in Capability:
        before = role.granted.get(one)
        if one not in OFFERED or one in role.by_discord or not viewer.may(one):
            if before is not None:
                wanted[one] = before
        elif sent[one.value]:
            wanted[one] = _limit(sent["mute_longest"], before) if one is Capability.MUTE else before or Limit()
    return wanted


def _limit(text: str, before: Limit | None) -> Limit:
    if before is not None and text == str(before.longest_s or ""):
        return before
    return Limit(longest_s=int(text) if text in MUTE_LIMITS and text else None)


def _form(role: RoleGrants, wanted: Granted) -> Mapping[str, Any]:
    mute = wanted.get(Capability.MUTE)
    longest = str(mute.longest_s or "") if mute else ""
    limits = MUTE_LIMITS if longest in MUTE_LIMITS else {**MUTE_LIMITS, longest: f"at most {int(longest) // 3600} h"}
    address = {"guild_id": scope().guild_id, "role": role.role_id}
    return {
        "role": role,
        "boxes": _boxes(scope(), role, wanted),
        "mute_longest": longest,
        "mute_limits": limits,
        "presets": [(name, url_for("grants.access", **address, preset=name)) for name in PRESETS],
        "unsaved": wanted != role.granted,
        "seen": words.fingerprint(words.granted(role.granted)),
    }


def _boxes(viewer: GuildScope, role: RoleGrants, wanted: Granted) -> Sequence[Box]:
    def fixed(one: Capability) -> str:
        if one in role.by_discord:
            needed = GIVEN_BY.get(one)
            return f"by Discord: {permission_names(needed)}" if needed else "by Discord"
        return "" if viewer.may(one) else "you lack it yourself"

    return [
        Box(
            capability=one,
            covers=words.COVERS[one],
            ticked=one in role.by_discord or one in (wanted if viewer.may(one) else role.granted),
            fixed=fixed(one),
        )
        for one in OFFERED
    ]
