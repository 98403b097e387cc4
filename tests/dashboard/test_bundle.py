"""What joining the small styles and scripts may and may not do."""

from __future__ import annotations

import pytest

from kovra.dashboard import bundle
from kovra.dashboard.assets import FOLDER, address


@pytest.fixture
def modules(tmp_path):
    """Write modules by name, and join them from ``app`` on."""

    def join(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.js").write_text(source)
        return bundle.script(tmp_path)

    return join


def test_every_style_is_in_the_sheet_once():
    files = {path.stem for path in (FOLDER / "css").glob("*.css")}

    assert sorted(bundle.STYLES) == sorted(files)
    assert bundle.STYLES[0] == "tokens", "it fixes the order of the layers"


def test_a_style_finds_its_font_where_it_is_served():
    sheet = bundle.stylesheet(FOLDER, address)

    assert f'url("{address("vendor/inter-5.3.0-core.woff2")}")' in sheet
    assert 'url("..' not in sheet


def test_every_module_is_in_the_script_once():
    script = bundle.script(FOLDER)

    for path in {*FOLDER.glob("*.js")} - {FOLDER / "start.js"}:  # which is there before the script, by itself
        assert script.count(f"// {path.name}\nconst ${path.stem} = ") == 1, path.name


def test_a_module_runs_after_what_it_imports_and_once(modules):
    joined = modules(
        app='import "./b.js";\nimport { a } from "./a.js";\na();\n',
        b='import { a as first } from "./a.js";\nfirst();\n',
        a="export const a = () => 1;\n",
    )

    assert joined == (
        "// a.js\nconst $a = (() => {\nconst a = () => 1;\nreturn { a };\n})();\n\n"
        "// b.js\nconst $b = (() => {\nconst { a: first } = $a;\nfirst();\n})();\n\n"
        "// app.js\nconst $app = (() => {\n\nconst { a } = $a;\na();\n})();\n"
    )


def test_what_is_exported_is_given_back_and_the_rest_is_its_own(modules):
    joined = modules(app="let own = 1;\nexport async function f() {}\nexport class C {}\nfunction g() {}\n")

    assert "return { f, C };" in joined


@pytest.mark.parametrize(
    "source",
    [
        "export let count = 0;",
        "export default 1;",
        "const a = 1;\nexport { a };",
        'import * as all from "./b.js";',
        'import b from "./b.js";',
        'const b = await import("./b.js");',
        'if (x) import("./b.js");',
        "const here = import.meta.url;",
        "await ready;",
        'import "https://elsewhere.example/b.js";',
    ],
)
def test_what_joining_could_get_wrong_is_refused(modules, source):
    with pytest.raises(bundle.NotUnderstood):
        modules(app=source + "\n", b="export const b = 1;\n")


def test_modules_that_import_each_other_are_refused(modules):
    with pytest.raises(bundle.NotUnderstood, match="app > a > b > a"):
        modules(app='import "./a.js";\n', a='import "./b.js";\n', b='import { a } from "./a.js";\n')


def test_a_name_that_a_module_does_not_export_is_refused(modules):
    with pytest.raises(bundle.NotUnderstood, match=r"app.js: a.js exports no b"):
        modules(app='import { b } from "./a.js";\n', a="export const a = 1;\n")
