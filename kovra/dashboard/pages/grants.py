"""Who may do what: what roles and people have by Discord's permissions, and what admins give them beside these."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, request, url_for
from marshmallow import fields
from werkzeug.wrappers import Response

from kovra.actions.capabilities import GIVEN_BY, Capability, Limit, permission_names
from kovra.actions.presets import PRESETS
from kovra.dashboard import settings_words as words
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.head_first import head_first
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.services import services
from kovra.dashboard.settings_form import kept, section, seen_by, typed
from kovra.ids import UserId
from kovra.live.events import HintKind
from kovra.store.grants import Granted, PersonGrants, RoleGrants
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
#: For how long something is given to a person, in seconds, as the field says it.
TERMS = {"86400": "for a day", "604800": "for 7 days", "2592000": "for 30 days", "": "until it is taken away"}
#: What they have ends when it did before; what is new does not end.
AS_BEFORE = "before"
#: So many people are shown of those whom a search finds.
FOUND_AT_MOST = 8
_SENT = ("role", "person", "term", "mute_longest", *(one.value for one in OFFERED))

grants = Blueprint("grants", __name__)

Holder = RoleGrants | PersonGrants


@dataclass(frozen=True, kw_only=True)
class Box:
    """One capability of somebody as the form draws it. ``fixed`` says why it cannot be ticked or unticked here."""

    capability: Capability
    covers: str
    ticked: bool
    fixed: str
    ends_at: datetime | None


@grants.get("/g/<int:guild_id>/settings/access")
@policy(in_guild(Capability.SETTINGS))
@head_first
def access(guild_id: int) -> Response:
    """All roles and people, or one of them with what they are given."""
    role, person = request.args.get("role", ""), request.args.get("person", "")
    if not role and not person:
        return section("access", _everybody(request.args.get("find", "").strip()))
    holder, preset = _holder(role, person), PRESETS.get(request.args.get("preset", ""))
    return section("access", _form(holder, holder.granted if preset is None else {**holder.granted, **preset}))


@grants.post("/g/<int:guild_id>/settings/access")
@policy(in_guild(Capability.SETTINGS))
def keep(guild_id: int) -> Response:
    """Keep what one role or person is given, all or none; whoever has it is held to it at once."""
    known, viewer = services(), scope()
    sent = typed({name: fields.String(load_default="") for name in _SENT})
    holder = _holder(sent["role"], sent["person"])
    wanted, still = _read(viewer, holder, sent), seen_by(sent, words.granted)
    problems: Problems
    if isinstance(holder, RoleGrants):
        problems = known.grants.change(viewer, holder.role_id, wanted, still)
    else:
        lasts = timedelta(seconds=int(sent["term"])) if sent["term"] in TERMS and sent["term"] else None
        as_before = sent["term"] == AS_BEFORE
        problems = known.grants.change_person(viewer, holder.user_id, wanted, lasts, still, keep_ends=as_before)
    if problems:
        return section("access", _form(_holder(sent["role"], sent["person"]), wanted, sent["term"]), problems)
    # What they may do has changed: open pages look again, and streams end whose viewers may no longer see them.
    known.submit.bulletin.ring(viewer.guild_id)
    if isinstance(holder, RoleGrants):
        known.submit.bulletin.hint(viewer.guild_id, HintKind.ROLE_UPDATED, {"role_id": holder.role_id})
        return kept("access", role=str(holder.role_id))
    known.submit.bulletin.hint(viewer.guild_id, HintKind.MEMBER_UPDATED, {"user_id": holder.user_id})
    return kept("access", person=str(holder.user_id)) if wanted else kept("access")


def _everybody(find: str) -> Mapping[str, Any]:
    """All roles, all people who are given something, and whom a search has found."""
    known, viewer = services(), scope()
    found = known.members.find(viewer, find, FOUND_AT_MOST) if find else ()
    return {
        "roles": known.grants.roles(viewer),
        "people": known.grants.people(viewer),
        "holder": None,
        "words": _offered,
        "find": find,
        "found": found,
    }


def _offered(capabilities: Collection[Capability]) -> str:
    return words.given([one for one in OFFERED if one in capabilities])


def _holder(role: str, person: str) -> Holder:
    known, viewer = services(), scope()
    found: Holder | None = None
    if role:
        found = next((one for one in known.grants.roles(viewer) if str(one.role_id) == role), None)
    elif person.isascii() and person.isdigit() and len(person) < 20:
        found = known.grants.person(viewer, UserId(int(person)))
    if found is None:
        raise NoSuchPage
    return found


def _read(viewer: GuildScope, holder: Holder, sent: Mapping[str, str]) -> dict[Capability, Limit]:
    """What the form asks for. What its writer could not tick stays as it is."""
    wanted: dict[Capability, Limit] = {}
    for one in Capability:
        before = holder.granted.get(one)
        if one not in OFFERED or one in holder.by_discord or not viewer.may(one):
            if before is not None:
                wanted[one] = before
        elif sent[one.value]:
            wanted[one] = _limit(sent["mute_longest"], before) if one is Capability.MUTE else before or Limit()
    return wanted


def _limit(text: str, before: Limit | None) -> Limit:
    if before is not None and text == str(before.longest_s or ""):
        return before
    return Limit(longest_s=int(text) if text in MUTE_LIMITS and text else None)


def _form(holder: Holder, wanted: Granted, term: str | None = None) -> Mapping[str, Any]:
    mute = wanted.get(Capability.MUTE)
    longest = str(mute.longest_s or "") if mute else ""
    limits = MUTE_LIMITS if longest in MUTE_LIMITS else {**MUTE_LIMITS, longest: f"at most {int(longest) // 3600} h"}
    named = (
        {"role": holder.role_id, "person": None}
        if isinstance(holder, RoleGrants)
        else {"role": None, "person": holder.user_id}
    )
    terms = {AS_BEFORE: "as before; what is new does not end", **TERMS} if holder.granted else TERMS
    return {
        "holder": holder,
        "named": named,
        "own": named["person"] == scope().viewer.user_id,
        "boxes": _boxes(scope(), holder, wanted),
        "mute_longest": longest,
        "mute_limits": limits,
        "terms": terms,
        "term": term if term in terms else AS_BEFORE if holder.granted else "604800",
        "presets": [
            (name, url_for("grants.access", guild_id=scope().guild_id, **named, preset=name)) for name in PRESETS
        ],
        "unsaved": wanted != holder.granted,
        "seen": words.fingerprint(words.granted(holder.granted)),
    }


def _boxes(viewer: GuildScope, holder: Holder, wanted: Granted) -> Sequence[Box]:
    def fixed(one: Capability) -> str:
        if one in holder.by_discord:
            needed = GIVEN_BY.get(one)
            return f"by Discord: {permission_names(needed)}" if needed else "by Discord"
        return "" if viewer.may(one) else "you lack it yourself"

    ends = holder.ends if isinstance(holder, PersonGrants) else {}
    return [
        Box(
            capability=one,
            covers=words.COVERS[one],
            ticked=one in holder.by_discord or one in (wanted if viewer.may(one) else holder.granted),
            fixed=fixed(one),
            ends_at=ends.get(one),
        )
        for one in OFFERED
    ]
