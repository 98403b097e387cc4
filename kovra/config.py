"""Configuration, read from the environment once at start. What is missing or wrong is said with what to set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kovra.actions.envelope import Key
from kovra.errors import KovraError

DISCORD = "https://discord.com"
DISCORD_CDN = "https://cdn.discordapp.com"


class ConfigError(KovraError):
    """A setting is missing or wrong; the message says which one and what to set."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a process is built from. ``signing_keys`` of a ring: the first signs, all verify."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    discord_token: str = field(repr=False)
    discord_client_id: str
    discord_client_secret: str = field(repr=False)
    discord_base_url: str
    discord_cdn_url: str
    base_url: str
    web_keys: tuple[Key, ...]
    guard_keys: tuple[Key, ...]
    audit_key: bytes = field(repr=False)
    session_key: bytes = field(repr=False)
    pacing: bool = True

    @property
    def verifying_keys(self) -> dict[str, Key]:
        """Every key that still verifies, by kid."""
        return {key.kid: key for key in (*self.web_keys, *self.guard_keys)}

    @property
    def sandboxed(self) -> bool:
        """True when Discord is a stand-in on loopback."""
        return self.discord_base_url != DISCORD


def from_environment(environ: Mapping[str, str] = os.environ) -> Config:
    """Read the environment.

    Raises:
        ConfigError: naming every variable that is missing or wrong, all at once.
    """
    reader = _Reader(environ)
    base = reader.url("DISCORD_BASE_URL", DISCORD)
    settings = {
        "database_url": _sqlalchemy_url(reader.text("DATABASE_URL", "postgresql://user:password@host/database")),
        "redis_url": reader.text("REDIS_URL", "redis://host:6379/0"),
        "discord_token": reader.text("DISCORD_TOKEN", "the bot token of your Discord application"),
        "discord_client_id": reader.text("DISCORD_CLIENT_ID", "the id of your Discord application"),
        "discord_client_secret": reader.text("DISCORD_CLIENT_SECRET", "the OAuth2 secret of your Discord application"),
        "discord_base_url": base,
        "discord_cdn_url": reader.url("DISCORD_CDN_URL", DISCORD_CDN),
        "base_url": reader.url("KOVRA_BASE_URL", None),
        "web_keys": reader.keys("KOVRA_WEB_KEYS", "web"),
        "guard_keys": reader.keys("KOVRA_GUARD_KEYS", "guard"),
        "audit_key": reader.secret("KOVRA_AUDIT_KEY"),
        "session_key": reader.secret("KOVRA_SESSION_KEY"),
        "pacing": environ.get("KOVRA_PACING", "on") != "off",
    }
    if base != DISCORD and not _on_loopback(base):
        reader.wrong.append("DISCORD_BASE_URL must be https://discord.com, or a sandbox on this machine")
    if reader.wrong:
        raise ConfigError("Kovra cannot start. " + "; ".join(reader.wrong) + ". See “Configuration” in README.md.")
    return Config(**settings)  # type: ignore[arg-type]


class _Reader:
    """Collects what is wrong instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ, self.wrong = environ, []

    def text(self, name: str, example: str) -> str:
        value = self.environ.get(name, "").strip()
        if not value:
            self.wrong.append(f"set {name} ({example})")
        return value

    def url(self, name: str, default: str | None) -> str:
        value = (self.environ.get(name) or default or "").rstrip("/")
        if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc:
            self.wrong.append(f"set {name} to an address such as https://kovra.example.org")
        return value

    def secret(self, name: str) -> bytes:
        try:
            value = bytes.fromhex(self.environ.get(name, ""))
        except ValueError:
            value = b""
        if len(value) != 32:
            self.wrong.append(f"set {name} to 64 hexadecimal digits (openssl rand -hex 32)")
        return value

    def keys(self, name: str, ring: str) -> tuple[Key, ...]:
        keys = []
        for item in filter(None, self.environ.get(name, "").split(",")):
            kid, _, secret = item.strip().partition(":")
            try:
                keys.append(Key(kid=kid, ring=ring, secret=bytes.fromhex(secret)))
            except ValueError:
                keys.append(Key(kid=kid, ring=ring, secret=b""))
        if not keys or any(len(key.secret) != 32 or not key.kid for key in keys):
            self.wrong.append(f"set {name} to NAME:KEY with 64 hexadecimal digits, several with commas")
        return tuple(keys)


def _sqlalchemy_url(url: str) -> str:
    # Platforms hand out postgres://, which SQLAlchemy does not know.
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg2://" + url.removeprefix(prefix)
    return url


def _on_loopback(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")
