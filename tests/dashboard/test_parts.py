"""What is drawn once for everybody asks nothing of whoever looks, and templates find it drawn."""

from __future__ import annotations

import pytest
from jinja2 import nodes

from kovra.dashboard import parts

#: What pages of cases and people are drawn from.
_OFTEN = ("base", "shell", "cases_list", "cases_filters", "case_sheet", "case_evidence", "case_comment")
_OFTEN += ("palette_found", "profile_now", "profile_links")


def _macros(env):
    tree = env.parse(env.loader.get_source(env, "parts.html")[0])
    return {one.name: one for one in tree.find_all(nodes.Macro)}


@pytest.mark.parametrize("name", parts.PURE)
def test_what_is_kept_asks_for_nothing_but_what_it_is_called_with(site, name):
    macros = _macros(site.app.jinja_env)
    asked, seen = [name], set()
    while asked:
        macro = macros[asked.pop()]
        seen.add(macro.name)
        names = {one.name for one in macro.find_all(nodes.Name)} - {one.name for one in macro.args}
        asked += [one for one in names & macros.keys() if one not in seen]
        assert names - macros.keys() <= {"asset"}
        assert not {one.name for one in macro.find_all(nodes.Filter)} & {"as_engraved", "ago", "left"}


def test_a_part_is_drawn_once_and_escaped_as_ever(site):
    drawn = site.app.jinja_env.from_string('{% import "parts.html" as parts %}{{ parts.icon(name) }}')

    with site.app.test_request_context("/"):
        once, again = drawn.render(name="a<b"), drawn.render(name="a<b")

    assert once == again
    assert "#i-a&lt;b" in once
    assert site.app.jinja_env.get_template("parts.html").module.icon.cache_info().hits >= 1


@pytest.mark.parametrize("name", _OFTEN)
def test_what_is_drawn_often_imports_without_context(site, name):
    """With it the imported file is run again for each page, and nothing of it is kept."""
    env = site.app.jinja_env
    imports = list(env.parse(env.loader.get_source(env, f"{name}.html")[0]).find_all(nodes.Import))

    assert imports
    assert not any(one.with_context for one in imports)
