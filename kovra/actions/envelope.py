"""The signed bytes of a request. They are signed as they travel and checked before they are parsed.

body = canonical JSON in UTF-8: sorted keys, no spaces, snowflakes as text, whole numbers only.
sig  = HMAC-SHA256(key, b"kovra.action.v1\\0" + kid + b"\\0" + body), in hex.

Redis alone cannot make an action (it has no key), a leaked key alone cannot (there is no row), and the database alone
cannot (it has no key): the executor demands all three to agree.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NoReturn
from uuid import UUID

from kovra.actions.request import Action, ActionRequest, Source
from kovra.errors import EnvelopeRefused, Malformed
from kovra.ids import GuildId, UserId

#: A body is far below this; anything larger is refused unread.
MAX_BODY_BYTES = 24 * 1024

_DOMAIN = b"kovra.action.v1\0"
_FIELDS = frozenset(
    {"action", "expires_at", "guild_id", "issued_at", "moderator_id", "params"}
    | {"reason", "request_id", "source", "target_id", "v"}
)
#: Only a request of a job has these.
_FIELDS_OF_JOB = frozenset({"batch_id", "releases"})

#: Which ring may sign which source: a key of the web processes cannot speak as Guard, nor Guard's as the dashboard.
SOURCES_OF_RING: Mapping[str, frozenset[Source]] = MappingProxyType(
    {
        "web": frozenset({Source.DASHBOARD, Source.API}),
        "guard": frozenset(Source) - {Source.DASHBOARD, Source.API},
    }
)


@dataclass(frozen=True, kw_only=True)
class Key:
    """One signing key. ``ring`` is ``web`` or ``guard``; the secret is 32 random bytes and never shown.

    A ``revoked`` key still tells what was signed with it, so that what it began can be settled; nothing may begin.
    """

    kid: str
    ring: str
    secret: bytes = field(repr=False)
    revoked: bool = False


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A signed request, exactly as it is stored and carried. ``expires_at`` repeats what the body says."""

    request: ActionRequest
    body: bytes
    kid: str
    sig: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A request whose signature, form and lane have been checked. Only :func:`open_envelope` makes one."""

    request: ActionRequest
    body: bytes
    kid: str
    sig: str
    revoked: bool
    expires_at: datetime


def seal(request: ActionRequest, key: Key, expires_at: datetime) -> Sealed:
    """Sign a request.

    Raises:
        Malformed: this key's ring may not sign for the request's source.
    """
    if request.source not in SOURCES_OF_RING[key.ring]:
        raise Malformed(f"a {key.ring} key may not sign for {request.source}")
    body = _body(request, expires_at)
    return Sealed(request=request, body=body, kid=key.kid, sig=mac(_DOMAIN, key, body), expires_at=expires_at)


def open_envelope(body: bytes, kid: str, sig: str, *, keys: Mapping[str, Key], lane: GuildId) -> Verified:
    """Check an entry of a lane and read it.

    Args:
        keys: every key that still verifies, by kid.
        lane: the guild whose lane the entry came from.

    A revoked key still opens what it sealed, marked as such: what was begun under it must be settled.

    Raises:
        EnvelopeRefused: ``size``, ``key``, ``signature``, ``form``, ``source`` or ``lane``. Freshness is judged later
            against the database's clock.
    """
    key = signer(_DOMAIN, body, kid, sig, keys)
    request, expires_at = _parse(body)
    if request.source not in SOURCES_OF_RING[key.ring]:
        raise EnvelopeRefused("source")
    if request.guild_id != lane:
        raise EnvelopeRefused("lane")
    return Verified(request=request, body=body, kid=kid, sig=sig, revoked=key.revoked, expires_at=expires_at)


def _parse(body: bytes) -> tuple[ActionRequest, datetime]:
    try:
        raw = json.loads(body.decode("utf-8"), parse_float=_refuse, parse_constant=_refuse)
        if type(raw) is not dict or raw.keys() - _FIELDS_OF_JOB != _FIELDS or raw["v"] != 1:
            raise EnvelopeRefused("form")
        request = ActionRequest(
            request_id=UUID(raw["request_id"]),
            guild_id=GuildId(int(raw["guild_id"])),
            action=Action(raw["action"]),
            target_id=UserId(int(raw["target_id"])),
            moderator_id=UserId(int(raw["moderator_id"])),
            source=Source(raw["source"]),
            reason=raw["reason"],
            params=raw["params"],
            issued_at=_moment(raw["issued_at"]),
            batch_id=UUID(raw["batch_id"]) if "batch_id" in raw else None,
            releases=UUID(raw["releases"]) if "releases" in raw else None,
        )
        expires_at = _moment(raw["expires_at"])
        # One request has one spelling: an id in another form, a twin field or a blank more is another body.
        if _body(request, expires_at) != body:
            raise EnvelopeRefused("form")
        return request, expires_at
    except EnvelopeRefused:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError, OSError, Malformed) as error:
        raise EnvelopeRefused("form") from error


def _body(request: ActionRequest, expires_at: datetime) -> bytes:
    of_job = {"batch_id": request.batch_id, "releases": request.releases}
    return canonical(
        {name: str(value) for name, value in of_job.items() if value is not None}
        | {
            "action": request.action.value,
            "expires_at": _ms(expires_at),
            "guild_id": str(request.guild_id),
            "issued_at": _ms(request.issued_at),
            "moderator_id": str(request.moderator_id),
            "params": dict(request.params),
            "reason": request.reason,
            "request_id": str(request.request_id),
            "source": request.source.value,
            "target_id": str(request.target_id),
            "v": 1,
        }
    )


def mac(domain: bytes, key: Key, body: bytes) -> str:
    """The signature of a body. What is signed in one domain is worth nothing in another."""
    return hmac.new(key.secret, domain + key.kid.encode() + b"\0" + body, hashlib.sha256).hexdigest()


def signer(domain: bytes, body: bytes, kid: str, sig: str, keys: Mapping[str, Key]) -> Key:
    """The key that signed a body, which is not to be parsed before.

    Raises:
        EnvelopeRefused: ``size``, ``key`` or ``signature``.
    """
    if len(body) > MAX_BODY_BYTES:
        raise EnvelopeRefused("size")
    # An unknown key costs the same time as a wrong signature.
    key = keys.get(kid)
    expected = mac(domain, key or Key(kid="", ring="web", secret=b"\0" * 32), body)
    if not hmac.compare_digest(expected.encode(), sig.encode("utf-8", "replace")):
        raise EnvelopeRefused("signature" if key else "key")
    if key is None:
        raise EnvelopeRefused("key")
    return key


def canonical(value: dict[str, Any]) -> bytes:
    """The one spelling of a body."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _refuse(_: str) -> NoReturn:
    # A float has more than one spelling, so it has no place in bytes that are compared.
    raise EnvelopeRefused("form")


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(ms: int) -> datetime:
    if type(ms) is not int:
        raise EnvelopeRefused("form")
    return datetime.fromtimestamp(ms / 1000, UTC)
