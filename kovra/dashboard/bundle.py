"""One style sheet and one script out of the small sources in ``static/``: a page asks twice and not thirty times.

Nothing is rewritten but what joins the files: each module becomes a function that gives back what it exports, and runs
once, in the order in which a browser would have run it. What such joining could get wrong is refused, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: In the order of the cascade; the first also orders its layers.
STYLES = (
    "tokens",
    "base",
    "shell",
    "components",
    "palette",
    "charts",
    "cases",
    "members",
    "audit",
    "mass",
    "queue",
    "settings",
    "outside",
    "narrow",
)

_FILE_OF_OURS = re.compile(r'url\("\.\./([^"]+)"\)')

_IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"\./([a-z_]+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function (\w+)|(?:const|class) (\w+))", re.MULTILINE)
#: ``export let`` is among them: what imports it would keep the value it had at first.
_NOT_UNDERSTOOD = re.compile(r"^\s*(?:import|export)\b.*|^await\b.*|\bimport\s*[.(].*", re.MULTILINE)


class NotUnderstood(Exception):
    """A module says something that joining the files would change the meaning of."""


def stylesheet(folder: Path, address: Callable[[str], str]) -> str:
    """All styles in one; ``address`` says where a file of ours is that a style names."""
    sheets = [(folder / "css" / f"{name}.css").read_text(encoding="utf-8") for name in STYLES]
    return _FILE_OF_OURS.sub(lambda found: f'url("{address(found[1])}")', "\n".join(sheets))


def script(folder: Path, first: str = "app") -> str:
    """The module ``first`` and all it imports, as one module.

    Raises:
        NotUnderstood: modules import each other in a circle, one imports what another does not export, or one uses more
            of the language than named imports and exports of functions, classes and constants.
    """
    joined: dict[str, _Module] = {}
    _join(folder, first, (), joined)
    return "\n".join(module.text for module in joined.values())


@dataclass(frozen=True, kw_only=True)
class _Module:
    exports: tuple[str, ...]
    text: str


def _join(folder: Path, name: str, above: tuple[str, ...], joined: dict[str, _Module]) -> None:
    if name in above:
        raise NotUnderstood(f"modules import each other in a circle: {' > '.join((*above, name))}")
    if name in joined:
        return
    source = (folder / f"{name}.js").read_text(encoding="utf-8")
    for names, other in _IMPORT.findall(source):
        _join(folder, other, (*above, name), joined)
        if missing := {one.split()[0] for one in names.split(",") if one.strip()} - {*joined[other].exports}:
            raise NotUnderstood(f"{name}.js: {other}.js exports no {', '.join(sorted(missing))}")
    joined[name] = _module(name, source)


def _module(name: str, source: str) -> _Module:
    exports = tuple(function or constant for function, constant in _EXPORT.findall(source))
    body = _EXPORT.sub("", _IMPORT.sub(_taken, source))
    if odd := _NOT_UNDERSTOOD.search(body):
        raise NotUnderstood(f"{name}.js: {odd[0].strip()}")
    gives = f"return {{ {', '.join(exports)} }};\n" if exports else ""
    return _Module(exports=exports, text=f"// {name}.js\nconst ${name} = (() => {{\n{body}{gives}}})();\n")


def _taken(found: re.Match[str]) -> str:
    names, module = found.groups()
    return f"const {{{names.replace(' as ', ': ')}}} = ${module};" if names else ""
