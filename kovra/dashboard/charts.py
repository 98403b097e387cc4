"""Charts as numbers: where bars, lines and labels stand, in percent of their place. Templates draw them as SVG.

Nothing here knows of cases. Every chart is also drawn as a table, from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Lines across a chart, the one at zero left out.
GRID_LINES = 4


@dataclass(frozen=True, kw_only=True)
class Tick:
    """One line across, and what it stands for; ``y`` is from the top."""

    value: int
    y: float


@dataclass(frozen=True, kw_only=True)
class Part:
    """One piece of a stacked bar."""

    series: str
    y: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Column:
    """One bar with the ground it stands on. ``label`` names it under the axis, or is empty; ``title`` says it all."""

    x: float
    width: float
    bar_x: float
    bar_width: float
    label: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True, kw_only=True)
class Bars:
    ticks: Sequence[Tick]
    columns: Sequence[Column]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a heat map. ``level``: how dark, as :func:`shade` says; ``title`` says it all."""

    x: float
    y: float
    level: int
    title: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A path in a box of 100 by 100, and the same down to the axis."""

    path: str
    area: str


def ticks(highest: float) -> list[Tick]:
    """Round numbers from zero to above the highest value."""
    step = _step(max(highest, 1) / GRID_LINES)
    top = step * math.ceil(max(highest, 1) / step)
    return [Tick(value=value, y=_rounded(100 - 100 * value / top)) for value in range(0, top + 1, step)]


def bars(columns: Sequence[tuple[str, str, Mapping[str, int]]], order: Sequence[str], labelled: Sequence[int]) -> Bars:
    """Stacked bars.

    Args:
        columns: (label, title, series → value) from left to right.
        order: the series from the bottom up.
        labelled: the columns whose label is shown.
    """
    across = ticks(max((sum(values.values()) for _, _, values in columns), default=0))
    top, width = across[-1].value, 100 / max(len(columns), 1)
    shown = set(labelled)
    return Bars(
        ticks=across,
        columns=[
            Column(
                x=_rounded(at * width),
                width=_rounded(width),
                bar_x=_rounded(at * width + width * 0.17),
                bar_width=_rounded(width * 0.66),
                label=label if at in shown else "",
                title=title,
                parts=_stacked(values, order, top),
            )
            for at, (label, title, values) in enumerate(columns)
        ],
    )


def line(values: Sequence[float | None], top: float) -> Line:
    """A line through the values; a missing one is a gap."""
    step = 100 / max(len(values) - 1, 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((_rounded(at * step), _rounded(100 - 100 * min(value, top) / top)))
    # A lone value is a short dash: a path of one point draws nothing.
    drawn = [run if len(run) > 1 else _dash(*run[0]) for run in runs if run]
    paths = ["M" + "L".join(f"{x:g} {y:g}" for x, y in run) for run in drawn]
    areas = [f"{path}L{run[-1][0]:g} 100L{run[0][0]:g} 100Z" for path, run in zip(paths, drawn, strict=True)]
    return Line(path="".join(paths), area="".join(areas))


def _dash(x: float, y: float) -> list[tuple[float, float]]:
    start = min(x, 99.4)
    return [(_rounded(start), y), (_rounded(start + 0.6), y)]


def shade(value: int, highest: int) -> int:
    """How dark a field of a heat map is: 0 for nothing, 1 to 4."""
    return 0 if value == 0 else min(4, 1 + int(4 * (value - 1) / max(highest, 1)))


def fields(levels: Sequence[Sequence[tuple[int, str]]]) -> list[Field]:
    """A heat map: for each row its columns, each as how dark it is and what it says."""
    tall, wide = 100 / len(levels), 100 / len(levels[0])
    return [
        Field(x=_rounded(across * wide + 0.25), y=_rounded(down * tall + 0.8), level=level, title=title)
        for down, row in enumerate(levels)
        for across, (level, title) in enumerate(row)
    ]


def _stacked(values: Mapping[str, int], order: Sequence[str], top: int) -> list[Part]:
    parts, below = [], 0
    for series in order:
        value = values.get(series, 0)
        if value:
            below += value
            height = 100 * value / top
            # A hair of ground shows between the parts.
            parts.append(
                Part(series=series, y=_rounded(100 - 100 * below / top), height=_rounded(max(0.4, height - 0.4)))
            )
    return parts


def _step(least: float) -> int:
    size = 10 ** math.floor(math.log10(least)) if least >= 1 else 1
    return next(int(size * factor) for factor in (1, 2, 5, 10) if size * factor >= least)


def _rounded(value: float) -> float:
    return round(value, 2)
