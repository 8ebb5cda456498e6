"""The one door: every effect passes `Monitor.mediate`, the sole caller of the layers and of the audit log.

Invariants:
- No record, no effect: a decision is returned only after the sink has taken it. When the sink fails, this call and
  every later one raises `AuditError`, and `failed` is set so that the session ends.
- `mediate` does not suspend unless the gate or an approver has to answer; both have a deadline, and silence denies.
- What was approved is what happens: when the session's state changed while an approver thought, the layers are asked
  again, and the approval counts only if they ask for the same reasons.
- Taint rises before the bytes of an allowed read can be delivered; whoever watches the state has been told by then.
- What lowers the tier is recorded before the tier falls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import cast

import msgspec
import trio

from gmcp_sandbox.calls.arguments import Arguments
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import OUTSIDE, UNTRUSTED_INSTRUCTIONS, Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.monitor.foresight import Stand
from gmcp_sandbox.monitor.mediator import Approver, AuditSink, Explain, Unsettled
from gmcp_sandbox.pipeline.cache import Judgement
from gmcp_sandbox.pipeline.incoming import Incoming, flagged
from gmcp_sandbox.pipeline.layer import deny, failed
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.pipeline.prefilter import is_injection
from gmcp_sandbox.pipeline.probe import ProbeGate
from gmcp_sandbox.pipeline.scan import Scanner
from gmcp_sandbox.policy.demotion import DENIALS, Fall, Signals
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState

_ALLOW, _DENY, _ASK = Outcome.ALLOW, Outcome.DENY, Outcome.ASK
_FS_READ = Tool.FS_READ
_NET_CONNECT, _NET_SEND = Tool.NET_CONNECT, Tool.NET_SEND
_APPROVED = "ask_approved"
_WAITING = 16
"""Calls that wait for the gate at the same time, which answers them together."""
_EXPLAINED = 4096
"""Distinct denials that are told of, at most."""


class Monitor:
    """The mediator of one session."""

    def __init__(  # noqa: PLR0913 - the parts of a session, each said by name
        self,
        pipeline: Pipeline,
        state: SessionState,
        sink: AuditSink,
        *,
        session: str,
        agent: str,
        clock: Callable[[], int],
        probe: ProbeGate | None = None,
        approver: Approver | None = None,
        deadline: float = 60.0,
        explain: Explain | None = None,
    ) -> None:
        if pipeline.has_probe != (probe is not None):
            raise ValueError("the pipeline and the monitor must know of the same gate")
        self.state = state
        self.failed = trio.Event()
        """Set when a decision could not be recorded."""
        self.first_orders: str | None = None
        """Where the first text came from that tainted the session by its orders."""
        self._sink = sink
        self._session = session
        self._agent = agent
        self._clock = clock
        self._gate = probe
        self._approver = approver
        self._deadline = deadline
        self._explain = explain
        self._explained: set[tuple[Tool, str, Layer | None]] = set()
        self._seq = 0
        self._fault: AuditError | None = None
        self._workers = trio.CapacityLimiter(_WAITING)
        self._adopt(pipeline)

    def _adopt(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._signals = Signals(pipeline.demotions)
        self.state.counters.keep_only(pipeline.windows)

    @property
    def fault(self) -> AuditError | None:
        """Why decisions can no longer be recorded; None while they can."""
        return self._fault

    @functools.cached_property
    def _scanner(self) -> Scanner:
        return Scanner()  # some milliseconds, for sessions that take texts in

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
        self._seq = seq = self._seq + 1
        at_ns = self._clock()
        return ToolCall(
            seq, at_ns, self._session, self._agent, pid, tool, object, args, label, extent, content, derived
        )

    async def mediate(self, call: ToolCall) -> Decision:
        """Judge and record one call.

        Raises:
            AuditError: The decision could not be recorded, now or earlier.
        """
        begun = self.begin(call)
        return begun if type(begun) is Decision else await self.settle(call, cast(Unsettled, begun))

    def begin(self, call: ToolCall) -> Decision | Unsettled:
        """Judge and record one call; what a gate or an approver has to answer is unsettled, and not recorded.

        Raises:
            AuditError: The decision could not be recorded, now or earlier.
        """
        if self._fault is not None:
            raise self._refusal()
        judgement = self._pipeline.judge(call, self.state)
        return Unsettled(judgement) if judgement.outcome is _ASK else self._conclude(call, judgement)

    async def settle(self, call: ToolCall, unsettled: Unsettled) -> Decision:
        """Ask gate and approver, and record the decision.

        Raises:
            AuditError: The decision could not be recorded, now or earlier.
        """
        judgement = msgspec.structs.replace(await self._settle(call, unsettled.judgement), is_notable=True)
        if self._fault is not None:
            raise self._refusal()
        return self._conclude(call, judgement)

    def _conclude(self, call: ToolCall, judgement: Judgement) -> Decision:
        state = self.state
        decision = Decision(
            call, judgement.outcome, judgement.verdicts, judgement.epoch, state.taint_names, judgement.cached
        )
        try:
            self._sink.append(decision, self._clock() - call.at_ns)
        except Exception as fault:
            raise self._fail(fault) from fault
        if judgement.outcome is not _ALLOW:
            self._after_denial(decision)
            return decision
        if call.tool is _FS_READ:
            state.read(call.label)
        elif call.tool is _NET_CONNECT or call.tool is _NET_SEND:
            state.hears_hosts = True
        if judgement.is_notable or call.derived:
            self._after_allow(decision)
        return decision

    async def judge_incoming(
        self, text: str, source: str, *, where: str = "", is_excerpt: bool = False, taints: bool = True
    ) -> Incoming:
        """Judge a text that comes in for orders to its reader, record it, and taint the session when it has any.

        The taint is there before this returns, so nothing that the text leads to is judged without it.

        Args:
            source: Where it comes from, as the gate is told, for example `tool result github/get_issue`.
            where: The same for the record alone, where whoever wrote the text chose the name.
            is_excerpt: It was torn out of a longer one, and has to be the surer a hit.
            taints: False for a text that nobody is given when it has any orders.

        Raises:
            AuditError: It could not be recorded.
        """
        if self._fault is not None:
            raise self._refusal()
        found = await self._look_at_incoming(text, source, is_excerpt)
        self._take_in(found, f"{source} {where}".rstrip(), len(text), taints=taints)
        return found

    def distrust(self, source: str, why: str, chars: int) -> None:
        """Record and taint as for instructions: of what came in, somebody could not say what it is.

        Raises:
            AuditError: It could not be recorded.
        """
        if self._fault is not None:
            raise self._refusal()
        self._take_in(Incoming(True, None, why), source, chars, taints=True)

    def _take_in(self, found: Incoming, source: str, chars: int, *, taints: bool) -> None:
        source = source[:256]
        if found.is_hit and taints and self.state.mark(UNTRUSTED_INSTRUCTIONS):
            self.first_orders = source
        try:
            self._sink.event("incoming", source=source, chars=chars, hit=found.is_hit, score=found.score, why=found.why)
        except Exception as fault:
            raise self._fail(fault) from fault

    def replace(self, pipeline: Pipeline) -> None:
        """Judge by another profile from now on; nothing that was remembered is used again."""
        if pipeline.has_probe != (self._gate is not None):
            raise ValueError("the pipeline and the monitor must know of the same gate")
        self._adopt(pipeline)
        self.state.renew()

    # ------------------------------------------------------------------------------------------------- consequences

    def _after_allow(self, decision: Decision) -> None:
        """Count, taint and demote as an allowed call demands."""
        call = decision.call
        self._pipeline.tally(call, self.state)
        if call.derived:
            self.state.read_all(call.derived)
        tier = self._pipeline.tier_after(decision.verdicts)
        if tier is not None:
            self._demote(tier, call, signal=decision.verdicts[-1].reason)
        if any(one.layer is Layer.PREFILTER and is_injection(one) for one in decision.verdicts):
            self._fall(self._signals.hit(call), call)

    def _after_denial(self, decision: Decision) -> None:
        """Tell of it, and demote who is denied too often."""
        call = decision.call
        if call.label.rank < OUTSIDE.rank:
            self.state.count(DENIALS, call.object, 1, call.at_ns)
        self._fall(self._signals.denied(call), call)
        self._tell(decision)

    def _fall(self, fall: Fall | None, call: ToolCall) -> None:
        if fall is not None:
            self._demote(fall.demotion.tier, call, signal=fall.demotion.signal, reached=fall.reached)

    def _demote(self, tier: Tier, call: ToolCall, **why: str | int) -> None:
        state = self.state
        if tier < state.tier:
            self.note("demoted", before=state.tier.name.lower(), tier=tier.name.lower(), seq=call.seq, **why)
            state.demote(tier)

    def note(self, name: str, **fields: str | int) -> None:
        """Record an event.

        Raises:
            AuditError: It could not be recorded.
        """
        try:
            self._sink.event(name, **fields)
        except Exception as fault:
            raise self._fail(fault) from fault

    # ---------------------------------------------------------------------------------------------------- foresight

    def stand(self) -> Stand:
        """Return where the session stands now."""
        return Stand(self._pipeline, self.state.snapshot())

    def narrowed(self, since: Stand) -> frozenset[tuple[Tool, str]] | None:
        """Return the (tool, label) pairs that may be answered stricter than then; None: any."""
        if since.pipeline is not self._pipeline:
            return None
        return self._pipeline.narrowed(since.state, self.state)

    def permits(self, tool: Tool, object: str, args: Arguments, *, label: Label) -> bool:
        """Return whether the layers, but for rate and gate, allow this now. Neither recorded nor counted."""
        call = ToolCall(self._seq, self._clock(), self._session, self._agent, 0, tool, object, args, label)
        return self._pipeline.permits(call, self.state)

    # ----------------------------------------------------------------------------------------------- gate, approver

    async def _settle(self, call: ToolCall, judgement: Judgement) -> Judgement:
        if judgement.needs_probe:
            verdict = await self._probe(call)
            judgement = self._pipeline.resume(call, self.state, judgement, verdict)
        if judgement.outcome is _ASK:
            judgement = await self._approve(call, judgement)
        return judgement

    async def _probe(self, call: ToolCall) -> Verdict:
        gate = self._pipeline.gate
        if gate is None:
            return deny(Layer.PROBE, "error", "no gate")
        try:
            with trio.move_on_after(gate.deadline):
                return await trio.to_thread.run_sync(
                    gate.judge, call, self.state.snapshot(), limiter=self._workers, abandon_on_cancel=True
                )
        except Exception as fault:  # noqa: BLE001 - the documented boundary: a layer that breaks denies
            return failed(Layer.PROBE, fault)
        return deny(Layer.PROBE, "timeout")

    async def _look_at_incoming(self, text: str, source: str, is_excerpt: bool) -> Incoming:
        found = flagged(self._scanner, text.encode("utf-8", "surrogatepass"))
        gate = self._pipeline.gate
        if found is not None or gate is None:
            return found or Incoming(False)
        try:
            with trio.move_on_after(gate.deadline):
                return await trio.to_thread.run_sync(
                    gate.judge_incoming, text, source, is_excerpt, limiter=self._workers, abandon_on_cancel=True
                )
        except Exception as fault:  # noqa: BLE001 - the documented boundary: what cannot be judged is not trusted
            return Incoming(True, None, type(fault).__name__)
        return Incoming(True, None, "timeout")

    async def _approve(self, call: ToolCall, judgement: Judgement) -> Judgement:
        """Turn every ask into an allow or, at the first one, a denial."""
        answer, by = await self._ask(call, judgement)
        if judgement.epoch != self.state.epoch:
            asked = _asks(judgement)
            judgement = self._pipeline.renew(call, self.state, judgement)
            if judgement.outcome is _ASK and _asks(judgement) != asked:
                answer, by = "ask_stale", ""
        if judgement.outcome is not _ASK:
            return judgement
        verdicts: list[Verdict] = []
        for verdict in judgement.verdicts:
            if verdict.outcome is not _ASK:
                verdicts.append(verdict)
                continue
            detail = f"{verdict.reason}: {by}" if by else verdict.reason
            if answer != _APPROVED:
                verdicts.append(deny(verdict.layer, answer, detail, verdict.score))
                return Judgement(tuple(verdicts), _DENY, judgement.epoch)
            verdicts.append(Verdict(verdict.layer, _ALLOW, f"{verdict.layer}.{_APPROVED}", detail, verdict.score))
        return Judgement(tuple(verdicts), _ALLOW, judgement.epoch)

    async def _ask(self, call: ToolCall, judgement: Judgement) -> tuple[str, str]:
        """Return the word of the reason that the approver's answer gives, and who gave it."""
        if self._approver is None:
            return "ask_unanswered", ""
        try:
            with trio.move_on_after(self._deadline):
                answer = await self._approver.ask(call, judgement.verdicts)
                return (_APPROVED if answer.is_granted is True else "ask_refused"), answer.by
        except Exception:  # noqa: BLE001 - the documented boundary: an approver that breaks has not said yes
            return "ask_unanswered", ""
        return "ask_unanswered", ""

    # ------------------------------------------------------------------------------------------------------- faults

    def _fail(self, fault: Exception) -> AuditError:
        """Poison the monitor and return what to raise."""
        self._fault = (
            fault
            if isinstance(fault, AuditError)
            else AuditError("cannot record a decision", cause=f"{type(fault).__name__}: {fault}")
        )
        self.failed.set()
        return self._refusal()

    def _refusal(self) -> AuditError:
        cause = "" if self._fault is None else str(self._fault)
        return AuditError("the session has no audit log any more", cause=cause)

    def _tell(self, decision: Decision) -> None:
        """Tell of a denial that was not told of before."""
        if self._explain is None or len(self._explained) >= _EXPLAINED:
            return
        deciding = decision.deciding
        family = None if deciding is None else deciding.layer
        key = (decision.call.tool, decision.call.object, family)
        if key in self._explained:
            return
        self._explained.add(key)
        try:
            self._explain(decision.call, "pipeline" if family is None else family.value)
        except Exception:  # noqa: BLE001 - an explanation is a courtesy; the decision stands and is recorded
            self._explain = None


def _asks(judgement: Judgement) -> tuple[tuple[Layer, str], ...]:
    return tuple((verdict.layer, verdict.reason) for verdict in judgement.verdicts if verdict.outcome is _ASK)
