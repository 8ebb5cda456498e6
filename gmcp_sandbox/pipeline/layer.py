"""What every layer is: a judge with a name.

Invariants:
- A layer that raises has denied: `ask_layer` is the only caller of `judge`.
- A layer answers in its own name; an answer in another's is an error, hence a denial.
"""

from __future__ import annotations

from typing import Protocol

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.policy.state import SessionState


class Judge(Protocol):
    """One layer of the pipeline."""

    @property
    def name(self) -> Layer:
        """Which layer this is."""

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Answer for one call."""


def allow(layer: Layer) -> Verdict:
    """Return the plain allow of a layer, to be made once and given out many times."""
    return Verdict(layer, Outcome.ALLOW, f"{layer}.ok")


def deny(layer: Layer, word: str, detail: str = "", score: float | None = None) -> Verdict:
    """Return a denial with the reason `layer.word`."""
    return Verdict(layer, Outcome.DENY, f"{layer}.{word}", detail, score)


def failed(layer: Layer, fault: Exception) -> Verdict:
    """Return the denial for a layer that broke. The message may quote the agent or a secret, so it is left out."""
    return deny(layer, "error", type(fault).__name__)


def ask_layer(layer: Judge, call: ToolCall, state: SessionState) -> Verdict:
    """Return the layer's verdict, or a denial when it has none."""
    try:
        verdict = layer.judge(call, state)
        if type(verdict) is Verdict and verdict.layer is layer.name:
            return verdict
        return deny(layer.name, "error", "not a verdict of this layer")
    except Exception as fault:  # noqa: BLE001 - the documented boundary: a layer that breaks denies
        return failed(layer.name, fault)
