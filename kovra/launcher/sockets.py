"""Where the embedded servers put their Unix sockets: private folders with short paths."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

#: A Unix socket's path may have 107 bytes; of those a server's own file name takes up to 22.
LONGEST_FOLDER = 80

PREFIX = "kovra-"


def private_folder(home: Path, user: tuple[int, int] | None = None) -> Path:
    """A new folder that only its user can enter. A link in ``home`` remembers it.

    What an earlier run left, because it was killed, goes away first.

    Args:
        home: the server's own folder.
        user: uid and gid of the server, when it is not us.
    """
    remembered = home / "sockets"
    if remembered.is_symlink():
        _remove_if_ours(Path(os.readlink(remembered)))
        remembered.unlink()
    temp = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temp if len(temp) < LONGEST_FOLDER - 20 else "/tmp"))
    if user is not None:
        os.chown(folder, *user)
    remembered.symlink_to(folder)
    return folder


def forget_folder(home: Path, folder: Path) -> None:
    """Take the folder and its link away."""
    (home / "sockets").unlink(missing_ok=True)
    _remove_if_ours(folder)


def _remove_if_ours(folder: Path) -> None:
    # Only what we can have made: a link that was tampered with must not make root delete something else.
    if folder.parent in (Path(tempfile.gettempdir()), Path("/tmp")) and folder.name.startswith(PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
