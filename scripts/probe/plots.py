"""Small SVG line plots for the model card: axes from 0 to 1 or over a range, a line a series, a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _SIZE_X, _SIZE_Y = 560, 400, 64, 40, 330, 300
_COLOURS = ("#1f5fa8", "#c2571a", "#3c8a3f", "#7a4fa3", "#777777")


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
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT + _SIZE_X / 2, 22, title, "middle", 14),
        *_axes(x, y),
    ]
    for number, series in enumerate(lines):
        parts += _line(series, x, y, _COLOURS[number % len(_COLOURS)], number)
    return "\n".join([*parts, "</svg>", ""])


def _axes(x: Axis, y: Axis) -> list[str]:
    bottom = _TOP + _SIZE_Y
    parts = [f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIZE_X}" height="{_SIZE_Y}" fill="none" stroke="#444"/>']
    for tick in x.ticks():
        at = _LEFT + x.share(tick) * _SIZE_X
        parts.append(f'<line x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(_text(at, bottom + 16, f"{tick:.3g}", "middle"))
    for tick in y.ticks():
        at = bottom - y.share(tick) * _SIZE_Y
        parts.append(f'<line x1="{_LEFT}" y1="{at:.1f}" x2="{_LEFT + _SIZE_X}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, at + 4, f"{tick:.3g}", "end"))
    parts.append(_text(_LEFT + _SIZE_X / 2, bottom + 36, x.name, "middle"))
    middle = _TOP + _SIZE_Y / 2
    parts.append(f'<g transform="rotate(-90 16 {middle})">{_text(16, middle, y.name, "middle")}</g>')
    return parts


def _line(series: Series, x: Axis, y: Axis, colour: str, number: int) -> list[str]:
    bottom = _TOP + _SIZE_Y
    spots = [(_LEFT + x.share(each[0]) * _SIZE_X, bottom - y.share(each[1]) * _SIZE_Y) for each in series.points]
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top in spots)
    dash = ' stroke-dasharray="5 4"' if series.dashed else ""
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>']
    if series.marked:
        parts += [f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3.5" fill="{colour}"/>' for left, top in spots]
    height, start = _TOP + 14 + 20 * number, _LEFT + _SIZE_X + 12
    ends = f'x1="{start}" y1="{height - 4}" x2="{start + 20}" y2="{height - 4}"'
    parts.append(f'<line {ends} stroke="{colour}" stroke-width="2"{dash}/>')
    return [*parts, _text(_LEFT + _SIZE_X + 38, height, series.name, "start")]


def _text(left: float, top: float, text: str, anchor: str, size: int = 12) -> str:
    place = f'x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="#222">{escape(text)}</text>'
