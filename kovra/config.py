"""Configuration, read from the environment once at start. What is missing or wrong is said with what to set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from kovra.actions.envelope import Key
from kovra.errors import KovraError

DISCORD = "https://discord.com"
DISCORD_CDN = "https://cdn.discordapp.com"


class ConfigError(KovraError):
    """A setting is missing or wrong; the message says which one and what to set."""


class Process(StrEnum):
    """The kinds of process; each is given only the secrets it needs."""

    WEB = "web"
    WORKER = "worker"
    BOT = "bot"
    RELEASE = "release"


#: What each kind of process cannot start without. The web process holds neither Guard's token nor Guard's keys.
NEEDS: Mapping[Process, frozenset[str]] = {
    Process.WEB: frozenset(
        {"REDIS_URL", "DISCORD_CLIENT_ID", "DISCORD_CLIENT_SECRET", "KOVRA_BASE_URL"}
        | {"KOVRA_WEB_KEYS", "KOVRA_AUDIT_KEY", "KOVRA_SESSION_KEY"}
    ),
    Process.WORKER: frozenset(
        {"REDIS_URL", "DISCORD_TOKEN", "KOVRA_BASE_URL", "KOVRA_WEB_KEYS", "KOVRA_GUARD_KEYS", "KOVRA_AUDIT_KEY"}
    ),
    Process.BOT: frozenset({"REDIS_URL", "DISCORD_TOKEN", "KOVRA_GUARD_KEYS", "KOVRA_AUDIT_KEY", "KOVRA_BASE_URL"}),
    Process.RELEASE: frozenset({"DISCORD_TOKEN"}),
}


#: The lanes are spread over so many shards, for good: a lane's shard is reckoned from it in every process.
QUEUE_SHARDS = 64


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a process is built from; what it does not need is empty. Of a key ring the first signs, all verify."""

    process: Process
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
    #: How many gateway shards the bot has in all, 0 as many as Discord says; and which this process runs, none is all.
    shard_count: int
    shard_ids: tuple[int, ...]
    #: Which shards of the queue this worker serves, none is all.
    worker_shards: tuple[int, ...]
    pacing: bool
    proxies: int
    #: Where this process serves its metrics; port 0 does not.
    metrics_host: str
    metrics_port: int
    #: Where to die, for tests; see ``kovra.crash``.
    crash: str = ""
    #: How long a worker's claim lasts when nobody can prove it dead, in seconds; tests shorten it.
    claim_s: int = 30

    @property
    def verifying_keys(self) -> dict[str, Key]:
        """Every key by which a signature can be checked, by kid; the revoked ones say so themselves."""
        return {key.kid: key for key in (*self.web_keys, *self.guard_keys)}


def from_environment(process: Process, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the environment.

    Raises:
        ConfigError: naming every variable that is missing or wrong, all at once.
    """
    read = _Reader(environ, NEEDS[process] | {"DATABASE_URL"})
    config = Config(
        process=process,
        database_url=read.text("DATABASE_URL", "postgresql://user:password@host/database"),
        redis_url=read.text("REDIS_URL", "redis://host:6379/0"),
        discord_token=read.text("DISCORD_TOKEN", "the bot token of your Discord application"),
        discord_client_id=read.text("DISCORD_CLIENT_ID", "the id of your Discord application"),
        discord_client_secret=read.text("DISCORD_CLIENT_SECRET", "the OAuth2 secret of your Discord application"),
        discord_base_url=read.discord("DISCORD_BASE_URL", DISCORD),
        discord_cdn_url=read.url("DISCORD_CDN_URL", DISCORD_CDN),
        base_url=read.url("KOVRA_BASE_URL", ""),
        web_keys=read.keys("KOVRA_WEB_KEYS", "web"),
        guard_keys=read.keys("KOVRA_GUARD_KEYS", "guard"),
        audit_key=read.secret("KOVRA_AUDIT_KEY"),
        session_key=read.secret("KOVRA_SESSION_KEY"),
        shard_count=read.number("DISCORD_SHARDS", 0),
        shard_ids=read.shards("DISCORD_SHARD_IDS"),
        worker_shards=read.ranges("KOVRA_WORKER_SHARDS", QUEUE_SHARDS),
        pacing=environ.get("KOVRA_PACING", "on") != "off",
        proxies=read.number("KOVRA_PROXIES", 0),
        metrics_host=environ.get("KOVRA_METRICS_HOST", "").strip() or "127.0.0.1",
        metrics_port=read.number("KOVRA_METRICS_PORT", 0),
        crash=environ.get("KOVRA_CRASH", "") if environ.get("KOVRA_ENV") == "test" else "",
        claim_s=read.number("KOVRA_CLAIM_S", 30) if environ.get("KOVRA_ENV") == "test" else 30,
    )
    read.check_rings(config.web_keys, config.guard_keys)
    read.check_shards(config.shard_count, config.shard_ids)
    if read.wrong:
        raise ConfigError(f"Kovra's {process} cannot start: {'; '.join(read.wrong)}. README.md lists every setting.")
    return config


class _Reader:
    """Collects what is wrong instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str], needed: frozenset[str]) -> None:
        self.environ, self.needed = environ, needed
        self.wrong: list[str] = []

    def _raw(self, name: str) -> str:
        return self.environ.get(name, "").strip()

    def _complain(self, name: str, remedy: str) -> None:
        # A variable that nobody needs may be missing, but not wrong.
        if name in self.needed or self._raw(name):
            self.wrong.append(f"set {name} {remedy}")

    def text(self, name: str, example: str) -> str:
        if not (value := self._raw(name)):
            self._complain(name, f"({example})")
        return value

    def url(self, name: str, default: str) -> str:
        value = (self._raw(name) or default).rstrip("/")
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            self._complain(name, "to an address such as https://kovra.example.org")
        return value

    def discord(self, name: str, default: str) -> str:
        value = self.url(name, default)
        if value != DISCORD and urlsplit(value).hostname not in ("127.0.0.1", "::1", "localhost"):
            # A bot token is worth a server: it is sent to Discord or to this machine, and nowhere else.
            self.wrong.append(f"leave {name} unset, or point it at a sandbox on this machine")
        return value

    def number(self, name: str, default: int) -> int:
        value = self._raw(name)
        if value and not value.isdigit():
            self._complain(name, "to a whole number")
            return default
        return int(value) if value else default

    def shards(self, name: str) -> tuple[int, ...]:
        items = [item.strip() for item in self._raw(name).split(",") if item.strip()]
        if not all(item.isascii() and item.isdigit() for item in items):
            self._complain(name, "to the numbers of this process's shards, such as 0,1")
            return ()
        return tuple(sorted({int(item) for item in items}))

    def ranges(self, name: str, count: int) -> tuple[int, ...]:
        """Numbers below ``count``, such as ``0-31,40``."""
        found: set[int] = set()
        for item in filter(None, (item.strip() for item in self._raw(name).split(","))):
            ends = [end.strip() for end in item.split("-")]
            if len(ends) > 2 or not all(end.isascii() and end.isdigit() and len(end) < 5 for end in ends):
                self._complain(name, "to the shards that this worker serves, such as 0-31,40")
                return ()
            found |= set(range(int(ends[0]), int(ends[-1]) + 1)) or {count}  # 9-3 names nothing
        if any(number >= count for number in found):
            self._complain(name, f"to shards from 0 to {count - 1}, the smaller end of a range first")
        return tuple(sorted(found))

    def check_shards(self, count: int, ids: tuple[int, ...]) -> None:
        """Which shards a process runs only means something among a known number of them."""
        if ids and not count:
            self.wrong.append("set DISCORD_SHARDS to the number of all shards, as DISCORD_SHARD_IDS names some of them")
        elif ids and ids[-1] >= count:
            self.wrong.append(f"let DISCORD_SHARD_IDS name shards from 0 to {count - 1}, as DISCORD_SHARDS is {count}")

    def secret(self, name: str) -> bytes:
        value = _unhex(self._raw(name))
        if len(value) != 32:
            self._complain(name, "to 64 hexadecimal digits (openssl rand -hex 32)")
        return value

    def keys(self, name: str, ring: str) -> tuple[Key, ...]:
        items = [item.strip().partition(":") for item in self._raw(name).split(",") if item.strip()]
        revoked = self._revoked()
        keys = tuple(Key(kid=kid, ring=ring, secret=_unhex(secret), revoked=kid in revoked) for kid, _, secret in items)
        if not keys or any(len(key.secret) != 32 or not key.kid for key in keys):
            self._complain(name, "to NAME:KEY, the key as 64 hexadecimal digits; several with commas between")
        return keys

    def check_rings(self, *rings: tuple[Key, ...]) -> None:
        """What must hold of the rings together. A process that has only one of them checks that one."""
        kids = [key.kid for ring in rings for key in ring]
        for twice in sorted({kid for kid in kids if kids.count(kid) > 1}):
            self.wrong.append(f"give each key of KOVRA_WEB_KEYS and KOVRA_GUARD_KEYS its own name ({twice} is twice)")
        for ring in rings:
            if ring and ring[0].revoked:
                name = f"KOVRA_{ring[0].ring.upper()}_KEYS"
                self.wrong.append(f"put a new key first in {name}: its first signs, and {ring[0].kid} is revoked")

    def _revoked(self) -> frozenset[str]:
        return frozenset(kid.strip() for kid in self._raw("KOVRA_REVOKED_KEYS").split(",") if kid.strip())


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
