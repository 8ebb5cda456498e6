"""All layers, in their order, and what was answered before.

Invariants:
- ALLOW exists only when all `required` layers have allowed; no layers, no allow.
- The first denial ends the question. An ask does not: what a later layer denies needs no approver.
- A layer that raises has denied, and that denial is not remembered.
- Rate is asked on every call that comes as far; the prefilter on every call that brings content or whose verdict
  depends on it; what the gate said of a content is never used for another. The constitution is asked on every call
  that a principle with a counter may hold for. All else is remembered, for one epoch.
- The same calls in the same order get the same verdicts with and without memory.

Leaves to others: running the gate (in a thread, by the monitor), approvers, the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import msgspec

from gmcp_sandbox.calls.arguments import ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.pipeline.cache import DecisionCache, Entry, Judgement, Key
from gmcp_sandbox.pipeline.constitution import Constitution
from gmcp_sandbox.pipeline.layer import Judge, ask_layer, deny, failed
from gmcp_sandbox.pipeline.prefilter import FLAGGED, Prefilter
from gmcp_sandbox.pipeline.probe import UNPROBED, ProbeGate
from gmcp_sandbox.pipeline.rate import Rate
from gmcp_sandbox.pipeline.schema import Schema
from gmcp_sandbox.pipeline.trust import Trust
from gmcp_sandbox.policy.counters import Window
from gmcp_sandbox.policy.profile import Demotion, Profile, Tier
from gmcp_sandbox.policy.state import SessionState

REMEMBERED = 65536

_ORDER = list(Layer)
_ALLOW, _DENY, _ASK = Outcome.ALLOW, Outcome.DENY, Outcome.ASK
_LONGEST_ARGV = 16384
_TRANSIENT = (".error", ".timeout")
"""Ends of reasons that tell of a fault, not of the call."""


class ReadsContent(Judge, Protocol):
    """The prefilter, as the pipeline sees it."""

    def depends_on_content(self, call: ToolCall) -> bool:
        """True when calls that differ in their content alone may differ in their verdict."""


def layers_of(profile: Profile) -> tuple[Judge, ...]:
    """Return the layers of a profile, without the gate."""
    return Schema(), Trust(profile), Rate(profile.rates), Prefilter(), Constitution(profile.rules)


class Pipeline:
    """The judges of one session. Owned by the event loop."""

    def __init__(self, profile: Profile, probe: ProbeGate | None, *, remember: int = REMEMBERED) -> None:
        self._arrange(layers_of(profile), probe, remember, profile.demotions)

    @classmethod
    def of_layers(cls, layers: Sequence[Judge], probe: ProbeGate | None, *, remember: int = REMEMBERED) -> Pipeline:
        """Return a pipeline of these layers, which must stand in the order of `Layer`."""
        pipeline = cls.__new__(cls)
        pipeline._arrange(layers, probe, remember)
        return pipeline

    def _arrange(
        self,
        layers: Sequence[Judge],
        probe: ProbeGate | None,
        remember: int,
        demotions: tuple[Demotion, ...] = (),
    ) -> None:
        ranks = [_ORDER.index(layer.name) for layer in layers]
        gate_rank = _ORDER.index(Layer.PROBE)
        if ranks != sorted(set(ranks)) or gate_rank in ranks:
            raise ValueError("layers out of order, twice, or a gate among them")
        self._before = tuple(layer for layer, rank in zip(layers, ranks, strict=True) if rank < gate_rank)
        self._after = tuple(layer for layer, rank in zip(layers, ranks, strict=True) if rank > gate_rank)
        self._gate = probe
        self.required = len(layers) + (probe is not None)
        """How many layers must allow."""
        self._cache = DecisionCache(remember)
        self._usual = Judgement((), _DENY, 0)
        """The last judgement that allowed: the next one is most often equal, and then need not be made again."""
        self._usual_entry = Entry(self._usual, -1)
        self._rate_at, self._rate = self._find(Layer.RATE)
        self._reader_at, reader = self._find(Layer.PREFILTER)
        self._reader = cast("ReadsContent | None", reader)
        found = [layer for layer in layers if isinstance(layer, Constitution)]
        self._constitution = found[0] if found else Constitution(())
        self._special = self._constitution.special_tools
        self._trust = next((layer for layer in layers if isinstance(layer, Trust)), None)
        self.demotions = demotions
        """What the profile says about signals that lower the tier."""

    def _find(self, name: Layer) -> tuple[int, Judge | None]:
        for index, layer in enumerate(self._before):
            if layer.name is name:
                return index, layer
        return len(_ORDER), None

    @property
    def has_probe(self) -> bool:
        """True when a gate is among the layers."""
        return self._gate is not None

    @property
    def gate(self) -> ProbeGate | None:
        """The gate, when there is one."""
        return self._gate

    @property
    def remembered(self) -> int:
        """How many answers are remembered."""
        return len(self._cache)

    @property
    def windows(self) -> tuple[Window, ...]:
        """What the principles count."""
        return self._constitution.windows

    def tally(self, call: ToolCall, state: SessionState) -> None:
        """Count a call that was allowed, recorded, and judged as notable."""
        self._constitution.tally(call, state)

    def tier_after(self, verdicts: Sequence[Verdict]) -> Tier | None:
        """Return the lowest tier that a principle among the verdicts demotes to."""
        tiers = [self._constitution.tier_after(one) for one in verdicts if one.layer is Layer.CONSTITUTION]
        return min((tier for tier in tiers if tier is not None), default=None)

    def narrowed(self, old: SessionState, new: SessionState) -> frozenset[tuple[Tool, str]]:
        """Return the (tool, label) pairs of which the new state may answer stricter than the old one.

        All others are answered alike: trust reads nothing of a state but the tier, the constitution taint and tier, the
        other layers nothing. The label `*` stands for every one.
        """
        trust = set() if self._trust is None else self._trust.narrowed(old, new)
        return frozenset(trust | self._constitution.narrowed(old, new))

    def permits(self, call: ToolCall, state: SessionState) -> bool:
        """Return whether the layers, but for rate and gate, allow a call; nothing is remembered or counted by it."""
        layers = (*self._before, *self._after)
        return all(ask_layer(layer, call, state).outcome is _ALLOW for layer in layers if layer.name is not Layer.RATE)

    def judge(self, call: ToolCall, state: SessionState) -> Judgement:
        """Return what the layers say, as far as they can say it at once."""
        epoch = state.epoch
        key = (call.tool, call.object, call.args, call.label)
        try:
            entry = self._cache.get(key, epoch)
        except Exception as fault:  # noqa: BLE001 - arguments that cannot be hashed are malformed
            return Judgement((failed(Layer.SCHEMA, fault),), _DENY, epoch)
        if entry is None or ((entry.is_probed or entry.is_volatile) and call.content is not None):
            return self._judge_anew(key, call, state)
        if entry.rate_at >= 0 and self._rate is not None:
            verdict = ask_layer(self._rate, call, state)
            if verdict.outcome is not _ALLOW:
                before = entry.judgement.verdicts[: entry.rate_at]
                return Judgement((*before, verdict), _DENY, epoch, cached=True)
        if entry.needs_content or call.content is not None:
            return self._with_content(entry.judgement, call, state)
        return self._with_principles(entry.judgement, call, state) if entry.is_volatile else entry.judgement

    def resume(self, call: ToolCall, state: SessionState, judgement: Judgement, verdict: Verdict) -> Judgement:
        """Go on after the gate has answered; in a new epoch the layers before it are asked again."""
        if not judgement.needs_probe:
            raise ValueError("this judgement does not wait for the gate")
        if type(verdict) is not Verdict or verdict.layer is not Layer.PROBE:
            verdict = deny(Layer.PROBE, "error", "not a verdict of this layer")
        if judgement.epoch != state.epoch:
            judgement = self.renew(call, state, judgement)
            if judgement.outcome is _DENY:
                return judgement
        result = self._finish([*judgement.verdicts, verdict], call, state)
        if not self._depends_on_content(call) and not self._constitution.is_volatile(call):
            self._remember((call.tool, call.object, call.args, call.label), result, needs_content=False)
        return result

    def renew(self, call: ToolCall, state: SessionState, judgement: Judgement) -> Judgement:
        """Return the judgement under the present state; what rate and the gate said stands."""
        verdicts: list[Verdict] = []
        layers = {layer.name: layer for layer in (*self._before, *self._after)}
        for old in judgement.verdicts:
            layer = layers.get(old.layer)
            verdict = old if layer is None or old.layer is Layer.RATE else ask_layer(layer, call, state)
            verdicts.append(verdict)
            if verdict.outcome is _DENY:
                return Judgement(tuple(verdicts), _DENY, state.epoch)
        outcome = _ASK if judgement.needs_probe else self._outcome(verdicts)
        return Judgement(tuple(verdicts), outcome, state.epoch, needs_probe=judgement.needs_probe)

    # ------------------------------------------------------------------------------------------------------- inside

    def _judge_anew(self, key: Key, call: ToolCall, state: SessionState) -> Judgement:
        verdicts: list[Verdict] = []
        if self._run(self._before, call, state, verdicts) and self._gate is not None:
            verdict = self._ask_gate(self._gate, call, state)
            if verdict is None:
                return Judgement(tuple(verdicts), _ASK, state.epoch, needs_probe=True)
            verdicts.append(verdict)
        return self._settled(key, call, state, verdicts)

    def _ask_gate(self, gate: ProbeGate, call: ToolCall, state: SessionState) -> Verdict | None:
        """Return what the gate says at once; None when it has to compute."""
        try:
            verdict = gate.recall(call, state) if gate.wants(call) else UNPROBED
        except Exception as fault:  # noqa: BLE001 - the documented boundary: a layer that breaks denies
            return failed(Layer.PROBE, fault)
        if verdict is None or (type(verdict) is Verdict and verdict.layer is Layer.PROBE):
            return verdict
        return deny(Layer.PROBE, "error", "not a verdict of this layer")

    def _run(self, layers: tuple[Judge, ...], call: ToolCall, state: SessionState, verdicts: list[Verdict]) -> bool:
        """Add the layers' verdicts up to the first denial; return whether there was none."""
        for layer in layers:
            verdict = ask_layer(layer, call, state)
            verdicts.append(verdict)
            if verdict.outcome is _DENY:
                return False
        return True

    def _settled(self, key: Key, call: ToolCall, state: SessionState, verdicts: list[Verdict]) -> Judgement:
        """Finish, and remember what may be: not what rate denied, nor what the content decided."""
        result = self._finish(verdicts, call, state)
        if call.content is not None and _is_probed(result):
            return result
        reached = len(result.verdicts) > self._reader_at
        needs_content = reached and self._depends_on_content(call)
        if result is not self._usual and self._constitution.is_volatile(call):
            if result.outcome is _ALLOW and not needs_content:
                self._remember(key, result, needs_content=False, is_volatile=True)
            return result
        if not (needs_content and result.verdicts[-1].layer is Layer.PREFILTER):
            self._remember(key, result, needs_content=needs_content)
        return result

    def _finish(self, verdicts: list[Verdict], call: ToolCall, state: SessionState) -> Judgement:
        if not verdicts or verdicts[-1].outcome is not _DENY:
            self._run(self._after, call, state, verdicts)
        given = tuple(verdicts)
        usual = self._usual
        # Verdicts that allow are made once, so comparing them is comparing identities.
        if given == usual.verdicts and usual.epoch == state.epoch and call.tool not in self._special:
            return usual
        is_notable = call.tool in self._special or self._is_notable(given)
        result = Judgement(given, self._outcome(given), state.epoch, is_notable=is_notable)
        if result.outcome is _ALLOW and not result.is_notable:
            self._usual = result
            rate_at = self._rate_at if self._rate is not None else -1
            self._usual_entry = Entry(_remembered(result), rate_at, is_probed=_is_probed(result))
        return result

    def _outcome(self, verdicts: Sequence[Verdict]) -> Outcome:
        if len(verdicts) != self.required or not verdicts:
            return _DENY
        outcome = _ALLOW
        for verdict in verdicts:
            if verdict.outcome is _DENY:
                return _DENY
            if verdict.outcome is not _ALLOW:
                outcome = _ASK
        return outcome

    def _remember(self, key: Key, result: Judgement, *, needs_content: bool, is_volatile: bool = False) -> None:
        if key[0] is Tool.PROC_EXEC and is_long(cast(ProcExec, key[2])):
            return
        if result is self._usual and not needs_content:
            self._cache.put(key, result.epoch, self._usual_entry)
            return
        last = result.verdicts[-1] if result.verdicts else None
        if last is None or last.layer is Layer.RATE or last.reason.endswith(_TRANSIENT):
            return
        rate_at = self._rate_at if len(result.verdicts) > self._rate_at else -1
        entry = Entry(_remembered(result), rate_at, needs_content, _is_probed(result), is_volatile)
        self._cache.put(key, result.epoch, entry)

    def _with_principles(self, judgement: Judgement, call: ToolCall, state: SessionState) -> Judgement:
        """Return a remembered judgement that allowed, with what the constitution says now."""
        verdict = ask_layer(self._constitution, call, state)
        if verdict is judgement.verdicts[-1]:  # verdicts that allow are made once
            return judgement
        return self._finish(list(judgement.verdicts[:-1]), call, state)

    def _with_content(self, judgement: Judgement, call: ToolCall, state: SessionState) -> Judgement:
        """Return a remembered judgement with the prefilter's verdict on this call's content in its place."""
        at, old = self._reader_at, judgement.verdicts
        if self._reader is None or len(old) <= at:
            return judgement
        verdict = ask_layer(self._reader, call, state)
        if verdict.outcome is _DENY:
            return Judgement((*old[:at], verdict), _DENY, judgement.epoch, cached=True)
        verdicts = (*old[:at], verdict, *old[at + 1 :])
        is_notable = judgement.is_notable or verdict.reason == FLAGGED
        return Judgement(verdicts, self._outcome(verdicts), judgement.epoch, cached=True, is_notable=is_notable)

    def _is_notable(self, verdicts: Sequence[Verdict]) -> bool:
        return any(one.reason == FLAGGED or self._constitution.tier_after(one) is not None for one in verdicts)

    def _depends_on_content(self, call: ToolCall) -> bool:
        if self._reader is None:
            return call.content is not None
        try:
            return self._reader.depends_on_content(call)
        except Exception:  # noqa: BLE001 - whoever cannot say is taken to depend on it, and to be asked each time
            return True


def is_long(args: ProcExec) -> bool:
    """True for a command line that is not kept: it seldom comes again, and many of them would fill the memory."""
    return args.argv is not None and sum(map(len, args.argv)) + len(args.argv) * 64 > _LONGEST_ARGV


def _is_probed(judgement: Judgement) -> bool:
    """True when the gate has judged this very call."""
    return any(each.layer is Layer.PROBE and each is not UNPROBED for each in judgement.verdicts)


def _remembered(judgement: Judgement) -> Judgement:
    return msgspec.structs.replace(judgement, cached=True)
