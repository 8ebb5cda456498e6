from __future__ import annotations

import csv
import io
import json

import pytest

from gmcp_sandbox.cli.main import main


@pytest.fixture
def two(sessions, decide):
    """Two sessions of two agents; in the second, a call on a name that a spreadsheet would take for a formula."""
    first, _ = sessions.make(ended=True, agent="coder")
    second, writer = sessions.make(ended=True, agent="tester")
    writer.append(decide(second, 4, '=cmd|"/c calc"!A1'), 1)
    return first, second


def objects(capsys):
    return [json.loads(line)["object"] for line in capsys.readouterr().out.splitlines()]


def test_query_asks_all_sessions(two, capsys):
    assert main(["audit", "query", "--denied", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["session"], each["object"]) for each in found] == [(each.id, "/home/u/.ssh/id") for each in two]
    assert main(["audit", "query", "--count"]) == 0
    assert capsys.readouterr().out == "7\n"


def test_query_chooses(two, capsys):
    first, _ = two
    assert main(["audit", "query", "--json", "--agent", "test*", "--limit", "1"]) == 0
    assert objects(capsys) == ['=cmd|"/c calc"!A1']
    assert main(["audit", "query", "--json", "--session", first.id[:6], "--path", "/ws/*"]) == 0
    assert objects(capsys) == ["/ws/a.py", "/ws/\x1b[2J"]
    assert main(["audit", "query", "--count", "--since", "1h"]) == 0
    assert main(["audit", "query", "--count", "--until", "2020-01-31"]) == 0
    assert capsys.readouterr().out == "7\n0\n"


def test_query_prints_session_date_and_escaped_names(two, capsys):
    assert main(["audit", "query", "--agent", "coder"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(two[0].id + "  20") for line in lines)
    assert "/ws/\\x1b[2J" in lines[1]


def test_query_finds_what_was_written_since_the_last_time(sessions, decide, capsys):
    session, writer = sessions.make()
    for seq in (4, 5):
        assert main(["audit", "query", "--count"]) == 0
        writer.append(decide(session, seq, "/ws/a.py"), 1)
    assert capsys.readouterr().out == "3\n4\n"


def test_a_broken_log_is_left_out_and_said(two, capsys):
    two[0].log.write_bytes(b'{"kind":"call"}\n')
    assert main(["audit", "query", "--count"]) == 0
    said = capsys.readouterr()
    assert said.out == "4\n"
    assert f"session {two[0].id} is left out" in said.err


def test_times_that_are_none_are_usage_errors(state_home, capsys):
    assert main(["audit", "query", "--since", "yesterday-ish"]) == 2
    assert "is no time" in capsys.readouterr().err


def test_export_as_csv_cannot_be_a_formula(two, capsys):
    assert main(["audit", "export", "--all", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 7
    assert rows[-1]["object"] == '\'=cmd|"/c calc"!A1'
    assert {row["agent"] for row in rows} == {"coder", "tester"}
    assert rows[1]["object"] == "/ws/\\x1b[2J"


def test_export_as_json_lines_holds_every_record(two, capsys, tmp_path):
    assert main(["audit", "export", two[0].id, "-o", str(tmp_path / "out.jsonl")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["genesis", "call", "call", "call"]
    assert {line["session"] for line in lines} == {two[0].id}
    assert main(["audit", "export", two[0].id, "-o", str(tmp_path / "out.jsonl")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_prune_removes_the_oldest_that_ended(two, capsys):
    first, second = two
    size = sum(path.stat().st_size for path in second.path.iterdir())
    assert main(["audit", "prune", "--dry-run", "--keep-bytes", str(size)]) == 0
    assert capsys.readouterr().out.startswith(f"would remove  {first.id}")
    assert first.path.exists()
    assert main(["audit", "prune", "--keep-bytes", str(size)]) == 0
    assert (first.path.exists(), second.path.exists()) == (False, True)
    assert main(["audit", "prune"]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert main(["audit", "prune", "--keep-bytes", "lots"]) == 2
