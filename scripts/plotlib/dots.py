"""Dot plots: a row for each thing, a mark for each series on one logarithmic axis, and a bar where an aim lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scripts.plotlib.svg import COLOURS, circle, document, line, shape, text

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _FOOT = 760, 190, 24, 74, 26, 44
_CORNERS = {
    1: ((-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)),
    2: ((0, -5.5), (5, 4), (-5, 4)),
    3: ((0, -6), (6, 0), (0, 6), (-6, 0)),
    4: ((0, 5.5), (5, -4), (-5, -4)),
}
"""Marks that are no circles: square, triangle, diamond, triangle on its head. Colour alone tells nothing to some."""

_FEW_DECADES = 2000.0
"""Beyond this, from the least to the most, only powers of ten are named."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the plot; what was not measured has no mark."""

    name: str
    values: Mapping[str, float]
    aim: float | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot.

    Attributes:
        axis: What the axis says; values are above zero.
        series: Their names, in order; the last is drawn larger, above the others.
        one: What the value 1 is, named above a stronger line there; empty where it is nothing.
    """

    title: str
    axis: str
    series: Sequence[str]
    rows: Sequence[Row] = field(default_factory=tuple)
    one: str = ""

    def draw(self) -> str:
        """Return an SVG document.

        Raises:
            ValueError: There is nothing to draw.
        """
        shown = [value for row in self.rows for value in [*row.values.values(), row.aim] if value is not None]
        if not shown or min(shown) <= 0:
            raise ValueError(f"{self.title}: nothing above zero to draw")
        scale = _scale([*shown, 1.0] if self.one else shown)
        height = _TOP + _ROW * len(self.rows) + _FOOT
        parts = [text(_WIDTH / 2, 22, self.title, "middle", 14), *self._legend(), *_axis(self.axis, scale, height)]
        parts += self._unity(scale, height)
        for number, row in enumerate(self.rows):
            parts += self._row(row, _TOP + _ROW * (number + 0.5), scale)
        return document(_WIDTH, height, parts)

    def _legend(self) -> list[str]:
        parts, left = [], float(_LEFT)
        for number, name in enumerate(self.series):
            parts += [self._mark(number, left, 46), text(left + 10, 50, name)]
            left += 28 + 7.2 * len(name)
        if any(row.aim is not None for row in self.rows):
            parts += [_bar(left, 46), text(left + 10, 50, "aim")]
        return parts

    def _unity(self, scale: Sequence[float], height: int) -> list[str]:
        if not self.one:
            return []
        at = _place(1.0, scale)
        return [line((at, _TOP - 6), (at, height - _FOOT), "frame"), text(at, _TOP - 9, self.one, "middle", 11)]

    def _row(self, row: Row, top: float, scale: Sequence[float]) -> list[str]:
        parts = [text(_LEFT - 12, top + 4, row.name, "end"), line((_LEFT, top), (_WIDTH - _RIGHT, top), "grid")]
        if row.aim is not None:
            parts.append(_bar(_place(row.aim, scale), top))
        for number, name in enumerate(self.series):
            if name in row.values:
                parts.append(self._mark(number, _place(row.values[name], scale), top))
        return parts

    def _mark(self, number: int, left: float, top: float) -> str:
        is_last = number == len(self.series) - 1
        style = f"c{5 if is_last else number % (COLOURS - 1)} filled"
        corners = _CORNERS.get(0 if is_last else number)
        if corners is None:
            return circle(left, top, 6.5 if is_last else 4.5, style)
        return shape([(left + across, top + down) for across, down in corners], style, closed=True)


def _scale(values: Sequence[float]) -> tuple[float, ...]:
    """Return the values that the axis names, of which the first and the last enclose all of these."""
    lowest, highest = min(values), max(values)
    exponents = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 2)
    steps = (1, 2, 5) if highest / lowest <= _FEW_DECADES else (1,)
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    first = max(number for number, tick in enumerate(ticks) if tick <= lowest or not number)
    last = next(number for number, tick in enumerate(ticks) if tick >= highest and number > first)
    return tuple(ticks[first : last + 1])


def _place(value: float, scale: Sequence[float]) -> float:
    share = math.log(value / scale[0]) / math.log(scale[-1] / scale[0])
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _axis(name: str, scale: Sequence[float], height: int) -> list[str]:
    bottom = height - _FOOT
    parts = []
    for value in scale:
        at = _place(value, scale)
        parts += [line((at, _TOP - 6), (at, bottom), "grid"), text(at, bottom + 16, f"{value:,g}", "middle")]
    return [*parts, text((_LEFT + _WIDTH - _RIGHT) / 2, bottom + 34, name, "middle")]


def _bar(left: float, top: float) -> str:
    return f'<rect x="{left - 1.5:.1f}" y="{top - 10:.1f}" width="3" height="20" class="ink"/>'
