"""Addresses as templates ask for them: each is built once, and those of rows, which differ by a number, once for all.

A page has up to sixty, and building one costs as much as drawing a line of a list.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flask import g, request, url_for

#: Addresses that are kept, at some 300 bytes.
KEPT = 4096

#: A number that no row has and no address holds by chance: its place is where each row's goes.
_PLACE = 9_999_999_999_999_999_999


def url_once(endpoint: str, **given: Any) -> str:
    """As ``url_for``, in a request: the same endpoint and values have the same address for everybody who asks at the
    same host.
    """
    if any(isinstance(value, list) for value in given.values()):
        return url_for(endpoint, **given)  # filters, of which there are too many to keep
    return _built(request.url_root, endpoint, tuple(given.items()))


@lru_cache(maxsize=KEPT)
def _built(root: str, endpoint: str, given: tuple[tuple[str, Any], ...]) -> str:
    return url_for(endpoint, **dict(given))


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
