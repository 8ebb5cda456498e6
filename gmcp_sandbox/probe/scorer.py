"""Rows of an evaluation file, scored as the gate would score the calls.

Guarantees: one result a row, in the order of the rows; a row that is none says so and gets the verdict `deny`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.probe.gate import Scoring
from gmcp_sandbox.probe.metrics import Scored
from gmcp_sandbox.probe.model import Answer, Model
from gmcp_sandbox.probe.parts import further_lines
from gmcp_sandbox.probe.question import question_of_row
from gmcp_sandbox.probe.render import render

_TOGETHER = 16


class Result(msgspec.Struct, frozen=True):
    """What is said of one row.

    Attributes:
        id: Of the row; else its number, from 1.
        score: None for a row that is none.
        reason: The likeliest category where the call is not allowed outright.
        error: Why a row is none.
    """

    id: str | int
    score: float | None
    verdict: str
    reason: str = ""
    error: str = ""


class Scorer:
    """A model and how its answers become verdicts."""

    def __init__(self, model: Model, scoring: Scoring) -> None:
        self._model = model
        self._scoring = scoring
        self._known: dict[str, Answer] = {}

    def results(self, lines: Iterable[str]) -> Iterator[tuple[Result, Mapping[str, Any]]]:
        """Yield each line's result with the row that it holds; empty lines are none."""
        numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
        while chunk := list(islice(numbered, _TOGETHER)):
            rows = [(number, *_parsed(line)) for number, line in chunk]
            asked = [[] if error else row_lines(row) for _, row, error in rows]
            self._answer([line for told in asked for line in told])
            for (number, row, error), told in zip(rows, asked, strict=True):
                yield self._result(number, row, error, told), row

    def _answer(self, lines: list[str]) -> None:
        fresh = [line for line in dict.fromkeys(lines) if line not in self._known]
        self._known.update(zip(fresh, self._model.answer(fresh), strict=True))

    def _result(self, number: int, row: Mapping[str, Any], error: str, lines: list[str]) -> Result:
        name = row.get("id", number)
        name = name if isinstance(name, str | int) else number
        if error:
            return Result(name, None, Outcome.DENY.value, error=error)
        tool = row.get("tool")
        tool = tool if isinstance(tool, str) else ""
        answer = self._scoring.worst([self._known[line] for line in lines], tool)
        score = self._scoring.score(answer, tool)
        outcome = self._scoring.outcome(score)
        reason = "" if outcome is Outcome.ALLOW else answer.reason
        return Result(name, round(score, 4), outcome.value, reason)


def scored(result: Result, row: Mapping[str, Any], source: str) -> Scored | None:
    """Return the row with its truth; None when it has none or could not be scored."""
    label = row.get("label")
    if result.score is None or not isinstance(label, int) or label not in (0, 1):
        return None
    named = row.get("source") or row.get("part") or source
    pair = row.get("pair")
    return Scored(
        label == 1, result.score, str(row.get("tool")), str(named), "" if pair is None else str(pair), str(result.id)
    )


def row_lines(row: Mapping[str, Any]) -> list[str]:
    """Return the lines that the gate judges for a row: its own, and the further ones of a long call."""
    question = question_of_row(row)
    return [render(question), *further_lines(question)]


def _parsed(line: str) -> tuple[Mapping[str, Any], str]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}, "not JSON"
    if not isinstance(row, dict):
        return {}, "not a JSON object"
    return row, "" if isinstance(row.get("tool"), str) else "no tool"
