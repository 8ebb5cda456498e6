"""A layer that breaks, or answers for another, denies."""

from __future__ import annotations

import pytest

from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.pipeline.layer import allow, ask_layer
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import STAT

STATE = SessionState(Tier.STANDARD)


class Answering:
    name = Layer.TRUST

    def __init__(self, answer):
        self._answer = answer

    def judge(self, call, state):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_an_answer_is_passed_on():
    verdict = allow(Layer.TRUST)
    assert ask_layer(Answering(verdict), STAT, STATE) is verdict


@pytest.mark.parametrize(
    "answer",
    [ValueError("secret"), RecursionError(), MemoryError(), None, True, "allow", allow(Layer.RATE)],
    ids=repr,
)
def test_anything_else_denies(answer):
    verdict = ask_layer(Answering(answer), STAT, STATE)
    assert (verdict.layer, verdict.outcome, verdict.reason) == (Layer.TRUST, Outcome.DENY, "trust.error")
    assert "secret" not in verdict.detail


def test_a_verdict_says_its_layer():
    assert allow(Layer.RATE) == Verdict(Layer.RATE, Outcome.ALLOW, "rate.ok")
