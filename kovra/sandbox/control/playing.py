"""Starting and stopping scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kovra.sandbox.control.asking import Ask, ControlError, Json, Table
from kovra.sandbox.scenes import SCENES

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

table = Table()


@table.on("GET", "scenes")
def _scenes(sandbox: Sandbox, ask: Ask) -> list[Json]:
    return sandbox.theatre.report()


@table.on("POST", "scenes")
async def _play(sandbox: Sandbox, ask: Ask) -> list[Json]:
    """Start or stop a scene: ``scene``, ``do`` (``start`` or ``stop``), ``seed``, ``pace``."""
    name, what = ask.body.get("scene"), ask.body.get("do", "start")
    if name not in SCENES:
        raise ControlError(f"scene must be one of {', '.join(SCENES)}")
    if what == "start":
        sandbox.theatre.start(name, seed=int(ask.body.get("seed", 7)), pace=float(ask.body.get("pace", 1)))
    elif what == "stop":
        sandbox.theatre.stop(name)
    else:
        raise ControlError("do must be start or stop")
    return sandbox.theatre.report()
