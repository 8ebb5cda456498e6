"""What the repository's plots have in common: one document, its colours on light and on dark paper, text.

A plot brings its own paper, so that it can be read on any page; a browser that prefers dark gets the dark one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_LIGHT = ("#1f5fa8", "#c2571a", "#3c8a3f", "#7a4fa3", "#777777", "#b3284f")
_DARK = ("#6aa9ef", "#f0955a", "#7cc97f", "#c09be8", "#a5a5a5", "#ff7d9e")
_INK = {"paper": ("#ffffff", "#15181d"), "ink": ("#222222", "#e4e6e9"), "grid": ("#dddddd", "#363c45")}
COLOURS = len(_LIGHT)
"""Series of a plot have the classes `c0` to this less one; `filled` ones are drawn by area, others by line."""


def document(width: int, height: int, parts: Iterable[str]) -> str:
    """Return an SVG document."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
            "<style>",
            *_rules(0),
            f"@media (prefers-color-scheme: dark) {{ {' '.join(_rules(1))} }}",
            "</style>",
            f'<rect width="{width}" height="{height}" class="paper"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _rules(scheme: int) -> list[str]:
    paper, ink, grid = (_INK[name][scheme] for name in ("paper", "ink", "grid"))
    rules = [f".paper {{ fill: {paper}; }}", f".ink {{ fill: {ink}; }}"]
    rules += [f".frame {{ fill: none; stroke: {ink}; }}", f".grid {{ stroke: {grid}; }}"]
    for number, colour in enumerate((_LIGHT, _DARK)[scheme]):
        rules.append(f".c{number} {{ stroke: {colour}; fill: none; }} .c{number}.filled {{ fill: {colour}; }}")
    return rules


def text(left: float, top: float, words: str, anchor: str = "start", size: int = 12) -> str:
    """Return a line of text; `anchor` says which end of it lies at `left`: start, middle or end."""
    place = f'x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} class="ink">{escape(words)}</text>'


def line(start: tuple[float, float], end: tuple[float, float], style: str, more: str = "") -> str:
    """Return a straight line of a class."""
    (left, top), (right, bottom) = start, end
    ends = f'x1="{left:.1f}" y1="{top:.1f}" x2="{right:.1f}" y2="{bottom:.1f}"'
    return f'<line {ends} class="{style}"{more}/>'


def shape(points: Sequence[tuple[float, float]], style: str, *, closed: bool = False, more: str = "") -> str:
    """Return a line through points, or the area that they enclose."""
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top in points)
    return f'<{"polygon" if closed else "polyline"} points="{path}" class="{style}"{more}/>'


def circle(left: float, top: float, radius: float, style: str) -> str:
    """Return a circle."""
    return f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{radius}" class="{style}"/>'
