"""A stage around the executor: actions are asked for there and executed in a world in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from kovra.actions import envelope
from kovra.actions.envelope import Key, Sealed
from kovra.actions.request import TO_SERVER, Action, ActionRequest, Source
from kovra.errors import Unavailable
from kovra.guard.execute import Execute
from kovra.guard.notices import Notices
from kovra.ids import new_request_id
from tests.guard.cast import GUARD_KEY, GUILD, KEY, MODERATOR, NOON, TARGET
from tests.guard.ledger_side import Ledger, Row
from tests.guard.story import Died
from tests.guard.world import World
from tests.wishes import needed


@dataclass
class Stage:
    """Asks for actions and executes them."""

    world: World
    keys: dict[str, Key] = field(default_factory=lambda: {"w1": KEY, "g1": GUARD_KEY})

    def ask(self, action: Action = Action.BAN, **changed: Any) -> Sealed:
        given: dict[str, Any] = {
            "request_id": new_request_id(),
            "guild_id": GUILD,
            "action": action,
            "target_id": GUILD if action in TO_SERVER else TARGET,
            "moderator_id": MODERATOR,
            "source": Source.DASHBOARD,
            "reason": "spam",
            "issued_at": NOON,
            "params": needed(action),
        }
        request = ActionRequest(**(given | changed))
        key = GUARD_KEY if request.source is Source.SYSTEM else KEY
        sealed = envelope.seal(request, key, NOON + timedelta(hours=1))
        self.world.rows[sealed.request.request_id] = Row(sealed)
        return sealed

    def run(self, sealed: Sealed, at: Callable[[str], None] = lambda _: None, **changed: Any) -> Row:
        """Execute an entry; its row afterwards."""
        ledger = Ledger(self.world)
        address = "https://kovra.example"
        world = {"roster": self.world, "discord": self.world, "busy": self.world.busy}
        notices = Notices(ledger=ledger, base_url=address, at=at, **world)
        execute = Execute(
            ledger=ledger,
            roster=self.world,
            discord=self.world,
            notices=notices,
            quarantine=self.world,
            bulletin=self.world,
            keys=self.keys,
            at=at,
        )
        entry = {"lane": GUILD, "body": sealed.body, "kid": sealed.kid, "sig": sealed.sig} | changed
        execute(**entry)
        return self.world.rows[sealed.request.request_id]

    def die_at(self, sealed: Sealed, point: str) -> bool:
        """Execute an entry in a process that dies at this point; whether it came that far."""

        def at(name: str) -> None:
            if name == point:
                raise Died

        try:
            self.run(sealed, at)
        except Died:
            return True
        return False


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def stage(world: World) -> Stage:
    return Stage(world)


@pytest.fixture
def died() -> type[BaseException]:
    return Died


@pytest.fixture
def away() -> Unavailable:
    return Unavailable("the database is away")


@pytest.fixture
def stranger(world: World) -> None:
    """The target is no member of the guild."""
    world.target = replace(world.target, member=False)
