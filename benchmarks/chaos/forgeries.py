"""What somebody who can write to Redis can put on a lane: every field spoiled in every way, and what is no entry.

All of it is made from a true envelope. Some is signed again with the true key, as somebody who stole it could: then
only the form and the row stand in its way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kovra.actions.envelope import Key
from kovra.queue.outbox import lane_message

#: What travels: eleven fields of the body, and the three parts of the entry.
BODY_FIELDS = (
    *("action", "expires_at", "guild_id", "issued_at", "moderator_id", "params"),
    *("reason", "request_id", "source", "target_id", "v"),
)
PARTS = ("body", "kid", "sig")

#: A Cyrillic letter, a full-width digit and a zero-width joiner: they look like what they are not.
_CONFUSABLE = {"a": "\u0430", "e": "\u0435", "1": "\uff11", "2": "\uff12"}


@dataclass(frozen=True)
class Envelope:
    """A true envelope, and where it belongs."""

    guild_id: int
    target_id: int
    request_id: str
    body: bytes
    kid: str
    sig: str


@dataclass(frozen=True)
class Forgery:
    """One entry of a lane. ``fields`` are those of the stream's entry; ``copy`` says that it is true to the letter."""

    what: str
    lane: int
    fields: dict[str, bytes | str]
    copy: bool = False


def sign(key: Key, body: bytes) -> str:
    """A good signature over any bytes."""
    return hmac.new(key.secret, b"kovra.action.v1\0" + key.kid.encode() + b"\0" + body, hashlib.sha256).hexdigest()


def spoiled(true: Envelope, key: Key) -> Iterator[Forgery]:
    """Every field in every way; those of the body under the old signature and under a new one."""
    for field in BODY_FIELDS:
        for way, spoil in WAYS.items():
            body = spoil(json.loads(true.body), field)
            if body == true.body:
                continue
            yield _entry(f"{way} {field}", true, body=body)
            yield _entry(f"{way} {field}, signed again", true, body=body, sig=sign(key, body))
    for part in PARTS:
        for way, change in _PART_WAYS.items():
            parts = {"body": base64.b64encode(true.body).decode(), "kid": true.kid, "sig": true.sig}
            yield _entry(f"{way} {part}", true, kwargs=change(parts, part))


def whole(true: Envelope, other: Key, guard: Key, forger: Key, elsewhere: int, number: int) -> Iterator[Forgery]:
    """Forged, signed again, of another ring, on another lane, never accepted, stale, and true copies."""
    facts = json.loads(true.body)
    never = _canonical(facts | {"request_id": true.request_id[:24] + f"{number:012x}"})
    stale = _canonical(facts | {"expires_at": 1_600_000_000_000, "issued_at": 1_599_996_400_000})
    as_guard = _canonical(facts | {"source": "automod"})
    own = Key(kid=true.kid, ring="web", secret=other.secret)
    yield _entry("forged", true, sig=sign(forger, true.body))
    yield _entry("forged, an unknown key", true, kid=forger.kid, sig=sign(forger, true.body))
    yield _entry("signed again with another key of the ring", true, kid=other.kid, sig=sign(other, true.body))
    yield _entry("another key under this name", true, sig=sign(own, true.body))
    yield _entry("never accepted", true, body=never, kid=other.kid, sig=sign(other, never))
    yield _entry("stale", true, body=stale, kid=other.kid, sig=sign(other, stale))
    yield _entry("the dashboard's key for Guard", true, body=as_guard, kid=other.kid, sig=sign(other, as_guard))
    yield _entry("Guard's key for the dashboard", true, kid=guard.kid, sig=sign(guard, true.body))
    yield _entry("another lane", true, lane=elsewhere)
    yield _entry("another lane, and says so", true, lane=elsewhere, says=elsewhere)
    yield _entry("a true copy", true, copy=True)
    yield _entry("a true copy under another message id", true, message_id=f"copy-{number}", copy=True)


def garbage(true: Envelope) -> Iterator[Forgery]:
    """No entry of ours at all."""
    message = json.loads(_message(true).encode())
    nested = b"[" * 30_000 + b"]" * 30_000
    deep = json.dumps(message | {"kwargs": {"body": 1}}).replace("1", "[" * 9_000 + "]" * 9_000, 1).encode()
    yield Forgery("no field of ours", true.guild_id, {"x": "y"})
    yield Forgery("no text", true.guild_id, {"d": b"\xff\xfe\x00", "o": "", "k": ""})
    yield Forgery("60 KB nested", true.guild_id, {"d": nested, "o": "", "k": ""})
    yield Forgery(
        "nested, within the limit", true.guild_id, {"d": nested[:15_000] + nested[-15_000:], "o": "", "k": ""}
    )
    yield Forgery("a message of nested parts", true.guild_id, {"d": deep, "o": "", "k": ""})
    yield Forgery("many fields", true.guild_id, {f"f{number}": "x" for number in range(200)})
    for change in (
        {"queue_name": "elsewhere"},
        {"actor_name": "drop_tables"},
        {"args": ["x"]},
        {"args": "x"},
        {"kwargs": None},
        {"options": None},
        {"options": message["options"] | {"eta": 1}},
        {"options": message["options"] | {"lane": "default"}},
        {"options": message["options"] | {"priority": 1}},
        {"message_id": 7},
        {"message_timestamp": "soon"},
    ):
        what = f"a message with another {next(iter(change))}"
        payload = json.dumps(message | change).encode()
        fields = {"d": payload, "o": message["options"]["order_key"], "k": message["options"]["lock"]}
        yield Forgery(what, true.guild_id, fields)
    yield Forgery("another order key", true.guild_id, {"d": json.dumps(message).encode(), "o": "mine", "k": ""})


def _spoil(change: Callable[[dict[str, Any], str], dict[str, Any]]) -> Callable[[dict[str, Any], str], bytes]:
    return lambda facts, field: _canonical(change(facts, field))


def _flip(facts: dict[str, Any], field: str) -> dict[str, Any]:
    value = facts[field]
    if isinstance(value, int):
        return facts | {field: value + 1}
    if isinstance(value, dict):
        return facts | {field: {"delete_window_s": 1, **{name: 1 + given for name, given in value.items()}}}
    last = value[-1:]
    return facts | {field: value[:-1] + ("0" if last != "0" else "1")}


def _type(facts: dict[str, Any], field: str) -> dict[str, Any]:
    value = facts[field]
    return facts | {field: [value] if isinstance(value, (str, dict)) else str(value)}


def _twice(facts: dict[str, Any], field: str) -> bytes:
    """The same field again, with something else in it, before the true one."""
    return b"{" + json.dumps(field).encode() + b':"x",' + _canonical(facts)[1:]


def _whitespace(facts: dict[str, Any], field: str) -> bytes:
    name = json.dumps(field).encode() + b":"
    return _canonical(facts).replace(name, name + b" ", 1)


def _confusable(facts: dict[str, Any], field: str) -> dict[str, Any]:
    value = facts[field]
    if not isinstance(value, str):
        return {("\u0430" + name if name == field else name): given for name, given in facts.items()}
    looks = "".join(_CONFUSABLE.get(letter, letter) for letter in value)
    return facts | {field: looks if looks != value else value + "\u200d"}


WAYS: dict[str, Callable[[dict[str, Any], str], bytes]] = {
    "flip": _spoil(_flip),
    "drop": _spoil(lambda facts, field: {name: value for name, value in facts.items() if name != field}),
    "add": _spoil(lambda facts, field: facts | {f"{field}_": facts[field]}),
    "type": _spoil(_type),
    "duplicate": _twice,
    "whitespace": _whitespace,
    "confusable": _spoil(_confusable),
}

_PART_WAYS: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "flip": lambda parts, part: parts | {part: ("B" if parts[part][:1] != "B" else "C") + parts[part][1:]},
    "drop": lambda parts, part: {name: value for name, value in parts.items() if name != part},
    "add": lambda parts, part: parts | {f"{part}_": parts[part]},
    "type": lambda parts, part: parts | {part: [parts[part]]},
    "duplicate": lambda parts, part: parts | {part: parts[part] * 2},
    "whitespace": lambda parts, part: parts | {part: parts[part][:4] + " " + parts[part][4:]},
    "confusable": lambda parts, part: parts | {part: parts[part][:-1] + "\u0430"},
}


def _entry(
    what: str,
    true: Envelope,
    *,
    body: bytes | None = None,
    kid: str | None = None,
    sig: str | None = None,
    lane: int | None = None,
    says: int | None = None,
    message_id: str | None = None,
    kwargs: dict[str, Any] | None = None,
    copy: bool = False,
) -> Forgery:
    message = _message(true, body=body, kid=kid, sig=sig, says=says)
    if kwargs is not None:
        message = message.copy(kwargs=kwargs)
    if message_id is not None:
        message = message.copy(message_id=message_id)
    options = message.options
    fields = {"d": message.encode(), "o": options["order_key"], "k": options["lock"]}
    return Forgery(what, lane or true.guild_id, fields, copy)


def _message(
    true: Envelope, body: bytes | None = None, kid: str | None = None, sig: str | None = None, says: int | None = None
) -> Any:
    return lane_message(
        guild_id=says or true.guild_id,  # type: ignore[arg-type]
        target_id=true.target_id,  # type: ignore[arg-type]
        request_id=true.request_id,
        body=true.body if body is None else body,
        kid=true.kid if kid is None else kid,
        sig=true.sig if sig is None else sig,
    )


def _canonical(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
