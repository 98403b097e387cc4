"""Clients that are installed for the tests alone, each into a folder of its own that later runs find again.

discord.py may not stand beside Pycord: both are the package ``discord``. A folder is complete or not there: it is made
under another name and moved.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

DISCORD_PY = "discord.py==2.7.1"
NODE_PACKAGES = {"discord.js": "14.28.1", "discord-api-types": "0.38.57", "ts-json-schema-generator": "2.4.0"}
_PATIENCE_S = 300
_TYPES = "node_modules/discord-api-types/gateway/v10.d.ts"
_SCHEMA = "schema.json"


class NotInstalled(Exception):
    """The packages could not be had; the message says why."""


@cache
def discord_py() -> Path:
    """The folder to put before everything else in ``PYTHONPATH``."""

    def install(folder: Path) -> None:
        _run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), DISCORD_PY], folder)

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _made(f"{DISCORD_PY}-{version}", install)


@cache
def node_folder() -> Path:
    """The folder whose ``node_modules`` has discord.js."""

    def install(folder: Path) -> None:
        package = {"name": "conformance", "private": True, "dependencies": NODE_PACKAGES}
        (folder / "package.json").write_text(json.dumps(package))
        _run([_program("npm"), "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
        generator = "node_modules/ts-json-schema-generator/bin/ts-json-schema-generator.js"
        options = ["--type", "GatewayDispatchPayload", "--no-type-check", "--additional-properties"]
        _run([_program("node"), generator, "--path", _TYPES, *options, "--out", _SCHEMA], folder)

    return _made("node-" + "-".join(NODE_PACKAGES.values()), install)


def gateway_schema() -> Path:
    """The JSON schema of every gateway event, made of the types."""
    return node_folder() / _SCHEMA


def _made(name: str, install: Callable[[Path], None]) -> Path:
    cache_folder = Path(tempfile.gettempdir()) / f"kovra-conformance-{os.getuid()}"
    cache_folder.mkdir(mode=0o700, exist_ok=True)
    if cache_folder.stat().st_uid != os.getuid():
        raise NotInstalled(f"{cache_folder} belongs to somebody else")
    done = cache_folder / name
    if done.is_dir():
        return done
    making = Path(tempfile.mkdtemp(prefix="making-", dir=cache_folder))
    try:
        install(making)
        # Another run may have been faster; its folder is as good.
        if not done.is_dir():
            making.rename(done)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return done


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotInstalled(f"there is no {name}")
    return found


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{command[0]} took longer than {_PATIENCE_S} s") from error
    if done.returncode != 0:
        raise NotInstalled(f"{' '.join(command[:4])} failed: {done.stderr[-600:]}")
