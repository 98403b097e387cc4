"""What a machine may lack, and which tests cannot run without it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: The programs that Debian, Ubuntu, Fedora and macOS know Chromium by.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing a suite of tests needs beyond Python.

    Args:
        suite: what cannot run without it.
        lacking: says what is missing, or None when all is there.
    """

    name: str
    suite: str
    lacking: Callable[[], str | None]


def browser_program() -> str | None:
    """The path of a Chromium on this machine: ``KOVRA_CHROMIUM``, else the first in PATH."""
    named = os.environ.get("KOVRA_CHROMIUM")
    if named:
        return named if os.access(named, os.X_OK) else None
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def openapi_file() -> Path | None:
    """Discord's published API description, named by ``DISCORD_OPENAPI``."""
    named = os.environ.get("DISCORD_OPENAPI")
    return Path(named) if named and Path(named).is_file() else None


def _lacking_browser() -> str | None:
    return None if browser_program() else "no Chromium (Debian: apt-get install chromium, or set KOVRA_CHROMIUM)"


def _lacking_openapi() -> str | None:
    if openapi_file():
        return None
    named = os.environ.get("DISCORD_OPENAPI")
    return f"DISCORD_OPENAPI names no file: {named}" if named else "DISCORD_OPENAPI is not set (path of openapi.json)"


def _lacking_node() -> str | None:
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"no {' and no '.join(missing)} (Debian: apt-get install nodejs npm)" if missing else None


def _lacking_nginx() -> str | None:
    return None if shutil.which("nginx") else "no nginx (Debian: apt-get install nginx-light)"


NEEDS = {
    need.name: need
    for need in (
        Need(name="browser", suite="pages in a real browser", lacking=_lacking_browser),
        Need(name="nginx", suite="the live stream behind nginx", lacking=_lacking_nginx),
        Need(name="openapi", suite="the sandbox against Discord's API description", lacking=_lacking_openapi),
        Need(name="node clients", suite="the sandbox against discord.js", lacking=_lacking_node),
        Need(
            name="gateway types", suite="every event of the sandbox against the types of Discord", lacking=_lacking_node
        ),
    )
}


def all_required() -> bool:
    """Whether a missing need is a failure: ``KOVRA_REQUIRE=all``."""
    return os.environ.get("KOVRA_REQUIRE") == "all"


def unmet() -> list[tuple[Need, str]]:
    """Every need this machine does not meet, with what is missing."""
    return [(need, missing) for need in NEEDS.values() if (missing := need.lacking()) is not None]
