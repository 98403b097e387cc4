"""What may not stand in templates, scripts and styles, and what the third-party files must be."""

from __future__ import annotations

import hashlib
import re
import runpy
from pathlib import Path

import pytest

from kovra import dashboard

HOME = Path(dashboard.__file__).parent
TEMPLATES = sorted((HOME / "templates").rglob("*.html"))
SCRIPTS = sorted((HOME / "static").glob("*.js"))
STYLES = sorted((HOME / "static" / "css").glob("*.css"))

#: Ways around escaping or the content security policy, and what each would let in.
FORBIDDEN_IN_TEMPLATES = {
    r"\|\s*safe\b": "text that is not escaped",
    r"\bMarkup\b": "text that is not escaped",
    r"autoescape\s+false": "text that is not escaped",
    r"<style\b": "a style the policy refuses",
    r"\sstyle\s*=": "a style the policy refuses",
    r"<script(?![^>]*\bsrc=)": "a script the policy refuses",
    r"\son[a-z]+\s*=": "a handler the policy refuses",
    r"\bhx-on\b": "code in an attribute",
    r"hx-trigger=\"[^\"]*\[": "code in an attribute",
    r"hx-vals=[\"']js:": "code in an attribute",
    r"javascript:": "code in an address",
    r"https?://": "an address that is not ours or configured",
}
FORBIDDEN_IN_SCRIPTS = {
    r"\.innerHTML\b": "markup made of text",
    r"\bouterHTML\s*=": "markup made of text",
    r"insertAdjacentHTML": "markup made of text",
    r"document\.write": "markup made of text",
    r"\beval\s*\(": "code made of text",
    r"new Function": "code made of text",
    r"\.style\.": "a style beside the style sheets",
    r"setAttribute\(\s*[\"']on": "a handler made of text",
    r"javascript:": "code in an address",
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_nothing_that_the_policy_or_escaping_would_have_to_forgive(path):
    page = path.read_text(encoding="utf-8")

    found = [f"{pattern}: {why}" for pattern, why in FORBIDDEN_IN_TEMPLATES.items() if re.search(pattern, page)]

    assert found == []


def test_htmx_attributes_stand_in_macros_alone():
    own = {path.name for path in TEMPLATES if re.search(r"\b(data-)?hx-[a-z]", path.read_text(encoding="utf-8"))}

    assert own == {"hx.html"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_make_no_markup_of_text(path):
    script = path.read_text(encoding="utf-8")

    found = [f"{pattern}: {why}" for pattern, why in FORBIDDEN_IN_SCRIPTS.items() if re.search(pattern, script)]

    assert found == []


def test_python_makes_no_markup_of_text():
    for path in HOME.rglob("*.py"):
        assert not re.search(r"\bMarkup\(|render_template_string", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_styles_load_nothing_from_elsewhere(path):
    assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//", path.read_text(encoding="utf-8"))


def test_a_forbidden_construct_would_be_found():
    for pattern, example in {
        r"\|\s*safe\b": "{{ name|safe }}",
        r"\son[a-z]+\s*=": '<b onclick="x">',
        r"\sstyle\s*=": '<b style="x">',
        r"<script(?![^>]*\bsrc=)": "<script>x</script>",
        r"hx-trigger=\"[^\"]*\[": '<b hx-trigger="click[x]">',
    }.items():
        assert re.search(pattern, example)
        assert pattern in FORBIDDEN_IN_TEMPLATES


def test_every_icon_that_is_drawn_is_in_the_sprite():
    sprite = (HOME / "static" / "vendor" / "icons.svg").read_text(encoding="utf-8")
    known = set(re.findall(r'id="i-([a-z]+)"', sprite))
    sources = [path.read_text(encoding="utf-8") for path in [*TEMPLATES, *HOME.glob("*.py"), *HOME.glob("pages/*.py")]]
    drawn = set(re.findall(r'icon\("([a-z]+)"', "\n".join(sources)))
    drawn |= set(re.findall(r'icon="([a-z]+)"', "\n".join(sources)))
    from kovra.actions.request import Action, Source
    from kovra.dashboard import trace, wording
    from kovra.guard.case import NoticeStatus

    drawn |= {wording.action_icon(action) for action in Action} | {wording.source_icon(source) for source in Source}
    drawn |= {wording.notice_icon(status) for status in NoticeStatus} | {icon for icon, _ in trace._WORDS.values()}

    assert drawn - known == set()


def test_third_party_files_are_what_is_on_record():
    folder = HOME / "static" / "vendor"
    record = (folder / "VENDORED.md").read_text(encoding="utf-8")

    rows = re.findall(r"\| `([^`]+)` \|[^|]+\|[^|]+\| `([0-9a-f]{64})` \|", record)

    assert {name for name, _ in rows} == {
        path.name for path in folder.iterdir() if path.suffix in (".js", ".svg", ".woff2")
    }
    for name, digest in rows:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def test_the_styles_ask_for_the_letters_and_weights_that_the_font_was_cut_to():
    cut = runpy.run_path(str(HOME / "static" / "vendor" / "rebuild.py"))
    faces = re.findall(
        r"@font-face \{(.*?)\}", "\n".join(path.read_text(encoding="utf-8") for path in STYLES), re.DOTALL
    )
    said = {re.search(r"vendor/([^\"]+)", face)[1]: re.search(r"unicode-range: ([^;]+);", face)[1] for face in faces}
    weights = {re.search(r"font-weight: ([^;]+);", face)[1] for face in faces}

    assert said == cut["SLICES"]
    assert {f"wght={weight.replace(' ', ':')}" for weight in weights} == {cut["WEIGHTS"]}


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_no_style_asks_for_a_weight_that_the_font_lacks(path):
    asked = {
        int(weight) for weight in re.findall(r"(?:font-weight|--fw[a-z-]*):\s*(\d+);", path.read_text(encoding="utf-8"))
    }

    assert asked <= set(range(400, 601))


def test_the_browser_words_for_ages_are_the_servers():
    """``times.js`` renews what the server wrote; the two must not disagree."""
    from datetime import UTC, datetime, timedelta

    from kovra.dashboard import wording

    script = (HOME / "static" / "times.js").read_text(encoding="utf-8")
    steps = re.findall(r"\[(\d+|Infinity), \"(\w+)\", (\d+)\]", script)
    now = datetime(2026, 11, 20, tzinfo=UTC)

    assert [(unit, int(size)) for _, unit, size in steps] == [(unit, size) for _, unit, size in wording._AGO]
    assert [None if limit == "Infinity" else int(limit) for limit, _, _ in steps] == [row[0] for row in wording._AGO]
    assert wording.ago(now - timedelta(minutes=6), now) == "6 min"
    assert wording.ago(now - timedelta(days=1), now) == "1 day"
    assert wording.ago(now - timedelta(seconds=59), now) == "59 s"
