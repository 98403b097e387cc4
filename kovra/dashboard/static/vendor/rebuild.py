"""Rebuild the third-party files of the dashboard from their npm packages, and check them against what is on record.

Run by hand when a version changes: ``python kovra/dashboard/static/vendor/rebuild.py``, with ``npm`` in reach and what
``TOOLS`` names installed. It asks the ``npm`` client for the packages, so no address of a registry stands here. Nothing
of this runs when Kovra is installed or started.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent

PACKAGES = {"htmx": "htmx.org@4.0.1", "lucide": "lucide-static@1.62.0", "inter": "@fontsource-variable/inter@5.3.0"}

#: What is copied: our file name, the package, the file in it.
COPIES = (
    ("htmx-4.0.1.min.js", "htmx", "package/dist/htmx.min.js"),
    ("htmx-LICENSE.txt", "htmx", "package/LICENSE"),
    ("inter-LICENSE.txt", "inter", "package/LICENSE"),
    ("lucide-LICENSE.txt", "lucide", "package/LICENSE"),
)

#: With other versions the fonts come out as good, but not the same byte by byte.
TOOLS = ("fonttools==4.68.0", "brotli==1.2.1")

#: Inter is cut in two: what every page is written in, and what names add to it. A browser asks for the second when a
#: page holds one of its letters, by the ``unicode-range`` of ``css/base.css``, which says the same.
FONT = "package/files/inter-latin-wght-normal.woff2"
SLICES = {
    "inter-5.3.0-core.woff2": "U+0020-007E, U+00A0, U+00B7, U+00D7, U+2013-2014, U+2018-2019, U+201C-201D, U+2022,"
    " U+2026, U+2191, U+2193, U+2212",
    "inter-5.3.0-more.woff2": "U+00A1-00B6, U+00B8-00D6, U+00D8-00FF, U+0131, U+0152-0153, U+02BB-02BC, U+02C6,"
    " U+02DA, U+02DC, U+0300-0301, U+0303-0304, U+0308-0309, U+0323, U+2002, U+2009, U+200B, U+201A, U+201E,"
    " U+2032-2033, U+2039-203A, U+2044, U+20AC, U+2122",
}
#: What the styles use of it: three weights, and figures of one width. The other features keep text as it was drawn:
#: kerning, marks, and the colon between figures.
WEIGHTS = "wght=400:600"
FEATURES = "calt,ccmp,kern,locl,mark,mkmk,tnum"

_NUMBERS = ("x", "y", "width", "height", "rx", "cx", "cy", "r", "x1", "y1", "x2", "y2")

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
            (HERE / ours).write_bytes(_members(archives[package], theirs)[theirs])
        _cut(_members(archives["inter"], FONT)[FONT], Path(folder))
        (HERE / "icons.svg").write_text(_sprite(archives["lucide"]), encoding="utf-8")
    (HERE / "VENDORED.md").write_text(_record(), encoding="utf-8")


def _fetch(package: str, folder: Path) -> Path:
    packed = subprocess.run(
        ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
    )
    return folder / packed.stdout.strip().splitlines()[-1]


def _members(archive: Path, *names: str) -> dict[str, bytes]:
    with tarfile.open(archive) as packed:
        return {member.name: packed.extractfile(member).read() for member in packed if member.name in names}


def _cut(font: bytes, folder: Path) -> None:
    whole, lighter = folder / "whole.woff2", folder / "lighter.ttf"
    whole.write_bytes(font)
    _fonttools("varLib.instancer", whole, WEIGHTS, f"--output={lighter}", "--no-recalc-timestamp")
    for name, letters in SLICES.items():
        _fonttools(
            "subset",
            lighter,
            f"--unicodes={letters.replace(' ', '')}",
            f"--layout-features={FEATURES}",
            "--flavor=woff2",
            f"--output-file={HERE / name}",
        )


def _fonttools(tool: str, *arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "fontTools", tool, *map(str, arguments)], check=True)


def _sprite(archive: Path) -> str:
    drawings = _members(archive, *(f"package/icons/{theirs}.svg" for theirs in ICONS.values()))
    symbols = []
    for ours, theirs in sorted(ICONS.items()):
        drawing = drawings[f"package/icons/{theirs}.svg"].decode()
        inner = drawing.split(">", 2)[2].rsplit("</svg>", 1)[0]
        symbols.append(f'<symbol id="i-{ours}" viewBox="0 0 24 24"><path d="{_one_path(inner)}" /></symbol>')
    return (
        "<!-- Icons of Lucide (lucide-static 1.62.0, ISC); see VENDORED.md. -->\n"
        '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"
    )


def _one_path(inner: str) -> str:
    """All strokes of an icon as one: a page has a hundred icons, and each element of each costs it."""
    return "".join(_stroke(element) for element in ElementTree.fromstring(f"<g>{inner}</g>"))


def _stroke(element: ElementTree.Element) -> str:
    number = {name: float(element.attrib[name]) for name in _NUMBERS if name in element.attrib}
    if element.tag == "path":
        # A small m would count from the end of the stroke before it.
        return ("M0 0" if element.attrib["d"].startswith("m") else "") + element.attrib["d"]
    if element.tag == "polyline":
        return f"M{element.attrib['points']}"
    if element.tag == "line":
        return "M{x1:g} {y1:g}L{x2:g} {y2:g}".format(**number)
    if element.tag == "circle":
        x, y, r = number["cx"], number["cy"], number["r"]
        # A dot is a ring so narrow that the pen fills it; not quite, without a point in its middle.
        middle = f"M{x:g} {y:g}h.01" if r < 1 else ""
        return f"M{x - r:g} {y:g}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0z{middle}"
    if element.tag == "rect":
        x, y, r = number["x"], number["y"], number.get("rx", 0)
        across, down = number["width"] - 2 * r, number["height"] - 2 * r
        corner = f"a{r:g} {r:g} 0 0 1"
        return (
            f"M{x + r:g} {y:g}h{across:g}{corner} {r:g} {r:g}v{down:g}{corner} {-r:g} {r:g}"
            f"h{-across:g}{corner} {-r:g} {-r:g}v{-down:g}{corner} {r:g} {-r:g}z"
        )
    raise ValueError(f"an icon is drawn with <{element.tag}>, which nobody has taught us")


def _record() -> str:
    rows = [
        ("htmx-4.0.1.min.js", "htmx.org 4.0.1", "Zero-Clause BSD"),
        ("icons.svg", "lucide-static 1.62.0, a sprite of the icons named in rebuild.py", "ISC"),
        *((name, "@fontsource-variable/inter 5.3.0, cut by rebuild.py", "OFL-1.1") for name in SLICES),
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
