"""The place of the semantic gate: between the prefilter and the constitution.

A pipeline without a gate has one layer less, and says so by its `required`; it never has a gate that waves through.
The gate computes for milliseconds, so the monitor runs it in a thread: the pipeline stops before it
(`Judgement.needs_probe`) and goes on with `Pipeline.resume`.
"""

from __future__ import annotations

from typing import Protocol

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.policy.state import SessionState

UNPROBED = Verdict(Layer.PROBE, Outcome.ALLOW, "probe.not_wanted")
"""The gate does not look at calls of this kind."""


class ProbeGate(Protocol):
    """One model with its thresholds. Both methods depend on the call and the state alone."""

    def wants(self, call: ToolCall) -> bool:
        """Say at once whether the gate looks at such a call; runs on the event loop."""

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Answer for one call; runs in a thread, with a snapshot of the state."""
