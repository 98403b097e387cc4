"""Addresses of rows: what is alike in those of one page is built once, and each row's number is put in its place."""

from __future__ import annotations

from typing import Any

from flask import g, url_for

#: A number that no row has and no address holds by chance: its place is where each row's goes.
_PLACE = 9_999_999_999_999_999_999


def url_each(endpoint: str, name: str, number: int, **given: Any) -> str:
    """As ``url_for(endpoint, **{name: number}, **given)``, for a list: it costs one ``url_for`` for all its rows.

    Nothing but a whole number is ever put in.
    """
    known: dict[Any, tuple[str, str]] = g.setdefault("addresses", {})
    asked = (endpoint, name, *given.items())
    if asked not in known:
        before, after = url_for(endpoint, **{name: _PLACE}, **given).split(str(_PLACE))
        known[asked] = before, after
    before, after = known[asked]
    return f"{before}{int(number)}{after}"
