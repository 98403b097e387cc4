"""A dialog that somebody fills in: only what it asks, within its bounds, and back in Discord's form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kovra.sandbox.interactions import CommandRefused

Json = dict[str, Any]

#: Component types (API reference, Components): a row of text fields as dialogs used to have, and a label with a field.
_ROW, _SELECT, _TEXT, _LABEL = 1, 3, 4, 18
#: What a text field holds unless it says otherwise.
_MOST_TEXT = 4000


def filled_in(asked: Mapping[str, Any], shown: Mapping[str, Any] | None) -> Json:
    """What Discord sends when the dialog that is ``shown`` is sent with these ``fields``.

    Raises:
        CommandRefused: it is not open, or Discord's own dialog would not have let them be sent.
    """
    if shown is None:
        raise CommandRefused(f"no dialog {asked['custom_id']!r} is open")
    fields = dict(asked.get("fields") or {})
    numbers = iter(range(1, 1000))
    components = [_filled(component, fields, numbers) for component in shown["components"]]
    if fields:
        raise CommandRefused(f"the dialog has no field {', '.join(fields)}")
    return {"custom_id": asked["custom_id"], "components": components}


def _filled(component: Mapping[str, Any], fields: Json, numbers: Iterator[int]) -> Json:
    if component["type"] == _ROW:
        rows = [_field(each, fields, numbers) for each in component["components"]]
        return {"type": _ROW, "id": next(numbers), "components": rows}
    if component["type"] == _LABEL:
        number = next(numbers)
        return {"type": _LABEL, "id": number, "component": _field(component["component"], fields, numbers)}
    return {"type": component["type"], "id": next(numbers)}


def _field(field: Mapping[str, Any], fields: Json, numbers: Iterator[int]) -> Json:
    name = field["custom_id"]
    given = fields.pop(name, None)
    if field.get("required") is not False and given in (None, "", []):
        raise CommandRefused(f"{name} must be filled in")
    answer: Json = {"type": field["type"], "id": next(numbers), "custom_id": name}
    if field["type"] == _TEXT:
        text = "" if given is None else str(given)
        if len(text) > (field.get("max_length") or _MOST_TEXT):
            raise CommandRefused(f"{name} holds {field['max_length']} characters, not {len(text)}")
        return {**answer, "value": text}
    if field["type"] == _SELECT:
        chosen = [] if given in (None, "") else [str(each) for each in (given if isinstance(given, list) else [given])]
        known = {option["value"] for option in field["options"]}
        if not set(chosen) <= known:
            raise CommandRefused(f"{name} has no choice {', '.join(set(chosen) - known)}")
        return {**answer, "values": chosen}
    raise CommandRefused(f"the sandbox cannot fill in a component of type {field['type']}")
