"""One person to a server: what was done to them, what holds, who they were and how they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request

from kovra.actions.rights import NEEDS, Capability
from kovra.dashboard.access import in_guild, policy, scope
from kovra.dashboard.draft import choices_for
from kovra.dashboard.problems import NoSuchPage
from kovra.dashboard.services import services
from kovra.dashboard.shell import Keys, seen_until, shell
from kovra.ids import UserId
from kovra.store.guilds import GuildScope

#: Cases on one page of the history.
CASES = 20

KEYS: tuple[Keys, ...] = (
    ("Member", (("Warn", ("W",)), ("Mute", ("M",)), ("Ban", ("B",)), ("Note", ("N",)), ("Copy ID", ("C",)))),
)

profile = Blueprint("profile", __name__)


@profile.get("/g/<int:guild_id>/members/<int:user_id>")
@policy(in_guild(Capability.VIEW))
def page(guild_id: int, user_id: int) -> str:
    """The whole page; also for somebody who is no member, when a ban or a case tells of them."""
    viewer = scope()
    since = seen_until(viewer)
    facts = _facts(viewer, user_id)
    return render_template("profile.html", **shell(viewer, since, "members", KEYS), **facts)


@profile.get("/g/<int:guild_id>/members/<int:user_id>/now")
@policy(in_guild(Capability.VIEW))
def now(guild_id: int, user_id: int) -> str:
    """Everything but the frame, after something about them has changed."""
    return render_template("profile_now.html", scope=scope(), **_facts(scope(), user_id))


def _facts(viewer: GuildScope, user_id: int) -> Mapping[str, Any]:
    known = services()
    card = known.members.card(viewer, UserId(user_id)) if user_id < 1 << 63 else None
    if card is None:
        raise NoSuchPage
    before = request.args.get("before", type=int)
    cases = known.cases.earlier(viewer, card.user_id, before if before and before < 1 << 62 else None, CASES + 1)
    return {
        "card": card,
        "cases": cases[:CASES],
        "older": cases[CASES - 1].case_no if len(cases) > CASES else None,
        "offers": [action for action in choices_for(viewer, card) if viewer.may(NEEDS[action])],
    }
