"""Are the gateway's events true? Each held against the schema made of the types that clients are written against.

The schema is draft 7, made of the package ``discord-api-types``; its path is handed in. Known deviations, coded here:

1. Bit fields are enums in the types; any combination of their bits is right, so they are read as whole numbers.
2. RESUMED has an object as its data: the types say there is none, and Pycord writes into it.
3. RATE_LIMITED names its opcode as a number, as the documentation has it; the types say so too, by the key of a map,
   which the schema turns into text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_PREFIX = "#/definitions/"
_UNION = "GatewayDispatchPayload"


class Dispatches:
    """The types of all events, read once.

    Args:
        path: the JSON schema of ``GatewayDispatchPayload``.
    """

    def __init__(self, path: Path) -> None:
        import jsonschema_rs

        self._validator_of: Any = jsonschema_rs.Draft7Validator
        schema = json.loads(path.read_text())
        self._definitions: dict[str, Any] = schema["definitions"]
        for name, definition in self._definitions.items():
            # Deviation 1.
            if name.endswith("Flags") and ("enum" in definition or "const" in definition):
                self._definitions[name] = {"type": "integer"}
        self._shapes: dict[str, list[Any]] = {}
        for shape in self._definitions[_UNION]["anyOf"]:
            for name in self._names_of(shape):
                self._shapes.setdefault(name, []).append(shape)
        self._validators: dict[str, Any] = {}

    @property
    def names(self) -> set[str]:
        """Every event the types know."""
        return set(self._shapes)

    def wrong(self, events: Iterable[str]) -> list[str]:
        """What is wrong with these events, as they went over the wire; each fault once."""
        found: dict[str, None] = {}
        for text in events:
            event = json.loads(text)
            for fault in self._faults(event):
                found[f"{event['t']} {fault}"] = None
        return list(found)

    def _faults(self, event: dict[str, Any]) -> list[str]:
        name = event["t"]
        if name == "RATE_LIMITED" and isinstance(event["d"].get("opcode"), int):
            # Deviation 3.
            event = {**event, "d": {**event["d"], "opcode": str(event["d"]["opcode"])}}
        # Deviation 2.
        if name == "RESUMED":
            return [] if isinstance(event["d"], dict) else ["has data that is no object"]
        if name not in self._shapes:
            return ["is no event"]
        validator = self._validators.get(name)
        if validator is None:
            shapes = self._shapes[name]
            top = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
            validator = self._validators[name] = self._validator_of({**top, "definitions": self._definitions})
        if validator.is_valid(event):
            return []
        return [f"{'/'.join(map(str, e.instance_path))}: {e.message[:300]}" for e in validator.iter_errors(event)]

    def _names_of(self, shape: Any) -> list[str]:
        """The event names a shape is for: the constants of its ``t``."""
        shape = self._resolved(shape)
        for part in shape.get("allOf", [shape]):
            t = self._resolved(self._resolved(part).get("properties", {}).get("t", {}))
            if names := t.get("enum") or ([t["const"]] if "const" in t else []):
                return list(names)
        return []

    def _resolved(self, shape: Any) -> Any:
        while "$ref" in shape:
            shape = self._definitions[unquote(shape["$ref"].removeprefix(_PREFIX))]
        return shape
