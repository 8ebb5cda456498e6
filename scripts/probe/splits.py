"""Which rows are trained on and which are measured on.

`train`; `tools`, families (a program, an invented tool, a server, a template) that training never sees; `calibration`,
further such families, for temperature and thresholds; `authors`, rows of an author of whom training has nothing in the
same domain; `development`, a source of its own. Near-duplicates of what is measured are taken out of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts.probe import (
    generate_exec,
    generate_files,
    generate_incoming,
    generate_mcp,
    generate_net,
    generate_write,
)
from scripts.probe.dedup import without_lookalikes
from scripts.probe.everyday import everyday_rows
from scripts.probe.grammar import generated_rows
from scripts.probe.rows import Row, digest, labelled, read_lines, row_of
from scripts.probe.sources import bare_programs, development_rows, public_rows

_HELD_OUT, _CALIBRATION = 10, 5
"""Per cent of the families."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows of each split; `described` teaches meaning and needs no label."""

    train: list[Row]
    calibration: list[Row]
    tools: list[Row]
    authors: list[Row]
    development: list[Row]
    described: list[Row]


TEMPLATES = {
    "exec": generate_exec,
    "files": generate_files,
    "incoming": generate_incoming,
    "mcp": generate_mcp,
    "net": generate_net,
    "write": generate_write,
}
_TESTS = Path(__file__).resolve().parents[2] / "tests" / "data"
BENCHMARK = _TESTS / "mcp_benchmark.jsonl"
"""Measured on by `ablation`, never trained on."""
ORDINARY = _TESTS / "ordinary_argv.jsonl"
"""What a developer's tools start all day; all harmless, measured on. What training has alike stays there: that everyday
commands are harmless must be learnt, so `ablation` says apart what it has not seen."""
HELD_OUT_FILES = "heldout_*.jsonl"
"""Written by an author of whom training has nothing in the same field."""


def curated_rows(directory: Path, pattern: str | None = None) -> list[Row]:
    """Return the rows of our own data files. A family goes by name over all files of a source."""
    return [
        row_of(call, str(call.get("source") or path.stem), family=str(call.get("family") or path.stem))
        for path in _files(directory, pattern)
        for call in read_lines(path)
    ]


def template_rows() -> list[Row]:
    """Return the rows that the template files expand to."""
    return [
        row_of(call, f"templates.{name}", family=str(call.get("family")))
        for name, module in TEMPLATES.items()
        for call in module.rows()
    ]


def _files(directory: Path, pattern: str | None) -> list[Path]:
    """Return the files of a pattern; without one, all that may be trained on."""
    held = set(directory.glob(HELD_OUT_FILES))
    return sorted(directory.glob(pattern) if pattern else set(directory.glob("*.jsonl")) - held)


def place_of(row: Row) -> str:
    """Return the split that the row's family belongs to.

    Expanded templates have few and broad families, and what the product asks all day must be known: always learnt.
    """
    if row.source == "everyday" or row.source.startswith("templates."):
        return "train"
    at = int(digest("held out " + row.family)[:8], 16) % 100
    return "tools" if at < _HELD_OUT else "calibration" if at < _HELD_OUT + _CALIBRATION else "train"


def split(sources: Path, data: Path, *, release: bool = False) -> Splits:
    """Read everything and return the splits; a release is trained on all families, never on authors or development."""
    public = public_rows(sources)
    own = curated_rows(data)
    development = development_rows(sources)
    authors = [row for row in curated_rows(data, HELD_OUT_FILES) if row.label is not None]
    known = [
        *labelled(public),
        *bare_programs(public, 300),
        *generated_rows(),
        *everyday_rows(),
        *template_rows(),
        *own,
    ]
    parts: dict[str, list[Row]] = {"train": [], "calibration": [], "tools": []}
    for row in labelled(known):
        parts[place_of(row)].append(row)
    never = [*authors, *development, *(row_of(call, "benchmark") for call in read_lines(BENCHMARK))]
    measured = [*parts["tools"], *never]
    if release:
        clean = without_lookalikes(labelled(known), never)
    else:
        clean = without_lookalikes(parts["train"], [*measured, *parts["calibration"]])
    described = [row for row in public if row.describes and row.source in ("tldr", "atomic")]
    return Splits(
        train=clean,
        calibration=without_lookalikes(parts["calibration"], measured),
        tools=parts["tools"],
        authors=authors,
        development=development,
        described=without_lookalikes(described, never),
    )
