"""Ordinary program starts: what a developer's tools do all day, measured for false stops, never trained on."""

from __future__ import annotations

import json
from pathlib import Path

from gmcp_sandbox.probe.render import render_row

ROWS = [
    json.loads(line)
    for line in Path(__file__).with_name("ordinary_argv.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_there_are_enough_of_them_and_all_are_harmless_program_starts():
    assert len(ROWS) >= 300
    assert all(row["label"] == 0 and row["tool"] == "proc.exec" and row["args"]["argv"] for row in ROWS)


def test_each_is_told_apart():
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    assert len({render_row(row) for row in ROWS}) == len(ROWS)
