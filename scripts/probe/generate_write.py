"""Writes with content, expanded from `data/write_templates.txt`.

    python -m scripts.probe.generate_write > rows.jsonl

Deterministic: the same seed gives the same rows.
"""

from __future__ import annotations

from typing import Any

from scripts.probe.expansion import expand, write_rows

EACH = 30
"""Expansions of each group of templates."""


def rows(seed: int = 0) -> list[dict[str, Any]]:
    """Return the generated rows."""
    return expand("write", EACH, seed)


if __name__ == "__main__":
    write_rows(rows())
