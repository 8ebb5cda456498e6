"""The table of tricks comes from the tests, and says how they ended."""

from __future__ import annotations

from scripts.scoreboardlib.command import Collector, Row, main, table


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
