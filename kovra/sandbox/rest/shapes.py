"""The shapes of what clients send: text where text belongs, lists where lists do. Discord refuses the rest.

A number may come as text, as Discord allows. Ids are not here: their reader (``call.snowflake``) refuses what is none.
"""

from __future__ import annotations

from typing import Any

from kovra.sandbox import errors

#: Field -> what it must be when it is not null; ``[dict]`` is a list of objects.
_SHAPES: dict[str, type | list[type]] = {
    **dict.fromkeys(("name", "nick", "content", "topic", "description"), str),
    **dict.fromkeys(("hoist", "mentionable", "nsfw", "enabled", "enforce_nonce", "tts"), bool),
    **dict.fromkeys(("mute", "deaf", "archived", "locked", "invitable"), bool),
    **dict.fromkeys(("roles", "messages", "user_ids", "exempt_roles", "exempt_channels"), list),
    **dict.fromkeys(("embeds", "components", "permission_overwrites", "actions", "options"), [dict]),
    **dict.fromkeys(("message_reference", "allowed_mentions", "trigger_metadata", "data"), dict),
    **dict.fromkeys(("flags", "color", "verification_level", "trigger_type", "event_type", "allow", "deny"), int),
    **dict.fromkeys(("delete_message_seconds", "rate_limit_per_user", "type"), int),
    "features": [str],
}
_CODES: dict[type, tuple[str, str]] = {
    str: ("STRING_TYPE_CONVERT", "Could not interpret the value as string."),
    bool: ("BOOLEAN_TYPE_CONVERT", "Must be either true or false."),
    int: ("NUMBER_TYPE_COERCE", "Value is not int."),
    list: ("LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"),
    dict: ("DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType"),
}


def check(body: Any, kind: type) -> None:
    """Refuse a body that is not of its route's kind, or has a field of another shape."""
    if body is None:
        return
    if not isinstance(body, kind):
        raise _refusal("_", kind)
    if isinstance(body, dict):
        _check_fields(body, "")
        return
    for at, item in enumerate(body):
        if not isinstance(item, dict):
            raise _refusal(str(at), dict)
        _check_fields(item, f"{at}.")


def _check_fields(fields: dict[str, Any], where: str) -> None:
    for name in fields.keys() & _SHAPES.keys():
        value, shape = fields[name], _SHAPES[name]
        if value is None:
            continue
        if isinstance(shape, list):
            _check_list(value, shape[0], where + name)
        elif shape is int:
            if not _is_number(value):
                raise _refusal(where + name, int)
        elif not isinstance(value, shape):
            raise _refusal(where + name, shape)
        elif name == "data":
            _check_fields(value, where + "data.")


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.removeprefix("-").isdecimal() and value.isascii() and len(value) < 20
    return isinstance(value, int) and not isinstance(value, bool)


def _check_list(value: Any, of: type, where: str) -> None:
    if not isinstance(value, list):
        raise _refusal(where, list)
    for at, item in enumerate(value):
        if not isinstance(item, of):
            raise _refusal(f"{where}.{at}", of)


def _refusal(where: str, kind: type) -> errors.Refusal:
    return errors.invalid_form(where, *_CODES[kind])
