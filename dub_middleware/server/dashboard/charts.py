"""Geometry of the charts: numbers in, coordinates and SVG path data out, nothing of a page in it.

A plot is ``WIDTH`` wide and ``HEIGHT`` high and is stretched to the space there is
(``preserveAspectRatio="none"``), lines keeping their width; whatever must not be stretched (text, dots) is
placed by percentages beside it. Zero is always at the bottom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 100
_LINES = 4  # grid lines above zero


@dataclass(frozen=True, slots=True)
class Scale:
    """The vertical axis: ``ticks`` are evenly spaced from ``top`` down to 0."""

    top: float
    ticks: tuple[float, ...]

    def y(self, value: float) -> float:
        """Where a value is, from 0 at the top of the plot to 1 at its bottom."""
        return 1 - value / self.top


@dataclass(frozen=True, slots=True)
class Line:
    """One series. ``dashed`` are the pieces to buckets that are not whole; ``area`` reaches the bottom."""

    path: str
    dashed: str
    area: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label below the plot at ``x`` percent; ``is_minor`` ones give way where there is little room."""

    index: int
    x: float
    anchor: str
    is_minor: bool


def scale(highest: float, *, unit: float = 1) -> Scale:
    """The axis for values up to ``highest``: round numbers, never below ``unit`` apart."""
    step = max(_round_up(highest / _LINES, unit), unit)
    lines = max(1, math.ceil(highest / step)) if highest else _LINES
    lines = max(lines, 2)
    return Scale(step * lines, tuple(step * index for index in range(lines, -1, -1)))


def x(index: int, count: int) -> float:
    """Where a bucket is, from 0 at the left to 1 at the right; a single one is in the middle."""
    return index / (count - 1) if count > 1 else 0.5


def line(
    values: Sequence[float], axis: Scale, *, slots: int, begins_cut: bool = False, ends_cut: bool = False
) -> Line:
    """Draw ``values`` from the left over a plot of ``slots`` buckets; a cut one is not a whole bucket."""
    points = [
        (_round(x(index, slots) * WIDTH), _round(axis.y(value) * HEIGHT))
        for index, value in enumerate(values)
    ]
    if not points:
        return Line("", "", "")
    if len(points) == 1:
        # a bucket alone has no slope: a stroke from edge to edge of its slot
        (_, height) = points[0]
        points = [(0, height), (WIDTH if slots == 1 else _round(WIDTH / slots / 2), height)]
    area = f"{_path(points)}V{HEIGHT}H{points[0][0]:g}Z"
    if len(values) == 1:
        return Line(_path(points), "", area)
    solid = points[1 if begins_cut else 0 : -1 if ends_cut else None]
    pieces = ([points[:2]] if begins_cut else []) + ([points[-2:]] if ends_cut else [])
    return Line(
        path=_path(solid) if len(solid) > 1 else "",
        dashed="".join(_path(piece) for piece in pieces),
        area=area,
    )


def ticks(count: int, *, most: int = 7, from_start: bool = False, among: Sequence[int] = ()) -> list[Tick]:
    """Spread at most ``most`` labels over ``count`` buckets, every second of them minor.

    The last bucket has one, or with ``from_start`` the first; ``among`` names those that may have one.
    """
    places = among or range(count)
    if not places:
        return []
    step = max(1, math.ceil((len(places) - 1) / (most - 1))) if len(places) > most else 1
    found = []
    for place, index in enumerate(places[::step] if from_start else places[::-step]):
        where = x(index, count)
        anchor = "start" if where < 0.04 else "end" if where > 0.96 else "middle"
        found.append(Tick(index, _round(where * 100), anchor, place % 2 == 1))
    return found


@dataclass(frozen=True, slots=True)
class Band:
    """One step of a funnel, in a plot of its own and mirrored around the middle.

    ``path`` is what is left, flat and then curving to the height of the next step; ``before`` is how high, in
    percent, the step before was: the difference has dropped off.
    """

    path: str
    before: float


def funnel(counts: Sequence[int]) -> list[Band]:
    """The bands of a funnel's steps, the largest as high as the plot."""
    highest = max(counts, default=0)
    heights = [_band(count, highest) for count in counts]
    return [
        Band(
            path=_flow(height, heights[index + 1 : index + 2]),
            before=_round(max(heights[index - 1], height) * 100) if index else 0,
        )
        for index, height in enumerate(heights)
    ]


def _band(count: int, highest: int) -> float:
    # what is there is seen, however little it is
    return max(count / highest, 0.02) if count and highest else 0.0


def _flow(height: float, following: Sequence[float]) -> str:
    if not height:
        return ""
    top, bottom = _edges(height)
    if not following:
        return f"M0,{top}H{WIDTH}V{bottom}H0Z"
    next_top, next_bottom = _edges(following[0])
    start, bend = 550, 780
    return (
        f"M0,{top}H{start}C{bend},{top} {bend},{next_top} {WIDTH},{next_top}"
        f"V{next_bottom}C{bend},{next_bottom} {bend},{bottom} {start},{bottom}H0Z"
    )


def _edges(height: float) -> tuple[str, str]:
    half = height * HEIGHT / 2
    return f"{_round(HEIGHT / 2 - half):g}", f"{_round(HEIGHT / 2 + half):g}"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{across:g},{down:g}" for across, down in points)


def _round(value: float) -> float:
    return round(value, 2)


def _round_up(value: float, unit: float) -> float:
    """The next of 1, 2, 5 times a power of ten, or of 2.5 where that is a whole number of units."""
    if value <= 0:
        return 0
    power = float(10 ** math.floor(math.log10(value)))
    steps = (factor * power for factor in (1, 2, 2.5, 5, 10) if factor != 2.5 or factor * power % unit == 0)
    return next(step for step in steps if value <= step * (1 + 1e-9))
