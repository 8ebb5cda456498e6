"""Small line plots for the model card: axes from 0 to 1 or over a range, a line a series, a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.plotlib.svg import COLOURS, circle, document, line, shape, text

_WIDTH, _HEIGHT, _LEFT, _TOP, _SIZE_X, _SIZE_Y = 560, 400, 64, 40, 330, 300


@dataclass(frozen=True, slots=True)
class Series:
    """One line."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis."""

    name: str
    low: float = 0.0
    high: float = 1.0

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def ticks(self) -> list[float]:
        """Return the values that are named."""
        return [self.low + (self.high - self.low) * step / 5 for step in range(6)]


def plot(title: str, x: Axis, y: Axis, lines: Sequence[Series]) -> str:
    """Return an SVG document."""
    parts = [text(_LEFT + _SIZE_X / 2, 22, title, "middle", 14), *_axes(x, y)]
    for number, series in enumerate(lines):
        parts += _line(series, x, y, number)
    return document(_WIDTH, _HEIGHT, parts)


def _axes(x: Axis, y: Axis) -> list[str]:
    bottom = _TOP + _SIZE_Y
    parts = [f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIZE_X}" height="{_SIZE_Y}" class="frame"/>']
    for tick in x.ticks():
        at = _LEFT + x.share(tick) * _SIZE_X
        parts += [line((at, _TOP), (at, bottom), "grid"), text(at, bottom + 16, f"{tick:.3g}", "middle")]
    for tick in y.ticks():
        at = bottom - y.share(tick) * _SIZE_Y
        parts += [line((_LEFT, at), (_LEFT + _SIZE_X, at), "grid"), text(_LEFT - 8, at + 4, f"{tick:.3g}", "end")]
    parts.append(text(_LEFT + _SIZE_X / 2, bottom + 36, x.name, "middle"))
    middle = _TOP + _SIZE_Y / 2
    parts.append(f'<g transform="rotate(-90 16 {middle})">{text(16, middle, y.name, "middle")}</g>')
    return parts


def _line(series: Series, x: Axis, y: Axis, number: int) -> list[str]:
    bottom = _TOP + _SIZE_Y
    style = f"c{number % COLOURS}"
    spots = [(_LEFT + x.share(each[0]) * _SIZE_X, bottom - y.share(each[1]) * _SIZE_Y) for each in series.points]
    drawn = ' stroke-width="2"' + (' stroke-dasharray="5 4"' if series.dashed else "")
    parts = [shape(spots, style, more=drawn)]
    if series.marked:
        parts += [circle(left, top, 3.5, f"{style} filled") for left, top in spots]
    height, start = _TOP + 14 + 20 * number, _LEFT + _SIZE_X + 12
    parts.append(line((start, height - 4), (start + 20, height - 4), style, drawn))
    return [*parts, text(_LEFT + _SIZE_X + 38, height, series.name)]
