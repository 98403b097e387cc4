"""The cells of the matrix: which point of death can occur with which action, and which of them the quick form takes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from kovra.crash import BULK, DOOR, EXECUTOR, HALVES, RELAY, SCHEDULER

#: What is done to a person and uses them up; what sets a state that is there or not; what takes a case back.
PUNISHMENTS = ("ban", "temporary ban", "softban", "kick", "mute", "warn", "unban", "note")
ROLES = ("quarantine", "role_add", "role_remove")
#: Of these there is one target for all cells, so one is under way at a time and is lifted after.
PLACES = {"lock": "unlock", "lockdown": "lockdown_off"}
REVERSAL = "reversal"
ACTIONS = (*PUNISHMENTS, *ROLES, "purge", *PLACES, REVERSAL)

TOLD = frozenset({"ban", "temporary ban", "softban", "kick", "mute", "warn", "quarantine"})
DEEDS = frozenset(ACTIONS) - {"warn", "note"}
#: What is done in two calls with a point between them.
HALVED = frozenset({"softban", "purge"})

#: A mass ban of this many, and where its door and its chunk can die beside the points of a bulk call.
BULK_OF, MASS = 50, "bulk of 50"
MASS_POINTS = (
    *("before_accept", "after_accept", "after_enqueue", "before_answer", *RELAY, "after_read", "after_verify"),
    *("after_claim", "after_authz", *BULK, "after_probe", "after_log_intent", "after_log_post"),
    *("before_ack", "after_ack"),
)

#: Cells in the quick form, which are the same each time.
QUICK_CELLS = 24
SEED = 7


@dataclass
class Cell:
    """One point with one action, and what became of it. ``recovery_s`` runs from the death to the end."""

    point: str
    action: str
    request_id: str = ""
    hit: bool = False
    state: str = "never asked"
    recovery_s: float | None = None

    def __str__(self) -> str:
        return f"{self.point} × {self.action}"


def cells() -> list[Cell]:
    """Every cell that can occur."""
    points = (*DOOR, *RELAY, *SCHEDULER, *EXECUTOR, *HALVES)
    alone = [Cell(point, action) for point in points for action in ACTIONS if _occurs(point, action)]
    return alone + [Cell(point, MASS) for point in MASS_POINTS]


def sample() -> list[Cell]:
    """The cells of the quick form: each point of a bulk call, each half, each way to act, and others by lot."""
    dice, always = random.Random(SEED), [Cell(point, MASS) for point in BULK]
    always += [Cell(point, action) for point in HALVES for action in sorted(HALVED)]
    alone = [cell for cell in cells() if cell.action != MASS and cell.point not in HALVES]
    for action in (*ROLES, *PLACES, REVERSAL):
        always.append(dice.choice([cell for cell in alone if cell.action == action and cell.point in EXECUTOR]))
    return dice.sample([cell for cell in alone if cell not in always], QUICK_CELLS - len(always)) + always


def arming(cell: Cell) -> Sequence[str]:
    """The points at which somebody has to die for this cell to occur, in order."""
    if cell.point in (*DOOR, *SCHEDULER):
        return [cell.point]
    if cell.point in RELAY:
        return ["after_accept", cell.point]
    # All of a mass action this small is in its first chunk.
    bulk = cell.action == MASS
    message_id = f"{cell.request_id}.0" if bulk else cell.request_id
    if bulk and "_log_" in cell.point:
        # Its posts are nobody's entry: they go by the name of the job.
        return [f"{cell.point}@{cell.request_id}"]
    mine, call = [f"{cell.point}@{message_id}"], "after_bulk_call" if bulk else "after_effect_call"
    return [f"{call}@{message_id}", *mine] if cell.point == "after_probe" else mine


def _occurs(point: str, action: str) -> bool:
    """Left out: notices of what nobody is told of, effects of what changes nothing, ends of what does not end, halves
    of what is done in one call, and the doors of a reversal, which is asked for here without a page.
    """
    if point in HALVES:
        return action in HALVED
    if point in SCHEDULER:
        return action == "temporary ban"
    if point in (*DOOR, *RELAY) and action == REVERSAL:
        return False
    if "notice" in point:
        return action in TOLD
    return action in DEEDS if "effect" in point or point == "after_probe" else True
