"""Check the training data: the committed rows of scripts/probe/data and what the generators make.

- every row has the fields of the schema, with values of their kinds, and a dangerous one has its category;
- ids are unique; a pair has rows of both labels;
- no two calls that the model reads alike are judged differently, whatever their case, quotes and spaces.

Prints one line a finding and the counts; ends with 1 when there is any finding. Run: python -m scripts.probe.check_data
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.probe.scorer import row_lines
from scripts.probe import (
    generate_exec,
    generate_files,
    generate_incoming,
    generate_mcp,
    generate_net,
    generate_write,
)
from scripts.probe.rows import CATEGORIES, DANGEROUS, SAFE
from scripts.probe.templates import DATA

Row = dict[str, Any]

GENERATORS = (generate_exec, generate_files, generate_incoming, generate_mcp, generate_net, generate_write)
FIELDS = {"id": str, "tool": str, "args": dict, "context": dict, "label": int, "family": str, "source": str}
OPTIONAL = frozenset({"category", "pair", "content"})
TOOLS = frozenset(Tool) | {"incoming"}
CONTEXT = {"task": str, "label": str, "taint": list, "workspace": str, "home": str, "burst": bool}
SOURCES = frozenset({"curated", "generated"})
_SAME = re.compile(r"[\s\"']+")


def main(folder: Path) -> int:
    """Print what is wrong with the rows and how many there are; return the exit status."""
    rows = [*committed(folder), *generated()]
    found = findings(rows)
    for finding in found:
        print(finding)
    print(summary(rows))
    return 1 if found else 0


def committed(folder: Path) -> Iterator[Row]:
    """Yield the rows of all files of a folder."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def generated() -> Iterator[Row]:
    """Yield the rows of all generators."""
    for generator in GENERATORS:
        yield from generator.rows()


def findings(rows: list[Row]) -> list[str]:
    """Return what is wrong, one line each."""
    return [*_malformed(rows), *_repeated(rows), *_lonely(rows), *_contradictions(rows)]


def summary(rows: list[Row]) -> str:
    """Return the counts by source, with the share of dangerous rows and the rows in pairs."""
    lines = []
    for source in sorted({row["source"] for row in rows}):
        chosen = [row for row in rows if row["source"] == source]
        bad = sum(row["label"] for row in chosen)
        paired = sum(1 for row in chosen if row.get("pair"))
        lines.append(f"{source}: {len(chosen)} rows, {bad} dangerous, {paired} in pairs")
    return "\n".join(lines)


def _malformed(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        for fault in _faults(row):
            yield f"{row.get('id')}: {fault}"


def _faults(row: Row) -> Iterator[str]:
    for name, kind in FIELDS.items():
        if type(row.get(name)) is not kind:
            yield f"{name} is no {kind.__name__}"
    if extra := row.keys() - FIELDS.keys() - OPTIONAL:
        yield f"unknown fields {sorted(extra)}"
    if row.get("tool") not in TOOLS:
        yield f"unknown tool {row.get('tool')}"
    if row.get("source") not in SOURCES:
        yield f"unknown source {row.get('source')}"
    yield from _label_faults(row)
    for key, value in row.get("context", {}).items():
        if type(value) is not CONTEXT.get(key):
            yield f"context has an unknown {key}, or one of another kind"


def _label_faults(row: Row) -> Iterator[str]:
    label, category = row.get("label"), row.get("category")
    if label == DANGEROUS and category not in CATEGORIES:
        yield f"a dangerous row of category {category}"
    elif label == SAFE and category is not None:
        yield "a safe row with a category"
    elif label not in (SAFE, DANGEROUS):
        yield f"label {label}"


def _repeated(rows: Iterable[Row]) -> Iterator[str]:
    for name, count in Counter(row.get("id") for row in rows).items():
        if count > 1:
            yield f"{name}: {count} rows have this id"


def _lonely(rows: Iterable[Row]) -> Iterator[str]:
    labels = defaultdict(set)
    for row in rows:
        if row.get("pair"):
            labels[row["pair"]].add(row["label"])
    for name, seen in labels.items():
        if seen != {SAFE, DANGEROUS}:
            yield f"{name}: a pair whose rows all have label {seen}"


def _contradictions(rows: Iterable[Row]) -> Iterator[str]:
    judged: dict[str, Row] = {}
    for row in rows:
        line = _SAME.sub(" ", "\n".join(row_lines(row)).lower()).strip()
        first = judged.setdefault(line, row)
        if first["label"] != row["label"]:
            yield f"{row['id']}: is read like {first['id']}, which is judged otherwise: {line[:100]}"


if __name__ == "__main__":
    sys.exit(main(DATA))
