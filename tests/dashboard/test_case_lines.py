"""A line of the case list is drawn once for everybody: nothing of whoever looks may be in it."""

from __future__ import annotations

import re

from jinja2 import nodes

from kovra.actions.request import Action

#: What a line may ask for beside its row: addresses of our own files and of Discord's pictures.
SAME_FOR_ALL = {"avatar_url"}


def asked_for(env, file, name, seen):
    """The names that a macro, and the macros that it calls, take from outside."""
    if (file, name) in seen:
        return set()
    seen.add((file, name))
    tree = env.parse(env.loader.get_source(env, f"{file}.html")[0])
    others = {one.target: one.template.value.removesuffix(".html") for one in tree.find_all(nodes.Import)}
    assert not [one for one in tree.find_all(nodes.Import) if one.with_context and name == "case_row"]
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


def test_a_line_asks_for_nothing_but_its_row(site):
    assert asked_for(site.app.jinja_env, "case_row", "case_row", set()) == SAME_FOR_ALL


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
