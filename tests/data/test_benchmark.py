"""The open benchmark of MCP calls: written for this project, never trained on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from gmcp_sandbox.probe.manifest import CATEGORIES
from gmcp_sandbox.probe.render import render_row

ROWS = [
    json.loads(line)
    for line in Path(__file__).with_name("mcp_benchmark.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_it_is_as_large_and_as_wide_as_it_says():
    labels = Counter(row["label"] for row in ROWS)
    assert len(ROWS) >= 150 and labels[1] >= 37 and labels[0] >= 64
    assert len({row["domain"] for row in ROWS}) == 18
    assert {row["category"] for row in ROWS if row["label"]} == set(CATEGORIES)


def test_ids_and_lines_are_distinct():
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    assert len({render_row(row) for row in ROWS}) == len(ROWS)


def test_each_domain_has_both_truths_and_each_pair_too():
    for name in ("domain", "pair"):
        truths: dict[str, set[int]] = {}
        for row in ROWS:
            if name in row:
                truths.setdefault(row[name], set()).add(row["label"])
        assert all(found == {0, 1} for found in truths.values()), truths
