"""What an action cannot be asked for without, for tests that go through all of them."""

from __future__ import annotations

from kovra.actions.request import CASE_ACTS, NATIVE_ONLY, Action

ROLE = 140_000_000_000_000_004

#: The smallest good parameters.
NEEDED = {
    Action.MUTE: {"duration_s": 600},
    Action.ROLE_ADD: {"role_id": ROLE},
    Action.ROLE_REMOVE: {"role_id": ROLE},
    Action.PURGE: {"count": 5},
    Action.SLOWMODE: {"slow_s": 30},
    **{action: {"case_no": 1} for action in CASE_ACTS},
}

#: All that may be asked for.
ASKED = [action for action in Action if action not in NATIVE_ONLY]

#: All that makes a case, and does not change one.
MAKING = [action for action in ASKED if action not in CASE_ACTS]


def needed(action: Action) -> dict[str, int]:
    return dict(NEEDED.get(action, {}))
