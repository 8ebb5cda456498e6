"""Medians, ratios and aims: from the samples of all rounds to a table and JSON."""

from __future__ import annotations

import platform
import statistics
from dataclasses import dataclass, field
from typing import Any

WORLDS = ("native", "bwrap", "sandbox")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is measured.

    Attributes:
        unit: `µs`, `ms` or `MiB/s`; of the last, more is better.
        aim: What the sandbox should reach, in words; empty when nothing was promised.
        limit: The number in the aim.
        over: The world that the limit is a ratio to, or None when it is in the item's unit.
    """

    unit: str
    aim: str = ""
    limit: float = 0.0
    over: str | None = None

    @property
    def is_rate(self) -> bool:
        """True when more is better."""
        return self.unit == "MiB/s"


ITEMS: dict[str, Item] = {
    "pipeline miss": Item("µs"),
    "pipeline hit": Item("µs"),
    "mediate miss": Item("µs", "≤ 8 µs, record included", 8),
    "mediate hit": Item("µs", "≤ 4 µs, record included", 4),
    "lookup missing": Item("µs", "≤ 20 µs", 20),
    "lookup": Item("µs", "≤ 20 µs", 20),
    "open+read+close cold": Item("µs", "≤ 100 µs", 100),
    "open+read+close warm": Item("µs"),
    "create+write+close": Item("µs"),
    "read workspace first": Item("MiB/s"),
    "read workspace again": Item("MiB/s"),
    "read system first": Item("MiB/s"),
    "read system again": Item("MiB/s", "≥ 70 % of native", 0.7, "native"),
    "write": Item("MiB/s"),
    "python first": Item("ms", "≤ 2 × bwrap", 2, "bwrap"),
    "python later": Item("ms", "≤ 1.2 × bwrap", 1.2, "bwrap"),
    "git status first": Item("ms"),
    "git status second": Item("ms"),
    "launch /bin/true": Item("ms", "≤ 120 ms", 120),
}


@dataclass(slots=True)
class Samples:
    """Everything that was measured: item → world → values, one or more a round."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, world: str, measured: dict[str, float] | dict[str, list[float]]) -> None:
        """Take what one run in a world has measured."""
        for item, value in measured.items():
            into = self.values.setdefault(item, {}).setdefault(world, [])
            into.extend(value if isinstance(value, list) else [value])

    def median(self, item: str, world: str) -> float | None:
        """Return the median, or None when it was not measured."""
        found = self.values.get(item, {}).get(world)
        return statistics.median(found) if found else None

    def ratio(self, item: str, over: str) -> float | None:
        """Return the sandbox's median divided by another world's."""
        ours, theirs = self.median(item, "sandbox"), self.median(item, over)
        return ours / theirs if ours is not None and theirs else None


def is_met(name: str, samples: Samples) -> bool | None:
    """Return whether the aim is reached; None without an aim or a measurement."""
    item = ITEMS[name]
    value = samples.median(name, "sandbox") if item.over is None else samples.ratio(name, item.over)
    if not item.aim or value is None:
        return None
    return value >= item.limit if item.is_rate else value <= item.limit


def table(samples: Samples) -> list[str]:
    """Return the report as lines."""
    rows: list[tuple[str, ...]] = [("item", "unit", *WORLDS, "÷native", "÷bwrap", "aim", "")]
    for name, item in ITEMS.items():
        if name in samples.values:
            medians = [_number(samples.median(name, world)) for world in WORLDS]
            ratios = [_ratio(samples.ratio(name, over)) for over in ("native", "bwrap")]
            mark = {None: "", True: "met", False: "MISSED"}[is_met(name, samples)]
            rows.append((name, item.unit, *medians, *ratios, item.aim, mark))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_cell(row, column, widths) for column in range(len(row))).rstrip() for row in rows]


def _cell(row: tuple[str, ...], column: int, widths: list[int]) -> str:
    is_number = 2 <= column <= 6
    return row[column].rjust(widths[column]) if is_number else row[column].ljust(widths[column])


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"


def as_json(samples: Samples, rounds: int) -> dict[str, Any]:
    """Return medians, all values, ratios and aims as JSON."""
    items = {}
    for name, item in ITEMS.items():
        if name in samples.values:
            items[name] = {
                "unit": item.unit,
                "median": {world: samples.median(name, world) for world in WORLDS},
                "ratio": {over: samples.ratio(name, over) for over in ("native", "bwrap")},
                "aim": item.aim or None,
                "met": is_met(name, samples),
                "values": samples.values[name],
            }
    host = {"kernel": platform.release(), "machine": platform.machine(), "python": platform.python_version()}
    return {"rounds": rounds, "host": host, "items": items}
