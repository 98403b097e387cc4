"""The state in one JSON file: written whole and put in place at once, read back by the types of the dataclasses."""

from __future__ import annotations

import json
import os
import types
import typing
from collections import Counter
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from kovra.sandbox.effects import Effects
from kovra.sandbox.oauth import Grant
from kovra.sandbox.theatre import Played
from kovra.sandbox.world import World

#: Raised when the form of the file changes; an older file is refused with a clear sentence.
FORM = 1


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """What outlives the process: the world, what it counted, who is signed in, and the scenes that go on."""

    world: World
    form: int = FORM
    effects: Effects = field(default_factory=Effects)
    grants: list[Grant] = field(default_factory=list)
    scenes: list[Played] = field(default_factory=list)


def save(snapshot: Snapshot, path: Path) -> None:
    """Write the file beside its place, then put it there; a crash leaves the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".new")
    with draft.open("w") as file:
        json.dump(encode(snapshot), file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def load(path: Path) -> Snapshot | None:
    """Read the file; None when there is none.

    Raises:
        ValueError: the file has another form.
    """
    if not path.exists():
        return None
    data = json.loads(path.read_text())
    if data.get("form") != FORM:
        raise ValueError(f"{path} has form {data.get('form')}, not {FORM}: delete it to start anew")
    return decode(Snapshot, data)


def encode(value: Any) -> Any:
    """A value of the state as JSON: dataclasses become objects, moments text, keys text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _types_of(type(value))}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [encode(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def decode(kind: Any, data: Any) -> Any:
    """The value of a type that ``encode`` made this of."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if data is None else _decode_union(inner, data)
    if is_dataclass(kind):
        known = _types_of(kind)
        return kind(**{name: decode(known[name], item) for name, item in data.items() if name in known})
    if kind is datetime:
        return datetime.fromisoformat(data)
    if origin is Counter:
        return Counter(data)
    if origin is dict:
        key_of = int if inner[0] is int else str
        return {key_of(key): decode(inner[1], item) for key, item in data.items()}
    if origin is list:
        return [decode(inner[0], item) for item in data]
    return data


def _decode_union(kinds: tuple[Any, ...], data: Any) -> Any:
    """Text may be a moment where the type allows one, an object a dataclass; plain values stay what they are."""
    if isinstance(data, dict):
        return decode(next(kind for kind in kinds if is_dataclass(kind)), data)
    return datetime.fromisoformat(data) if datetime in kinds else data


@cache
def _types_of(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}
