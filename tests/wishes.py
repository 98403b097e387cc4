"""What an action cannot be asked for without, for tests that go through all of them."""

from __future__ import annotations

from kovra.actions.request import Action

ROLE = 140_000_000_000_000_004

#: The smallest good parameters.
NEEDED = {
    Action.MUTE: {"duration_s": 600},
    Action.ROLE_ADD: {"role_id": ROLE},
    Action.ROLE_REMOVE: {"role_id": ROLE},
}


def needed(action: Action) -> dict[str, int]:
    return dict(NEEDED.get(action, {}))
