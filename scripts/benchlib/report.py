"""Medians, ratios and aims: from the samples of all rounds to a table and JSON, and back."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WORLDS = ("native", "bwrap", "firejail", "nsjail", "sandlock", "sandbox")
"""Every column that there may be, in order; those of peers are there where the peer is installed."""
_REFERENCES = ("native", "bwrap")
"""What the sandbox's ratios are told to in the plain table."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is measured.

    Attributes:
        unit: `µs`, `ms` or `MiB/s`; of the last, more is better.
        aim: What the sandbox should reach, in words; empty when nothing was promised.
        limit: The number in the aim.
        over: The world that the limit is a ratio to, or None when it is in the item's unit.
        is_added: The limit is what may be added to that world's value, in the item's unit, and no ratio.
        about: What is done, for the report; empty where the name says it.
    """

    unit: str
    aim: str = ""
    limit: float = 0.0
    over: str | None = None
    is_added: bool = False
    about: str = ""

    @property
    def is_rate(self) -> bool:
        """True when more is better."""
        return self.unit == "MiB/s"


ITEMS: dict[str, Item] = {
    "launch /bin/true": Item("ms", "≤ 120 ms", 120, about="the whole process, from start to end"),
    "python first": Item("ms", "≤ 2 × bwrap", 2, "bwrap", about="`python -c pass`, the first in a session"),
    "python later": Item("ms", "≤ 1.2 × bwrap", 1.2, "bwrap", about="the five starts after it"),
    "git status first": Item("ms", "≤ 4 × native", 4, "native", about="5,000 files, the first in a session"),
    "git status second": Item("ms", "≤ 2 × native", 2, "native", about="the next one"),
    "pytest suite": Item("ms", "≤ 1.15 × native", 1.15, "native", about="the suite that jsonschema ships with itself"),
    "gcc build": Item("ms", "≤ 1.3 × native", 1.3, "native", about="`make` of 25 C files with system headers, -O1"),
    "unpack 3,000 files": Item("ms", "≤ 3 × native", 3, "native", about="`tar xzf` into the workspace"),
    "exec": Item("µs", "≤ 150 µs added", 150, "native", is_added=True, about="start and end of a static program"),
    "exec /bin/true": Item("µs", about="start and end of a program with libraries"),
    "lookup missing": Item("µs", "≤ 20 µs", 20, about="stat of a name that is not there"),
    "lookup": Item("µs", "≤ 20 µs", 20, about="stat of a file, for the first time"),
    "open+read+close cold": Item("µs", "≤ 100 µs", 100, about="a small file, for the first time"),
    "open+read+close warm": Item("µs", about="the same file again"),
    "create+write+close": Item("µs", about="a new file of 100 bytes"),
    "read workspace first": Item("MiB/s", about="a large file in pieces of 1 MiB"),
    "read workspace again": Item("MiB/s"),
    "read system first": Item("MiB/s", about="a large file of /usr"),
    "read system again": Item("MiB/s", "≥ 70 % of native", 0.7, "native"),
    "write": Item("MiB/s", about="a large new file in pieces of 1 MiB"),
    "pipeline miss": Item("µs", about="the layers alone: a call never seen"),
    "pipeline hit": Item("µs", about="… and a remembered one"),
    "mediate miss": Item("µs", "≤ 8 µs, record included", 8, about="layers and record: a call never seen"),
    "mediate hit": Item("µs", "≤ 4 µs, record included", 4, about="… and a remembered one"),
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

    def ratio(self, item: str, over: str, world: str = "sandbox") -> float | None:
        """Return a world's median divided by another world's."""
        ours, theirs = self.median(item, world), self.median(item, over)
        return ours / theirs if ours is not None and theirs else None

    def added(self, item: str, over: str) -> float | None:
        """Return the sandbox's median less another world's."""
        ours, theirs = self.median(item, "sandbox"), self.median(item, over)
        return ours - theirs if ours is not None and theirs is not None else None

    @property
    def worlds(self) -> tuple[str, ...]:
        """The worlds that something was measured in."""
        return tuple(world for world in WORLDS if any(world in values for values in self.values.values()))

    @property
    def items(self) -> dict[str, Item]:
        """The items that were measured, in the report's order."""
        return {name: item for name, item in ITEMS.items() if name in self.values}


def reached(name: str, samples: Samples) -> float | None:
    """Return what the aim is held against: a ratio, what is added, or the value itself."""
    item = ITEMS[name]
    if item.over is None:
        return samples.median(name, "sandbox")
    return samples.added(name, item.over) if item.is_added else samples.ratio(name, item.over)


def aim_value(name: str, samples: Samples) -> float | None:
    """Return the value in the item's unit that just meets the aim; None without an aim, or what it is told to."""
    item = ITEMS[name]
    if not item.aim or item.over is None:
        return item.limit or None
    theirs = samples.median(name, item.over)
    if theirs is None:
        return None
    return theirs + item.limit if item.is_added else theirs * item.limit


def is_met(name: str, samples: Samples) -> bool | None:
    """Return whether the aim is reached; None without an aim or a measurement."""
    item, value = ITEMS[name], reached(name, samples)
    if not item.aim or value is None:
        return None
    return value >= item.limit if item.is_rate else value <= item.limit


def table(samples: Samples) -> list[str]:
    """Return the report as lines."""
    worlds = samples.worlds
    rows: list[tuple[str, ...]] = [("item", "unit", *worlds, *(f"÷{over}" for over in _REFERENCES), "aim", "")]
    for name, item in samples.items.items():
        medians = [number(samples.median(name, world)) for world in worlds]
        ratios = [times(samples.ratio(name, over)) for over in _REFERENCES]
        mark = {None: "", True: "met", False: "MISSED"}[is_met(name, samples)]
        rows.append((name, item.unit, *medians, *ratios, item.aim, mark))
    justify: list[Callable[[str, int], str]] = [
        str.rjust if 2 <= column < 2 + len(worlds) + len(_REFERENCES) else str.ljust for column in range(len(rows[0]))
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(map(lambda do, cell, width: do(cell, width), justify, row, widths)).rstrip() for row in rows]


def number(value: float | None) -> str:
    """Return three digits of a value, or a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float | None) -> str:
    """Return a ratio in words, or a dash."""
    return "–" if value is None else f"{value:.2f}×"


def as_json(samples: Samples, about: dict[str, Any]) -> dict[str, Any]:
    """Return medians, all values, ratios and aims as JSON, with what there is to say about the run."""
    items = {}
    for name, item in samples.items.items():
        items[name] = {
            "unit": item.unit,
            "median": {world: samples.median(name, world) for world in samples.worlds},
            "ratio": {over: samples.ratio(name, over) for over in _REFERENCES},
            "aim": item.aim or None,
            "met": is_met(name, samples),
            "values": samples.values[name],
        }
    return {**about, "items": items}


def from_json(read: Any) -> Samples:
    """Return the samples of such a JSON value; medians, ratios and aims are made anew.

    Raises:
        ValueError: It is none of ours.
    """
    samples = Samples()
    try:
        for name, item in read["items"].items():
            values = {str(world): [float(value) for value in found] for world, found in item["values"].items()}
            if name not in ITEMS or not values.keys() <= set(WORLDS) or not all(values.values()):
                raise ValueError(f"there is no such item, world or value: {name}")
            samples.values[name] = values
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"these are no results of scripts/bench: {error!r}") from None
    return samples
