"""What Discord adds to the embeds and components of a message before it gives them back. Pure."""

from __future__ import annotations

from itertools import count
from typing import Any

Json = dict[str, Any]

#: Component types that choose: from texts, users, roles, either, channels.
_SELECTS = frozenset({3, 5, 6, 7, 8})
_BUTTON, _CONTAINER, _SEPARATOR = 2, 17, 14


def embeds(given: list[Json] | None) -> list[Json]:
    """Embeds with their type, and fields that say whether they stand in line."""
    return [_embed(embed) for embed in given or []]


def components(given: list[Json] | None) -> list[Json]:
    """Components with their ids, numbered through the message, and the defaults of those that choose."""
    numbers = count(1)
    return [_component(component, numbers) for component in given or []]


def _embed(given: Json) -> Json:
    embed = {"type": "rich", **given}
    if embed.get("fields"):
        embed["fields"] = [{"inline": False, **item} for item in embed["fields"]]
    return embed


def _component(given: Json, numbers: count[int]) -> Json:
    component = {**given}
    # Zero and none both mean: Discord chooses.
    component["id"] = given.get("id") or next(numbers)
    kind = given.get("type")
    if kind in _SELECTS:
        component.setdefault("min_values", 1)
        component.setdefault("max_values", 1)
    elif kind == _BUTTON:
        component.setdefault("style", 2)
    elif kind == _CONTAINER:
        component.setdefault("accent_color", None)
        component.setdefault("spoiler", False)
    elif kind == _SEPARATOR:
        component.setdefault("spacing", 1)
        component.setdefault("divider", True)
    if "components" in given:
        component["components"] = [_component(inner, numbers) for inner in given["components"]]
    if isinstance(given.get("accessory"), dict):
        component["accessory"] = _component(given["accessory"], numbers)
    return component
