"""What the shells depend on: somebody who makes tool calls and answers them.

Shells import these protocols and never the monitor itself, so that they can be tested with another mediator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gmcp_sandbox.calls.arguments import Arguments
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Verdict


class CallFactory(Protocol):
    """Makes tool calls: the maker fills in number, time, session and agent."""

    def call(  # noqa: PLR0913 - one parameter for each field that a shell knows
        self,
        tool: Tool,
        object: str,
        args: Arguments,
        *,
        label: Label,
        pid: int = 0,
        extent: tuple[int, int] | None = None,
        content: bytes | None = None,
    ) -> ToolCall:
        """Return the next call of the session."""


class Mediator(CallFactory, Protocol):
    """Answers tool calls. A shell lets an effect happen only after an allowed decision came back."""

    async def mediate(self, call: ToolCall) -> Decision:
        """Judge and record one call.

        Raises:
            AuditError: The decision could not be recorded; there must be no effect, and the session ends.
        """


class AuditSink(Protocol):
    """Takes decisions down, in order, before their effects happen."""

    def append(self, decision: Decision, latency_ns: int) -> None:
        """Record one decision.

        Raises:
            AuditError: It is not recorded.
        """

    def event(self, name: str, **fields: Any) -> None:
        """Record something that is no decision.

        Raises:
            AuditError: It is not recorded.
        """


class Approver(Protocol):
    """Somebody who can say yes."""

    async def ask(self, call: ToolCall, verdicts: Sequence[Verdict]) -> bool:
        """Return whether a call may pass that these verdicts, among others, ask about."""


class Explain(Protocol):
    """Told once of every distinct denial; what it may tell the agent is the family alone, never the pattern."""

    def __call__(self, call: ToolCall, family: str) -> None:
        """Take note that a rule family (the name of a layer) denied a call."""
