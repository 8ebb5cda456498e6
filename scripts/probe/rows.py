"""One example: a tool call with what is known about it, and the line that the model reads.

Guarantees: a row of a file keeps its own id, family and pair; a row without them gets ones that depend on its text
alone, so that splits are the same in every run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gmcp_sandbox.probe.render import render_row

CATEGORIES = (
    "destruction",
    "exfiltration",
    "credential_access",
    "persistence",
    "privilege",
    "supply_chain",
    "sabotage",
    "injection",
)
SAFE, DANGEROUS = 0, 1


@dataclass(frozen=True, slots=True)
class Row:
    """One example.

    Attributes:
        call: The row as the files spell it (`tool`, `args`, `content`, `context`).
        text: What the model reads.
        label: SAFE, DANGEROUS, or None where only `describes` is known.
        category: Index into CATEGORIES, or None.
        source: The file or generator that it comes from.
        family: Template or tool family; a family never stands in two splits.
        pair: Rows with the same pair are a minimal pair.
        describes: What the call does, in a sentence, where a source tells it.
        weight: Share in the loss.
    """

    call: dict[str, Any]
    text: str
    label: int | None
    category: int | None
    source: str
    family: str
    pair: str | None = None
    describes: str | None = None
    weight: float = 1.0

    @property
    def tool(self) -> str:
        """The tool of the call."""
        return str(self.call["tool"])


def row_of(call: dict[str, Any], source: str, *, family: str | None = None) -> Row:
    """Return the row for one line of a file."""
    text = render_row(call)
    category = call.get("category")
    return Row(
        call=call,
        text=text,
        label=call.get("label"),
        category=CATEGORIES.index(category) if category in CATEGORIES else None,
        source=source,
        family=f"{source}:{family or call.get('family') or digest(text)[:12]}",
        pair=call.get("pair"),
        describes=call.get("describes"),
    )


def reworded(row: Row, call: dict[str, Any], label: int | None = None) -> Row:
    """Return the row for a changed call, in the same family."""
    return replace(row, call=call, text=render_row(call), label=row.label if label is None else label)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def digest(text: str) -> str:
    """Return a digest that orders texts by chance, the same in every run."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def command(text: str, label: int | None, **more: Any) -> dict[str, Any]:
    """Return a `proc.exec` call of a command line."""
    return {"tool": "proc.exec", "args": {"command": text}, "label": label, **more}


def labelled(rows: Iterable[Row]) -> list[Row]:
    """Return the rows whose label is known."""
    return [row for row in rows if row.label is not None]
