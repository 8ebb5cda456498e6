"""Verdicts and decisions: what the layers answer, and what follows from their answers.

Invariants:
- ALLOW exists only when every required layer has answered ALLOW.
- The first DENY ends the question; nothing later can undo it.
- ASK is a layer's answer, never an outcome: an approver turns it into ALLOW or DENY before `conclude`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from gmcp_sandbox.calls.call import ToolCall


class Outcome(enum.StrEnum):
    """What a layer answers; a decision has only ALLOW or DENY."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


class Layer(enum.StrEnum):
    """The judges, in the order in which they are asked."""

    SCHEMA = "schema"
    TRUST = "trust"
    RATE = "rate"
    PREFILTER = "prefilter"
    PROBE = "probe"
    CONSTITUTION = "constitution"


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """One layer's answer.

    Attributes:
        layer: Who answers.
        outcome: What.
        reason: Stable code, `layer.word` (for example `trust.no_capability`).
        detail: Free text for the operator; never shown to the agent, never a secret.
        score: The probe's or the prefilter's measure, where there is one.
    """

    layer: Layer
    outcome: Outcome
    reason: str
    detail: str = ""
    score: float | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """All verdicts on a call, and the outcome.

    Attributes:
        call: The call that was judged.
        outcome: ALLOW or DENY.
        verdicts: In the order of the layers; on DENY the last one decided.
        epoch: State of policy and taint in which it was judged.
        taint: Names of the labels that the session had read, sorted.
        cached: True when the verdicts, but for rate, were remembered ones.
    """

    call: ToolCall
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    epoch: int
    taint: tuple[str, ...] = ()
    cached: bool = False

    @property
    def is_allowed(self) -> bool:
        """True when the effect may happen."""
        return self.outcome is Outcome.ALLOW

    @property
    def deciding(self) -> Verdict | None:
        """The verdict that denied, or None when all allowed or nothing answered."""
        for verdict in self.verdicts:
            if verdict.outcome is not Outcome.ALLOW:
                return verdict
        return None


def conclude(verdicts: Sequence[Verdict], required: int) -> Outcome:
    """Return ALLOW when all of `required` (> 0) layers allowed, else DENY."""
    if required <= 0 or len(verdicts) != required:
        return Outcome.DENY
    for verdict in verdicts:
        if verdict.outcome is not Outcome.ALLOW:
            return Outcome.DENY
    return Outcome.ALLOW
