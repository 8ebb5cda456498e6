"""Rows of a file, scored as the gate would."""

from __future__ import annotations

import json

import pytest

from gmcp_sandbox.policy.profile import ProbePolicy
from gmcp_sandbox.probe.gate import Scoring
from gmcp_sandbox.probe.model import Model
from gmcp_sandbox.probe.scorer import Result, Scorer, scored
from tests.probe.models import make_model


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    model = Model.load(make_model(tmp_path_factory.mktemp("model") / "m"))
    return Scorer(model, Scoring.of(model.manifest, ProbePolicy()))


def line(command, **more):
    return json.dumps({"tool": "proc.exec", "args": {"command": command}, **more})


def test_each_row_has_its_result_in_order(scorer):
    found = [result for result, _ in scorer.results([line("rm"), "", line("ls", id="x"), line("curl x", id=7)])]
    assert found == [
        Result(1, 4.0, "deny", "destruction"),
        Result("x", -4.0, "allow"),
        Result(7, 1.5, "ask", "exfiltration"),
    ]


@pytest.mark.parametrize("wrong", ["{", "[1]", "{}", '{"tool": 1}', "[" * 100_000])
def test_a_row_that_is_none_is_said_to_and_denied(scorer, wrong):
    ((result, _),) = scorer.results([wrong])
    assert result.score is None and result.verdict == "deny" and result.error


def test_hundreds_of_rows_come_out_in_order(scorer):
    words = ["rm", "ls", "curl"] * 40
    assert [result.id for result, _ in scorer.results(line(word, id=str(n)) for n, word in enumerate(words))] == [
        str(n) for n in range(120)
    ]


@pytest.mark.parametrize("label", [None, "1", 2, 1.0])
def test_a_row_without_a_truth_is_not_measured(label):
    assert scored(Result(1, 0.0, "allow"), {"tool": "x", "label": label}, "file") is None


def test_a_truth_comes_with_tool_source_and_pair():
    found = scored(Result(1, 0.5, "allow"), {"tool": "x", "label": 1, "pair": 3}, "file")
    assert (found.is_dangerous, found.tool, found.source, found.pair, found.id) == (True, "x", "file", "3", "1")
    assert scored(Result(1, None, "deny", error="e"), {"label": 1}, "file") is None


def test_a_long_call_is_scored_as_the_gate_judges_it(scorer):
    fill = "some text " * 120
    rows = [
        json.dumps({"tool": "mcp.call", "args": {"server": "wiki", "tool": "save", "arguments": {"text": text}}})
        for text in (fill + fill, f"{fill} rm {fill}")
    ]
    assert [result.verdict for result, _ in scorer.results(rows)] == ["allow", "deny"]
