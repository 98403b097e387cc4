"""The table of routes and how a path finds its own: one walk over the parts, no regular expression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kovra.sandbox.rest.call import Call

Handler = Callable[[Call], Any]


class Access(StrEnum):
    """Who may call a route: the bot, the holder of a Bearer token, either, or whoever holds the token in the path."""

    BOT = "bot"
    BEARER = "bearer"
    EITHER = "either"
    PATH = "path"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One operation of the API.

    Args:
        template: the path below ``/api/v10`` in Discord's form, such as ``/guilds/{guild_id}``.
        status: the status of a success with a body; one without is 204.
        body: what the JSON of the request must be.
    """

    method: str
    template: str
    handler: Handler
    access: Access
    status: int
    body: type

    @property
    def names(self) -> list[str]:
        return [part[1:-1] for part in self.template.split("/") if part.startswith("{")]


class Table:
    """The routes of one subject, gathered by a decorator."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def on(
        self, method: str, template: str, *, access: Access = Access.BOT, status: int = 200, body: type = dict
    ) -> Callable[[Handler], Handler]:
        """Register a handler; it returns the JSON of the answer, or None for 204."""

        def register(handler: Handler) -> Handler:
            self.routes.append(
                Route(method=method, template=template, handler=handler, access=access, status=status, body=body)
            )
            return handler

        return register


@dataclass(slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    routes: dict[str, tuple[Route, list[str]]] = field(default_factory=dict)


class Router:
    """All routes as a tree of path parts; a fixed part goes before a variable one."""

    def __init__(self, routes: list[Route]) -> None:
        self.routes = routes
        self._root = _Node()
        for route in routes:
            node = self._root
            for part in route.template.strip("/").split("/"):
                if part.startswith("{"):
                    node.variable = node.variable or _Node()
                    node = node.variable
                else:
                    node = node.fixed.setdefault(part, _Node())
            node.routes[route.method] = (route, route.names)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | set[str]:
        """The route and the values in its path; or the methods that the path does have, empty when it is unknown."""
        known: set[str] = set()
        found = self._walk(self._root, path.strip("/").split("/"), 0, [], method, known)
        return known if found is None else found

    def _walk(
        self, node: _Node, parts: list[str], at: int, values: list[str], method: str, known: set[str]
    ) -> tuple[Route, dict[str, str]] | None:
        if at == len(parts):
            hit = node.routes.get(method)
            known.update(node.routes)
            return None if hit is None else (hit[0], dict(zip(hit[1], values, strict=True)))
        part = parts[at]
        if fixed := node.fixed.get(part):
            found = self._walk(fixed, parts, at + 1, values, method, known)
            if found is not None:
                return found
        if node.variable is not None:
            return self._walk(node.variable, parts, at + 1, [*values, part], method, known)
        return None
