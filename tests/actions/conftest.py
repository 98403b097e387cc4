"""Requests, people and keys for the pure room."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from kovra.actions.envelope import Key
from kovra.actions.request import TO_SERVER, Action, ActionRequest, Source
from kovra.ids import GuildId, UserId
from tests.wishes import needed

GUILD = GuildId(110_000_000_000_000_001)
MODERATOR = UserId(120_000_000_000_000_002)
TARGET = UserId(130_000_000_000_000_003)
REQUEST = UUID("0192f5a0-0000-7000-8000-000000000001")
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def a() -> Callable[..., ActionRequest]:
    """``a(Action.BAN, reason=…)``: a good request with what is named changed."""

    def make(action: Action = Action.BAN, **changed: Any) -> ActionRequest:
        given: dict[str, Any] = {
            "request_id": REQUEST,
            "guild_id": GUILD,
            "action": action,
            "target_id": GUILD if action in TO_SERVER else TARGET,
            "moderator_id": MODERATOR,
            "source": Source.DASHBOARD,
            "reason": "spam",
            "issued_at": NOON,
            "params": needed(action),
        }
        return ActionRequest(**(given | changed))

    return make


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def web_key() -> Key:
    return Key(kid="w1", ring="web", secret=b"w" * 32)


@pytest.fixture
def guard_key() -> Key:
    return Key(kid="g1", ring="guard", secret=b"g" * 32)
