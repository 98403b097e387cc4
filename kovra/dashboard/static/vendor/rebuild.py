"""Rebuild the third-party files of the dashboard from their npm packages, and check them against what is on record.

Run by hand when a version changes: ``python kovra/dashboard/static/vendor/rebuild.py``. It asks the ``npm`` client for
the packages, so no address of a registry stands here. Nothing of this runs when Kovra is installed or started.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

PACKAGES = {"htmx": "htmx.org@4.0.1", "lucide": "lucide-static@1.62.0", "inter": "@fontsource-variable/inter@5.3.0"}

#: What is copied: our file name, the package, the file in it.
COPIES = (
    ("htmx-4.0.1.min.js", "htmx", "package/dist/htmx.min.js"),
    ("htmx-LICENSE.txt", "htmx", "package/LICENSE"),
    ("inter-5.3.0-latin.woff2", "inter", "package/files/inter-latin-wght-normal.woff2"),
    ("inter-LICENSE.txt", "inter", "package/LICENSE"),
    ("lucide-LICENSE.txt", "lucide", "package/LICENSE"),
)

#: The sprite: our id for an icon, and Lucide's name of it.
ICONS = {
    "activity": "activity",
    "audit": "scroll-text",
    "ban": "ban",
    "bolt": "zap",
    "calendar": "calendar",
    "cases": "file-text",
    "check": "check",
    "clock": "clock",
    "columns": "columns-3",
    "copy": "copy",
    "dots": "ellipsis",
    "down": "chevron-down",
    "download": "download",
    "edit": "pencil",
    "enter": "corner-down-left",
    "ext": "external-link",
    "eye": "eye",
    "filter": "list-filter",
    "flask": "flask-conical",
    "grip": "grip-vertical",
    "hash": "hash",
    "inbox": "inbox",
    "info": "info",
    "key": "key-round",
    "keys": "keyboard",
    "kick": "log-out",
    "left": "chevron-left",
    "lift": "undo-2",
    "link": "link",
    "lock": "lock",
    "logout": "log-out",
    "mail": "mail",
    "mailx": "mail-x",
    "mass": "list-checks",
    "members": "users",
    "menu": "menu",
    "moon": "moon",
    "msg": "message-square",
    "mute": "volume-x",
    "note": "sticky-note",
    "offline": "wifi-off",
    "overview": "chart-column",
    "pause": "pause",
    "play": "play",
    "plus": "plus",
    "print": "printer",
    "queue": "list-end",
    "refresh": "refresh-cw",
    "right": "chevron-right",
    "save": "bookmark",
    "screen": "monitor",
    "seal": "badge-check",
    "search": "search",
    "server": "server",
    "settings": "sliders-horizontal",
    "shield": "shield",
    "slash": "square-slash",
    "sort": "chevrons-up-down",
    "sun": "sun",
    "tag": "tag",
    "trash": "trash-2",
    "up": "chevron-up",
    "user": "user",
    "warn": "triangle-alert",
    "x": "x",
}


def main() -> None:
    """Fetch, unpack, write, and put name, origin and SHA-256 of every file into VENDORED.md."""
    with tempfile.TemporaryDirectory() as folder:
        archives = {name: _fetch(package, Path(folder)) for name, package in PACKAGES.items()}
        for ours, package, theirs in COPIES:
            (HERE / ours).write_bytes(_member(archives[package], theirs))
        (HERE / "icons.svg").write_text(_sprite(archives["lucide"]), encoding="utf-8")
    (HERE / "VENDORED.md").write_text(_record(), encoding="utf-8")


def _fetch(package: str, folder: Path) -> Path:
    packed = subprocess.run(
        ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
    )
    return folder / packed.stdout.strip().splitlines()[-1]


def _member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as packed:
        found = packed.extractfile(name)
        assert found is not None, name
        return found.read()


def _sprite(archive: Path) -> str:
    symbols = []
    for ours, theirs in sorted(ICONS.items()):
        drawing = _member(archive, f"package/icons/{theirs}.svg").decode()
        inner = re.sub(r"\s*\n\s*", "", drawing.split(">", 2)[2].rsplit("</svg>", 1)[0])
        symbols.append(f'<symbol id="i-{ours}" viewBox="0 0 24 24">{inner}</symbol>')
    return (
        "<!-- Icons of Lucide (lucide-static 1.62.0, ISC); see VENDORED.md. -->\n"
        '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"
    )


def _record() -> str:
    rows = [
        ("htmx-4.0.1.min.js", "htmx.org 4.0.1", "Zero-Clause BSD"),
        ("icons.svg", "lucide-static 1.62.0, a sprite of the icons named in rebuild.py", "ISC"),
        ("inter-5.3.0-latin.woff2", "@fontsource-variable/inter 5.3.0", "OFL-1.1"),
    ]
    lines = [
        "# Third-party files",
        "",
        "Built by `rebuild.py` from npm packages; a test compares the fingerprints with the files.",
        "",
        "| file | from | licence | SHA-256 |",
        "|---|---|---|---|",
    ]
    for name, origin, licence in rows:
        digest = hashlib.sha256((HERE / name).read_bytes()).hexdigest()
        lines.append(f"| `{name}` | {origin} | {licence} | `{digest}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
