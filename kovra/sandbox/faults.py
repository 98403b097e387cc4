"""Faults on demand: an error or a lost answer, before the effect or after it, and latency."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kovra.sandbox.rest.routing import Route


class When(StrEnum):
    """Whether the thing asked for is done before the fault strikes."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault.

    Args:
        method, route: what it strikes; None is any. The route is a template, such as
            ``/guilds/{guild_id}/bans/{user_id}``.
        params: values in the path that must match, by name.
        when: before or after the effect.
        status: the answer; with ``drop`` the connection is closed instead and nothing is answered, with ``reset`` it
            ends in a TCP RST.
        code, message, headers, extra: of the answer.
        html: it answers a page, as Cloudflare does, and without the ``Via`` that Discord's own answers have.
        times: how often it strikes before it is spent; None is always.
        skip: how many matching requests pass first.
        delay_ms: waits this long before it strikes; one that strikes after the effect waits after the effect.
        share: strikes this share of what matches, 1 being all; the same dice for every sandbox.
    """

    id: int
    method: str | None = None
    route: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    when: When = When.BEFORE
    status: int = 502
    code: int = 0
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    drop: bool = False
    reset: bool = False
    via: bool = True
    html: bool = False
    times: int | None = 1
    skip: int = 0
    delay_ms: float = 0
    share: float = 1.0
    struck: int = 0

    def matches(self, route: Route, params: dict[str, str]) -> bool:
        if self.method not in (None, route.method) or self.route not in (None, route.template):
            return False
        return all(params.get(name) == value for name, value in self.params.items())

    def page(self) -> str:
        """What Cloudflare would show."""
        return f"<html><title>{self.status}</title>{self.message or 'You are being rate limited'}</html>"

    def body(self) -> dict[str, Any]:
        """What Discord's front would say."""
        return {"message": self.message or f"{self.status}: injected", "code": self.code, **self.extra}


class Faults:
    """The faults that are armed, and the latency of every answer in milliseconds."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.latency_ms = 0.0
        self._next_id = 1
        self._dice = random.Random(1)

    def arm(self, **what: Any) -> Fault:
        """Arm a fault; the arguments are those of :class:`Fault`."""
        fault = Fault(id=self._next_id, **what)
        self._next_id += 1
        self.armed.append(fault)
        return fault

    def clear(self) -> None:
        self.armed.clear()

    def strike(self, route: Route, params: dict[str, str]) -> Fault | None:
        """The fault for this request, counted as struck; a spent one is disarmed."""
        for fault in self.armed:
            if not fault.matches(route, params):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.share < 1 and self._dice.random() >= fault.share:
                continue
            fault.struck += 1
            if fault.times is not None and fault.struck >= fault.times:
                self.armed.remove(fault)
            return fault
        return None
