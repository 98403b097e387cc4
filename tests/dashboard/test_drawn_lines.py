"""Lines of lists are drawn once for everybody: nothing of whoever looks may be in them that is not handed in."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import nodes

from kovra.actions.request import Action
from kovra.store.mirror import BanRow
from tests.dashboard.people import member

#: The files of lines, and the macros that draw them.
LINES = {"case_row": "case_row", "members_row": "member_row", "bans_row": "ban_row"}
#: What a line may ask for beside its row: addresses of our own files and of Discord's pictures, and the icons' paths.
SAME_FOR_ALL = {"avatar_url", "icon_paths"}


def asked_for(env, file, name, seen):
    """The names that a macro, and the macros that it calls, take from outside."""
    if (file, name) in seen:
        return set()
    seen.add((file, name))
    tree = env.parse(env.loader.get_source(env, f"{file}.html")[0])
    others = {one.target: one.template.value.removesuffix(".html") for one in tree.find_all(nodes.Import)}
    assert not [one for one in tree.find_all(nodes.Import) if one.with_context and name in LINES.values()]
    macros = {one.name: one for one in tree.find_all(nodes.Macro)}
    names, inside = list(macros[name].find_all(nodes.Name)), {one.name for one in macros[name].args}
    inside |= {one.name for one in names if one.ctx in ("store", "param")} | {"loop"}
    outside = {one.name for one in names} - inside
    for call in macros[name].find_all(nodes.Getattr):
        if isinstance(call.node, nodes.Name) and call.node.name in others:
            outside |= asked_for(env, others[call.node.name], call.attr, seen)
    for sibling in outside & macros.keys():
        outside |= asked_for(env, file, sibling, seen)
    return outside - macros.keys() - others.keys()


@pytest.mark.parametrize("file", LINES)
def test_a_line_asks_for_nothing_but_its_row(site, file):
    assert asked_for(site.app.jinja_env, file, LINES[file], set()) == SAME_FOR_ALL


def test_a_line_is_drawn_anew_when_what_may_be_done_or_the_time_is_another(site, cast, mirror):
    now = datetime.now(UTC)
    lately = member(cast.stranger, "latecomer", joined_at=now, timed_out_until=now + timedelta(seconds=30))
    mirror.member(cast.harbour, lately)
    moderator, trial = site.signed_in(cast.moderator), site.signed_in(cast.trial)
    row = f"/g/{cast.harbour}/members/{cast.stranger}/row"

    drawn = [who.fragment(row).get_data(as_text=True) for who in (moderator, trial)]
    mirror.member(cast.harbour, member(cast.stranger, "latecomer", joined_at=now, timed_out_until=now))
    drawn.append(moderator.fragment(row).get_data(as_text=True))

    assert ["Ban latecomer" in line for line in drawn] == [True, False, True]
    assert ["Muted, " in line for line in drawn] == [True, True, False]


def test_a_line_is_the_same_for_whoever_looks_however_they_look(site, cast, a_case):
    a_case(Action.WARN, reason="spam")
    owner, trial = site.signed_in(cast.owner), site.signed_in(cast.trial)
    trial.post("/theme", {"theme": "dark"})
    trial.post("/columns", {"shown": ["why"]})

    # The line of the open case is drawn anew each time.
    pages = [who.get(f"/g/{cast.harbour}/cases?case=1").get_data(as_text=True) for who in (owner, trial)]
    lines = [re.search(r'<tr role="row" id="case-1".*?</tr>', page, re.DOTALL)[0] for page in pages]
    # How long ago it was may be another second by then.
    lines = [re.sub(r"(<time[^>]*>)[^<]*", r"\1", line) for line in lines]

    assert 'data-hide="mod src dm when"' in pages[1]
    assert "data-hide" not in pages[0]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("page", ["cases", "members", "bans"])
def test_the_addresses_in_a_line_lead_somewhere(site, cast, mirror, a_case, page):
    a_case(Action.BAN, target=cast.stranger)
    nobody = {"global_name": None, "avatar": None, "bot": False, "reason": None}
    mirror.ban(cast.harbour, BanRow(user_id=cast.stranger, username="one", **nobody))
    who = site.signed_in(cast.admin)

    rows = who.fragment(f"/g/{cast.harbour}/{page}/list").get_data(as_text=True).split("<tr ")[2:]
    found = {address for row in rows for address in re.findall(r'(?:href|hx-get)="(/[^"]+)"', row)}
    answers = {address: who.fragment(address).status_code for address in found}

    assert len(answers) >= 2
    assert set(answers.values()) == {200}
