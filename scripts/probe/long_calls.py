"""The further lines of long calls, as rows: of a minimal pair, those that only the dangerous call has are dangerous."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from gmcp_sandbox.probe.scorer import row_lines
from scripts.probe.rows import DANGEROUS, Row

_TELLING = 2
"""Where more lines differ, it is not known which of them tells."""


def line_rows(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each further line of the long calls among the pairs of calls of MCP servers."""
    pairs: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.pair and row.tool.startswith("mcp."):
            pairs[row.pair].append(row)
    found: list[Row] = []
    for own in pairs.values():
        lines = {id(row): row_lines(row.call)[1:] for row in own}
        harmless = {line for row in own if row.label != DANGEROUS for line in lines[id(row)]}
        if not harmless:
            continue
        for row in own:
            told = [line for line in lines[id(row)] if row.label != DANGEROUS or line not in harmless]
            if row.label != DANGEROUS or len(told) <= _TELLING:
                found += [replace(row, text=line) for line in told]
    return found
