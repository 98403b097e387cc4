"""The command palette: a member by name or id, a case by number, a page, an action with its target, or what one did
lately. It answers with options; the page moves between them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template, request, url_for

from kovra.actions.capabilities import NEEDS, Capability
from kovra.actions.request import Action
from kovra.dashboard import wording
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.act_choices import ASKABLE, QUICK, On, on_of
from kovra.dashboard.draft import choices_for
from kovra.dashboard.pages.act import person_of
from kovra.dashboard.services import services
from kovra.dashboard.shell import places
from kovra.store.case_rows import CaseRow
from kovra.store.guilds import GuildScope
from kovra.store.members import MemberCard

MEMBERS, CASES, RECENT = 6, 3, 5
LONGEST = 100

#: Single keys in the pane of a member.
KEYS = {Action.WARN: "W", Action.MUTE: "M", Action.BAN: "B", Action.NOTE: "N", Action.KICK: "K"}

_CASE = re.compile(r"(?:case\s+|#)?#?(\d{1,12})", re.IGNORECASE)

palette = Blueprint("palette", __name__)


@dataclass(frozen=True, kw_only=True)
class Option:
    """One line. It leads to an address, or opens the action dialog for ``action`` and ``member``."""

    title: str
    text: str = ""
    icon: str = ""
    href: str | None = None
    action: Action | None = None
    member: MemberCard | None = None
    case_no: int | None = None
    keys: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    name: str
    options: Sequence[Option]


@palette.get("/g/<int:guild_id>/palette")
@policy(in_guild(Capability.VIEW))
def find(guild_id: int) -> str:
    """The options for what was typed, in groups, the likeliest first."""
    viewer, asked = scope(), request.args.get("q", "")
    typed = asked.strip()[:LONGEST]
    groups = _groups(viewer, typed)
    members = [option.member for group in groups for option in group.options if option.member]
    return render_template(
        "palette_found.html",
        scope=viewer,
        asked=asked,
        typed=typed,
        groups=[group for group in groups if group.options],
        offers={one.user_id: [act for act in choices_for(viewer, one) if act in QUICK] for one in members},
        keys=KEYS,
    )


def _groups(viewer: GuildScope, typed: str) -> list[Group]:
    if not typed:
        return [Group(name="Recent", options=_recent(viewer)), Group(name="Go to", options=_places(viewer, ""))]
    if typed.startswith(">"):
        wanted = typed[1:].strip()
        return [
            Group(name="Actions", options=_bare_actions(viewer, wanted)),
            Group(name="Go to", options=_places(viewer, wanted)),
        ]
    cases = _numbered(viewer, typed)
    if typed.startswith("#") or typed.lower().startswith("case "):
        return [Group(name="Cases", options=cases)]
    acts = _actions(viewer, typed)
    found = [] if acts else services().members.find(viewer, typed, MEMBERS)
    if not found and not acts and (stranger := person_of(viewer, typed)) is not None:
        found = [stranger]
    if len(found) == 1 or (found and found[0].name.casefold() == typed.casefold()):
        cases = [*cases, *_cases_of(viewer, found[0])]
    return [
        Group(name="Actions", options=acts),
        Group(name="Members", options=[_member(viewer, card) for card in found]),
        Group(name="Cases", options=cases),
        Group(name="Go to", options=_places(viewer, typed)),
    ]


def _member(viewer: GuildScope, card: MemberCard) -> Option:
    known = [f"was {card.formerly}"] if card.formerly else []
    known += [card.username] if card.username else []
    # Whom nobody here knows has no profile; something can be done to them all the same.
    met = card.member or card.banned or card.case_count or card.username
    href = url_for("profile.page", guild_id=viewer.guild_id, user_id=card.user_id) if met else None
    return Option(title=card.name, text=" · ".join([*known, wording.membership(card)]), member=card, href=href)


def _numbered(viewer: GuildScope, typed: str) -> list[Option]:
    number = _CASE.fullmatch(typed)
    row = services().cases.row(viewer, int(number[1])) if number else None
    return [_case(viewer, row)] if row else []


def _cases_of(viewer: GuildScope, card: MemberCard) -> list[Option]:
    return [_case(viewer, row) for row in services().cases.earlier(viewer, card.user_id, None, CASES)]


def _case(viewer: GuildScope, row: CaseRow) -> Option:
    return Option(
        title=f"{wording.action_label(row.action)} · {row.target_name}",
        text=row.reason,
        icon=wording.action_icon(row.action),
        href=url_for("cases.index", guild_id=viewer.guild_id, case=row.case_no),
        case_no=row.case_no,
    )


def _actions(viewer: GuildScope, typed: str) -> list[Option]:
    """ "ban quil": an action and whom; nothing when the first word is no action one may ask for."""
    word, _, whom = typed.partition(" ")
    action = next((one for one in _allowed(viewer) if one.value == word.casefold()), None)
    if action is None:
        return []
    if on_of(action) is not On.MEMBER:
        return [_bare(action)]
    whom = whom.strip()
    found = services().members.find(viewer, whom, MEMBERS) if whom else []
    if not found and (stranger := person_of(viewer, whom)) is not None:
        found = [stranger]
    if not found:
        return [_bare(action)]
    label = wording.action_label(action)
    return [
        Option(
            title=f"{label} {card.name}",
            text=wording.membership(card),
            icon=wording.action_icon(action),
            action=action,
            member=card,
        )
        for card in found
    ]


def _bare_actions(viewer: GuildScope, wanted: str) -> list[Option]:
    return [_bare(action) for action in _allowed(viewer) if action.noun.startswith(wanted.casefold())]


def _bare(action: Action) -> Option:
    whom = {On.MEMBER: " a member", On.CHANNEL: " a channel", On.SERVER: ""}[on_of(action)]
    return Option(title=f"{wording.action_label(action)}{whom}", icon=wording.action_icon(action), action=action)


def _allowed(viewer: GuildScope) -> list[Action]:
    return [action for action in ASKABLE if viewer.may(NEEDS[action])]


def _places(viewer: GuildScope, wanted: str) -> list[Option]:
    return [
        Option(
            title=place.label,
            icon=place.icon,
            href=url_for(place.endpoint, guild_id=viewer.guild_id),
            keys=("G", place.key.upper()),
        )
        for place in places(viewer)
        if any(word.startswith(wanted.casefold()) for word in (place.label.casefold(), *place.label.casefold().split()))
    ]


def _recent(viewer: GuildScope) -> list[Option]:
    """Whom one acted on lately."""
    return [_member(viewer, card) for card in services().members.lately_acted_on(viewer, RECENT)]
