"""The keys of a demo: made once, kept with its data where only its user can read them."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

#: The application and bot user of Guard in the seeded world of the sandbox.
SANDBOX_APPLICATION = "1180000000000000001"


def keys(file: Path) -> dict[str, str]:
    """The keys of ``file`` as environment variables; made when there is no such file."""
    try:
        return dict(json.loads(file.read_text()))
    except FileNotFoundError:
        made = fresh_keys()
        _write_private(file, json.dumps(made, indent=1))
        return made


def fresh_keys() -> dict[str, str]:
    """New keys, and the sandbox's token and OAuth2 secret for Guard."""
    return {
        "KOVRA_WEB_KEYS": f"web1:{secrets.token_hex(32)}",
        "KOVRA_GUARD_KEYS": f"guard1:{secrets.token_hex(32)}",
        "KOVRA_AUDIT_KEY": secrets.token_hex(32),
        "KOVRA_SESSION_KEY": secrets.token_hex(32),
        "DISCORD_TOKEN": _token(),
        "DISCORD_CLIENT_ID": SANDBOX_APPLICATION,
        "DISCORD_CLIENT_SECRET": secrets.token_urlsafe(24),
    }


def _token() -> str:
    """A bot token of Discord's shape: the application's id, a moment, a secret."""
    who = base64.urlsafe_b64encode(SANDBOX_APPLICATION.encode()).decode().rstrip("=")
    return f"{who}.{secrets.token_urlsafe(4)[:6]}.{secrets.token_urlsafe(29)[:38]}"


def _write_private(file: Path, text: str) -> None:
    unfinished = file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(text)
    unfinished.replace(file)
