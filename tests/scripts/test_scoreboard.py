"""The table of tricks comes from the tests, and says how they ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.scoreboardlib.command import COMMITTED, HEAD, Collector, Row, collect, main, table

TESTS = Path(__file__).resolve().parents[1]


def test_the_table_names_tricks_of_every_suite(capsys):
    assert main(["tests/e2e", "tests/proc"]) == 0
    said = capsys.readouterr().out
    for trick in ("root link of process 1", "kill(-1)", "dot env", "TIOCSTI", "direct ip"):
        assert f"| {trick} |" in said
    lines = [line for line in said.splitlines() if line.startswith("| ")]
    assert len(lines) > 300
    assert all(line.count(" | ") == 2 for line in lines)


def test_what_did_not_pass_stands_out():
    found = Collector()
    row = Row("a", "b", "tests/x.py::test_a", ["1", "2"])
    found.rows[row.place, row.trick] = row
    found.outcomes = {"1": "passed", "2": "passed"}
    assert "| stopped, 2 of 2 |" in table(found, is_run=True)[2]
    found.outcomes["2"] = "failed"
    assert "| **1** of 2 |" in table(found, is_run=True)[2]


def test_the_committed_table_is_that_of_the_tests():
    marked = [str(path) for path in TESTS.rglob("test_*.py") if "mark.trick" in path.read_text(encoding="utf-8")]
    found, status = collect(marked, is_run=False)
    assert status == 0
    expected = HEAD + "\n".join(table(found, is_run=False)) + "\n"
    assert COMMITTED.read_text(encoding="utf-8") == expected, "scripts/scoreboard --write brings it up to date"


def test_a_table_of_part_of_the_tests_is_not_written(capsys):
    before = COMMITTED.read_bytes()
    with pytest.raises(SystemExit):
        main(["--write", "tests/proc"])
    assert COMMITTED.read_bytes() == before
    assert "whole" in capsys.readouterr().err
