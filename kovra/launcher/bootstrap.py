"""Make ``.venv`` in the checkout with the pinned requirements, and continue inside it. Standard library only.

A stamp in the environment holds a hash of the requirement files it was made from, so later starts ask pip nothing. The
stamp is written last: an interrupted run leaves none, and the next one repairs what it finds.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from kovra.launcher.say import Say
from kovra.launcher.trouble import Trouble

#: The folder that holds ``kovra/``.
CHECKOUT = Path(__file__).resolve().parents[2]

#: What ``kovra NAME`` needs is in ``requirements-NAME.txt``; a production machine has ``requirements.txt``.
PRODUCTION, DEMO, TEST = "requirements.txt", "requirements-demo.txt", "requirements-test.txt"
CONSTRAINTS = "constraints.txt"

#: A pip of the system must be at least this old to install into another environment (``--python``).
PIP_WITH_PYTHON = (22, 3)


def ensure(requirements: str, say: Say, *, checkout: Path = CHECKOUT, exactly: bool = True) -> None:
    """Return when this interpreter has the requirements; else make ``.venv``, install them, and start over inside it.

    Args:
        requirements: one of the requirement files.
        exactly: False is content with any versions, as a production machine chooses its own.

    Raises:
        Trouble: the environment cannot be made; says what to do.
    """
    venv = Environment(checkout)
    # Of our own environment only the stamp knows whether it is whole: an interrupted pip leaves names behind.
    if (not venv.is_us() or not exactly) and has(checkout / requirements, exactly=exactly):
        return
    venv.prepare(requirements, say)
    if not venv.is_us():
        sys.stdout.flush()
        sys.stderr.flush()
        inside = os.environ | {"VIRTUAL_ENV": str(venv.folder)}
        os.execve(venv.python, [str(venv.python), "-m", "kovra", *sys.argv[1:]], inside)


def has(file: Path, *, exactly: bool) -> bool:
    """Whether this interpreter's packages are those the requirement file names."""
    for name, version in pins(file):
        try:
            present = metadata.version(name)
        except metadata.PackageNotFoundError:
            return False
        if exactly and present != version:
            return False
    return True


def pins(file: Path) -> Iterator[tuple[str, str]]:
    """Each ``name==version`` of a requirement file and of those it includes, without extras."""
    for part in _with_includes(file):
        for line in part.read_text().splitlines():
            if found := re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", line):
                yield found.group(1), found.group(2)


def _with_includes(file: Path) -> list[Path]:
    included = re.findall(r"^-r\s+(\S+)", file.read_text(), flags=re.MULTILINE)
    return [file, *(part for name in included for part in _with_includes(file.parent / name))]


class Environment:
    """The virtual environment of a checkout."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.folder = checkout / ".venv"
        self.python = self.folder / "bin" / "python"
        self._stamp = self.folder / "kovra.json"

    def is_us(self) -> bool:
        """Whether this process runs in it."""
        return Path(sys.prefix).resolve() == self.folder.resolve()

    def prepare(self, requirements: str, say: Say) -> None:
        """Make it, or make it whole; does nothing when its stamp says that it is."""
        if self._is_current(requirements):
            return
        self._refuse_unwritable()
        with self._alone(say):
            if self._is_current(requirements):  # another start did it while we waited
                return
            began = time.monotonic()
            if not self._works():
                self._make(say)
            self._install(requirements, say)
            self._sign(requirements)
            say.done("Environment", time.monotonic() - began)

    # Is it whole?

    def _is_current(self, requirements: str) -> bool:
        try:
            stamp = json.loads(self._stamp.read_text())
        except (OSError, ValueError):
            return False
        return bool(stamp.get(requirements) == self._hash(requirements)) and os.access(self.python, os.X_OK)

    def _hash(self, requirements: str) -> str:
        files = [*_with_includes(self.checkout / requirements), self.checkout / CONSTRAINTS]
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.read_bytes() if file.exists() else b"")
        return digest.hexdigest()

    def _sign(self, requirements: str) -> None:
        included = [file.name for file in _with_includes(self.checkout / requirements)]
        text = json.dumps({name: self._hash(name) for name in included}, indent=1)
        unfinished = self._stamp.with_suffix(".new")
        unfinished.write_text(text)
        unfinished.replace(self._stamp)

    def _works(self) -> bool:
        """Whether its Python starts, is of a version we know, and belongs to it."""
        check = "import sys; print(sys.prefix); sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
        try:
            done = subprocess.run([str(self.python), "-I", "-c", check], capture_output=True, text=True)
        except OSError:
            return False
        return done.returncode == 0 and Path(done.stdout.strip()).resolve() == self.folder.resolve()

    def _refuse_unwritable(self) -> None:
        target = self.folder if self.folder.exists() else self.checkout
        if not os.access(target, os.W_OK | os.X_OK):
            raise Trouble(
                f"Kovra wants to keep its Python packages in {self.folder}, and {_who()} may not write there.",
                f"Run it as the owner of the folder, or work in a copy of your own: cp -r {self.checkout} ~/kovra",
            )

    @contextlib.contextmanager
    def _alone(self, say: Say) -> Iterator[None]:
        """One start at a time; the folder itself carries the lock, so nothing is left behind."""
        import fcntl

        handle = os.open(self.checkout, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say.note("Another start is installing the packages; waiting for it.")
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError:
                pass  # a network file system without locks: two first starts at once are the user's own doing
            yield
        finally:
            os.close(handle)

    # Make it.

    def _make(self, say: Say) -> None:
        say.note("First start: making a Python environment in .venv. This takes about a minute, once.")
        if self.folder.is_symlink() or self.folder.is_file():
            self.folder.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)
        options = [] if find_spec("ensurepip") else ["--without-pip"]
        if options and _system_pip() is None:
            raise _no_pip()
        done = _run([sys.executable, "-m", "venv", *options, str(self.folder)])
        if done.returncode != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise Trouble(
                "The Python environment could not be made.", "See below.", said=done.stdout.splitlines()[-15:]
            )

    def _pip(self) -> list[str]:
        """How to call a pip that installs into the environment: its own, else the system's."""
        own = [str(self.python), "-m", "pip"]
        if _run([*own, "--version"]).returncode == 0:
            return own
        if find_spec("ensurepip") and _run([str(self.python), "-m", "ensurepip"]).returncode == 0:
            return own
        system = _system_pip()
        if system is None:
            raise _no_pip()
        return [*system, "--python", str(self.python)]

    def _install(self, requirements: str, say: Say) -> None:
        limits = ["-c", CONSTRAINTS] if (self.checkout / CONSTRAINTS).exists() else []
        argv = [
            *self._pip(),
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--prefer-binary",
            "--progress-bar=off",
            "-r",
            requirements,
            *limits,
        ]
        log = self.folder / "install.log"
        with log.open("w") as kept, say.working("Installing packages") as working:
            pip = subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.checkout, env=_pip_env()
            )
            try:
                assert pip.stdout is not None
                count = 0
                for line in pip.stdout:
                    kept.write(line)
                    if found := re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)", line):
                        count += 1
                        working(f"{count} {found.group(1)}")
                    elif line.startswith("Installing collected packages"):
                        working(f"unpacking {count}")
                status = pip.wait()
            except BaseException:
                pip.kill()
                pip.wait()
                raise
        if status != 0:
            said = [line for line in log.read_text().splitlines() if not line.startswith(("Collecting", "  "))][-12:]
            raise Trouble(
                "The packages could not be installed.",
                f"Is the network there? The whole log is {log}; starting again continues.",
                said=said,
            )


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_pip_env())


def _pip_env() -> dict[str, str]:
    """The environment without what would lead pip elsewhere than into ours."""
    elsewhere = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__")
    kept = {name: value for name, value in os.environ.items() if name not in elsewhere}
    # 0 overrules a "user = true" in a person's pip configuration, which an environment refuses.
    return kept | {"PIP_USER": "0", "PYTHONUNBUFFERED": "1"}


def _system_pip() -> list[str] | None:
    said = _run([sys.executable, "-m", "pip", "--version"])
    found = re.match(r"pip (\d+)\.(\d+)", said.stdout)
    if said.returncode != 0 or found is None or (int(found.group(1)), int(found.group(2))) < PIP_WITH_PYTHON:
        return None
    return [sys.executable, "-m", "pip"]


def _no_pip() -> Trouble:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return Trouble(
        f"This Python ({sys.executable}) can make no environments: it has neither ensurepip nor pip.",
        f"On Debian and Ubuntu: apt-get install python{version}-venv",
    )


def _who() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
