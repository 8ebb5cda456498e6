"""`probe`: what the model is, says, and how well it tells calls apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gmcp_sandbox.cli.main import main
from tests.probe.models import make_model

ROWS = [
    {"id": "a", "tool": "proc.exec", "args": {"command": "rm x"}, "label": 1, "pair": "1", "source": "one"},
    {"id": "b", "tool": "proc.exec", "args": {"command": "ls x"}, "label": 0, "pair": "1", "source": "one"},
    {"id": "c", "tool": "fs.read", "args": {"path": "a"}, "content": "steal", "label": 1, "source": "two"},
    {"id": "d", "tool": "fs.read", "args": {"path": "a"}, "content": "curl", "label": 0, "source": "two"},
    {"id": "e", "tool": "fs.read", "args": {"path": "a"}, "label": None},
]


@pytest.fixture
def probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs the command with a small model; it returns the status and both outputs."""
    model = make_model(tmp_path / "m")

    def ask(*words: str) -> tuple[int, str, str]:
        status = main(["probe", "--model", str(model), *words])
        return status, *capsys.readouterr()

    return ask


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


def test_score_gives_a_line_a_row(probe, file) -> None:
    status, out, _ = probe("score", "--jsonl", file)
    assert status == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"id": "a", "score": 4.0, "verdict": "deny", "reason": "destruction"},
        {"id": "b", "score": -4.0, "verdict": "allow"},
        {"id": "c", "score": 5.0, "verdict": "deny", "reason": "injection"},
        {"id": "d", "score": 1.5, "verdict": "ask", "reason": "exfiltration"},
        {"id": "e", "score": 0.0, "verdict": "allow"},
    ]


def test_a_row_that_is_none_is_denied_and_said(probe, tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\n")
    status, out, _ = probe("score", "--jsonl", str(tmp_path / "x"))
    assert status == 1
    assert json.loads(out) == {"id": 1, "score": None, "verdict": "deny", "error": "not JSON"}


def test_eval_measures_all_and_by_tool_and_source(probe, file) -> None:
    status, out, _ = probe("eval", file, "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["threshold"], found["without_label"], found["broken"]) == (1.0, 1, 0)
    assert found["all"]["f1"] == 0.8 and found["all"]["recall"] == 1.0 and found["all"]["auc"] == 1.0
    assert (found["all"]["pairs"], found["all"]["pair_accuracy"]) == (1, 1.0)
    assert found["tool fs.read"]["false_positive_rate"] == 1.0
    assert found["source one"]["f1"] == 1.0


def test_eval_is_a_table_for_people(probe, file) -> None:
    status, out, _ = probe("eval", file, "--wrong")
    lines = out.splitlines()
    assert status == 0
    assert lines[0].split()[:2] == ["rows", "dangerous"]
    assert lines[1].split()[:4] == ["all", "4", "2", "0.800"]
    assert lines[-2] == "stopped from 1 on · 1 rows without a label, 0 broken"
    assert lines[-1] == "stopped  +1.50  two  d"


def test_another_threshold(probe, file) -> None:
    assert json.loads(probe("eval", file, "--json", "--at", "2")[1])["all"]["f1"] == 1.0


def test_info_names_the_model(probe) -> None:
    status, out, _ = probe("info")
    facts = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert status == 0
    assert facts["base"] == "sums" and facts["f1"] == "1.0" and "blake3" in facts["model"]
    assert json.loads(probe("info", "--json")[1])["max_body"] == 64


def test_a_profile_s_thresholds(probe, file, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('name = "mine"\nextends = "default"\n[probe]\nask_at = 7\ndeny_at = 8\n')
    status, out, _ = probe("-p", str(tmp_path / "mine.toml"), "score", "--jsonl", file)
    assert status == 0 and {json.loads(line)["verdict"] for line in out.splitlines()} == {"allow"}


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--model", "/nowhere", "info"), 125, "cannot read /nowhere/manifest.json"),
        (("score", "--jsonl", "/nowhere"), 2, "cannot read /nowhere"),
        (("eval", "/dev/null"), 2, "no row has a label"),
    ],
)
def test_what_cannot_be_asked_is_said(probe, words, status, message) -> None:
    found, _, err = probe(*words)
    assert found == status and message in err
