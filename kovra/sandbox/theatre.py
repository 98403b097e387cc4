"""The scenes that play: started, stopped, and taken up again where the sandbox starts anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kovra.sandbox.interactions import Desk
from kovra.sandbox.scenes import ENDLESS, SCENES, Players
from kovra.sandbox.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A scene that goes on after the next start."""

    scene: str
    seed: int
    pace: float = 1.0


@dataclass(slots=True)
class _Playing:
    task: asyncio.Task[None]
    seed: int
    pace: float
    steps: int = 0


class Theatre:
    """The scenes that play. Each plays at most once at a time."""

    def __init__(self, stage: Stage, desk: Desk) -> None:
        self._stage, self._desk = stage, desk
        self._playing: dict[str, _Playing] = {}

    def start(self, name: str, *, seed: int = 7, pace: float = 1.0) -> None:
        """Start a scene, anew when it plays already; only inside a running loop.

        Args:
            pace: how many times faster than it is meant to be.

        Raises:
            KeyError: there is no such scene.
            ValueError: the pace is not above zero.
        """
        if not pace > 0:
            raise ValueError("pace must be above 0")
        steps = SCENES[name](Players(self._stage, self._desk, seed))
        self.stop(name)
        task = asyncio.get_running_loop().create_task(self._play(name, steps, pace))
        self._playing[name] = _Playing(task, seed, pace)
        self._stage.changed = True

    def stop(self, name: str | None = None) -> None:
        """Stop a scene, or all of them."""
        for each in [name] if name else list(self._playing):
            if playing := self._playing.pop(each, None):
                playing.task.cancel()
                self._stage.changed = True

    def to_keep(self) -> list[Played]:
        """What is to go on after the next start. A raid that was cut off is over."""
        return [
            Played(scene=name, seed=each.seed, pace=each.pace)
            for name, each in self._playing.items()
            if name in ENDLESS
        ]

    def resume(self, kept: Iterable[Played]) -> None:
        """Go on with what played before, with the next seed: the same words again would be a repetition."""
        for each in kept:
            self.start(each.scene, seed=each.seed + 1, pace=each.pace)

    def report(self) -> list[dict[str, object]]:
        """Every scene: what it is, whether it plays, and how many things happened in it so far."""
        found = []
        for name, scene in SCENES.items():
            playing = self._playing.get(name)
            about, steps = (scene.__doc__ or "").strip(), playing.steps if playing else 0
            found.append({"scene": name, "about": about, "playing": playing is not None, "steps": steps})
        return found

    async def _play(self, name: str, steps: Iterator[float], pace: float) -> None:
        try:
            for pause_s in steps:
                self._playing[name].steps += 1
                await asyncio.sleep(pause_s / pace)
        finally:
            mine = self._playing.get(name)
            if mine is not None and mine.task is asyncio.current_task():
                del self._playing[name]
