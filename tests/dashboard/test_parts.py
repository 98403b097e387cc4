"""What is drawn once for everybody asks nothing of whoever looks, and templates find it drawn."""

from __future__ import annotations

import pytest
from jinja2 import nodes

from kovra.dashboard import parts

#: Files of macros that ask for nothing of the page they are drawn in.
_OF_NO_PAGE = {"parts.html", "hx.html", "charts.html", "settings_form.html"}


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
        assert names - macros.keys() <= {"asset", "icon_paths"}
        assert not {one.name for one in macro.find_all(nodes.Filter)} & {"as_engraved", "ago", "left"}


def test_a_part_is_drawn_once_and_escaped_as_ever(site):
    drawn = site.app.jinja_env.from_string('{% import "parts.html" as parts %}{{ parts.icon("x", name) }}')

    with site.app.test_request_context("/"):
        once, again = drawn.render(name="a<b"), drawn.render(name="a<b")

    assert once == again
    assert 'class="i a&lt;b"' in once
    assert site.app.jinja_env.get_template("parts.html").module.icon.cache_info().hits >= 1


def test_what_asks_nothing_of_the_page_is_imported_without_its_context(site):
    """With it the imported file is run again for each import of each page, and nothing of it is kept."""
    env = site.app.jinja_env
    imports = [
        (name, one.template.value)
        for name in env.list_templates(extensions=["html"])
        for one in env.parse(env.loader.get_source(env, name)[0]).find_all((nodes.Import, nodes.FromImport))
        if one.with_context
    ]

    assert [(name, imported) for name, imported in imports if imported in _OF_NO_PAGE] == []
