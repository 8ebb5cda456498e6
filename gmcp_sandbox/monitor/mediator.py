"""What the shells depend on: somebody who makes tool calls and answers them.

Shells import these protocols and never the monitor itself, so that they can be tested with another mediator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from gmcp_sandbox.audit.encode import JSON
from gmcp_sandbox.calls.arguments import Arguments
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Verdict
from gmcp_sandbox.monitor.foresight import Stand
from gmcp_sandbox.pipeline.cache import Judgement


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
        derived: tuple[Label, ...] = (),
    ) -> ToolCall:
        """Return the next call of the session."""


class Unsettled(msgspec.Struct, frozen=True, gc=False):
    """What the layers said of a call that a gate or an approver has still to answer. Nothing is recorded yet."""

    judgement: Judgement


class Mediator(CallFactory, Protocol):
    """Answers tool calls. A shell lets an effect happen only after an allowed decision came back."""

    async def mediate(self, call: ToolCall) -> Decision:
        """Judge and record one call.

        Raises:
            AuditError: The decision could not be recorded; there must be no effect, and the session ends.
        """


class PromptMediator(Mediator, Protocol):
    """A mediator whose `mediate` is `begin` and, where that is not the end of it, `settle`.

    For shells that serve many askers in one turn: what is settled at once needs no task of its own.
    """

    def begin(self, call: ToolCall) -> Decision | Unsettled:
        """Judge and record one call, without waiting; what cannot be said at once is unsettled, and not recorded.

        Raises:
            AuditError: As of `mediate`.
        """

    async def settle(self, call: ToolCall, unsettled: Unsettled) -> Decision:
        """Go on with what `begin` left open, once; record it.

        Raises:
            AuditError: As of `mediate`.
        """


class AuditSink(Protocol):
    """Takes decisions down, in order, before their effects happen."""

    def append(self, decision: Decision, latency_ns: int) -> None:
        """Record one decision.

        Raises:
            AuditError: It is not recorded.
        """

    def event(self, name: str, **fields: JSON) -> None:
        """Record something that is no decision.

        Raises:
            AuditError: It is not recorded.
        """


class Foresight(Protocol):
    """Says what a new epoch forbids; the shells ask when the epoch rose, to take back what they granted."""

    def stand(self) -> Stand:
        """Return where the session stands now, to be compared with later."""

    def narrowed(self, since: Stand) -> frozenset[tuple[Tool, str]] | None:
        """Return the (tool, label) pairs that may be answered stricter than then; None: any. Label `*`: every one."""

    def permits(self, tool: Tool, object: str, args: Arguments, *, label: Label) -> bool:
        """Return whether the layers, but for rate and gate, allow this now. Neither recorded nor counted."""


class Answer(msgspec.Struct, frozen=True):
    """What an approver says, and who that is, for the record."""

    is_granted: bool
    by: str


class Approver(Protocol):
    """Somebody who can say yes."""

    async def ask(self, call: ToolCall, verdicts: Sequence[Verdict]) -> Answer:
        """Return whether a call may pass that these verdicts, among others, ask about."""


class Explain(Protocol):
    """Told once of every distinct denial; what it may tell the agent is the family alone, never the pattern."""

    def __call__(self, call: ToolCall, family: str) -> None:
        """Take note that a rule family (the name of a layer) denied a call."""
