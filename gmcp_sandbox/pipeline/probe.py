"""The place of the semantic gate: between the prefilter and the constitution.

A pipeline without a gate has one layer less, and says so by its `required`; it never has a gate that waves through.
What the gate remembers it answers at once. Else it computes for milliseconds, and the monitor runs it in a thread: the
pipeline stops before it (`Judgement.needs_probe`) and goes on with `Pipeline.resume`.
"""

from __future__ import annotations

from typing import Protocol

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.pipeline.incoming import Incoming
from gmcp_sandbox.policy.state import SessionState

UNPROBED = Verdict(Layer.PROBE, Outcome.ALLOW, "probe.not_wanted")
"""The gate does not look at calls of this kind."""


class ProbeGate(Protocol):
    """One model with its thresholds."""

    deadline: float
    """Seconds after which a call that still waits for its answer is denied."""

    def wants(self, call: ToolCall) -> bool:
        """Say at once whether the gate looks at such a call, whatever its content; runs on the event loop.

        It may count what it is asked, so it is asked once for each call that is judged anew.
        """

    def recall(self, call: ToolCall, state: SessionState) -> Verdict | None:
        """Return the verdict on a wanted call at once, when its answer is remembered; runs on the event loop."""

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Answer for one call; runs in a thread, beside others, with a snapshot of the state."""

    def judge_incoming(self, text: str, source: str, is_excerpt: bool = False) -> Incoming:
        """Say whether a text that comes in holds instructions; runs in a thread. No answer is a hit.

        Args:
            is_excerpt: It was torn out of a longer one, and has to be the surer a hit.
        """
