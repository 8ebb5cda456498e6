"""Layer 6: the principles of the profile.

A rule holds when every selector that it has matches the call and the session. Of the rules that hold, one that denies
wins over any that asks, one that asks over any that demotes, and among equals the first in the profile gives the reason
(`constitution.<rule id>`). A rule whose condition cannot be evaluated denies, whatever its effect is, under its name.

A rule with `paths` says nothing about hosts and MCP, a rule with `hosts` nothing about paths. Of a rename or a hard
link either path is enough to match, and both must be excepted by `unless`. `taint` matches when the session has read
any of the labels. `argv` says something about program starts alone.

What was counted is part of the session (`SessionState.counters`); `tally` adds to it once a call was allowed and
recorded. An answer that reads a counter is volatile and must not be remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import msgspec

from gmcp_sandbox.calls.arguments import ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import NETWORK_TOOLS, Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.pipeline.layer import allow
from gmcp_sandbox.pipeline.trust import CHANGING, LOOKING, second_path
from gmcp_sandbox.policy.conditions import Condition, ConditionError
from gmcp_sandbox.policy.counters import Window
from gmcp_sandbox.policy.match import compile_globs, compile_hosts
from gmcp_sandbox.policy.profile import Rule, RuleCount, Tier
from gmcp_sandbox.policy.rules import CALLS
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.policy.words import Matches, compile_argv

_PATHS = LOOKING | CHANGING | {Tool.PROC_EXEC}
_ORDER = {"deny": 0, "ask": 1, "demote": 2}
_OUTCOMES = {"deny": Outcome.DENY, "ask": Outcome.ASK, "demote": Outcome.ALLOW}
ANY = "*"
"""Stands for every label in `narrowed`."""


class _Counted(msgspec.Struct, frozen=True):
    """A count with its window."""

    name: str
    window: Window
    at_least: int | None
    is_own: bool

    def value(self, call: ToolCall, state: SessionState) -> int:
        return state.counters.value(self.window, call.object, call.at_ns)


class _Principle(msgspec.Struct, frozen=True):
    """A rule with its selectors compiled."""

    verdict: Verdict
    broken: Verdict
    tier: Tier | None
    labels: frozenset[str] | None
    paths: Callable[[str], bool] | None
    hosts: Callable[[str], bool] | None
    unless: Callable[[str], bool] | None
    argv: Matches | None
    args: tuple[tuple[str, str | int | bool], ...]
    taint: frozenset[str] | None
    counts: tuple[_Counted, ...]
    condition: Condition | None

    @property
    def is_volatile(self) -> bool:
        """True when its answer is good for one call only."""
        return bool(self.counts) or (self.condition is not None and self.condition.reads.passing)

    def selects(self, call: ToolCall) -> bool:
        """Return whether the call itself matches, whatever the session is."""
        if self.labels is not None and call.label.name not in self.labels:
            return False
        if self.hosts is not None and not self.hosts(call.object):
            return False
        if self.paths is not None and not (self.paths(call.object) or self._matches_second(call)):
            return False
        if self.args and any(getattr(call.args, name, None) != value for name, value in self.args):
            return False
        if self.argv is not None and not self.argv(call.object, cast(ProcExec, call.args).argv):
            return False
        return self.unless is None or not self._is_excepted(call, self.unless)

    def _matches_second(self, call: ToolCall) -> bool:
        other = second_path(call)
        return other is not None and self.paths is not None and self.paths(other)

    def _is_excepted(self, call: ToolCall, unless: Callable[[str], bool]) -> bool:
        other = second_path(call)
        return unless(call.object) and (other is None or unless(other))

    def holds(self, call: ToolCall, state: SessionState) -> bool:
        """Return whether it holds.

        Raises:
            ConditionError: Its condition says nothing.
        """
        if self.taint is not None and self.taint.isdisjoint(state.taint):
            return False
        if self.tier is not None and state.tier <= self.tier:
            return False
        if not self.selects(call):
            return False
        return not (self.counts or self.condition is not None) or self._is_met(call, state)

    def _is_met(self, call: ToolCall, state: SessionState) -> bool:
        values = {count.name: count.value(call, state) for count in self.counts}
        for count in self.counts:
            if count.at_least is not None and values[count.name] < count.at_least:
                return False
        return self.condition is None or self.condition.holds(call, state, values)

    def may_begin(self, old: SessionState, new: SessionState) -> bool:
        """Return whether it may hold in the new state for a call for which it did not in the old one."""
        if self.taint is not None and self.taint.isdisjoint(old.taint) and not self.taint.isdisjoint(new.taint):
            return True
        return self.condition is not None and self.condition.reads.session


class Constitution:
    """Judge by principle."""

    name = Layer.CONSTITUTION

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._allow = allow(self.name)
        self._principles: dict[Tool, list[_Principle]] = {}
        self._volatile: dict[Tool, list[_Principle]] = {}
        self._counting: dict[Tool, list[_Principle]] = {}
        self._tiers: dict[str, Tier] = {}
        # Denials first, so that the first principle that holds decides.
        for rule in sorted(rules, key=lambda rule: _ORDER.get(rule.effect, 0)):
            principle = _compile(rule)
            if rule.tier is not None:
                self._tiers[principle.verdict.reason] = rule.tier
            for tool in _tools(rule):
                self._principles.setdefault(tool, []).append(principle)
                if principle.is_volatile:
                    self._volatile.setdefault(tool, []).append(principle)
                if any(count.is_own for count in principle.counts):
                    self._counting.setdefault(tool, []).append(principle)
        self.windows = self._windows()
        self._by_tool = {tool for tool in Tool if any(window.of == tool.value for window in self.windows)}
        self.special_tools = frozenset({*self._counting, *self._by_tool, *self._volatile})
        """Tools of which allowed calls are counted, or answers are volatile."""

    def _windows(self) -> tuple[Window, ...]:
        every = (principle for principles in self._principles.values() for principle in principles)
        return tuple(dict.fromkeys(count.window for principle in every for count in principle.counts))

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Answer with the first principle that holds, else allow."""
        principles = self._principles.get(call.tool)
        if principles is not None:
            for principle in principles:
                try:
                    if principle.holds(call, state):
                        return principle.verdict
                except ConditionError:
                    return principle.broken
        return self._allow

    def is_volatile(self, call: ToolCall) -> bool:
        """True when the answer to an equal call may differ in one epoch."""
        principles = self._volatile.get(call.tool)
        return principles is not None and any(principle.selects(call) for principle in principles)

    def tally(self, call: ToolCall, state: SessionState) -> None:
        """Count a call that was allowed."""
        if call.tool in self._by_tool:
            state.count(call.tool.value, call.object, 1, call.at_ns)
        for principle in self._counting.get(call.tool, ()):
            if principle.selects(call):
                for count in principle.counts:
                    if count.is_own:
                        state.count(count.window.of, call.object, 1, call.at_ns)

    def tier_after(self, verdict: Verdict) -> Tier | None:
        """Return the tier that a verdict of this layer leads to, or None when it demotes nobody."""
        return self._tiers.get(verdict.reason)

    def narrowed(self, old: SessionState, new: SessionState) -> set[tuple[Tool, str]]:
        """Return the (tool, label) pairs of which a call may be answered stricter in the new state."""
        return {
            (tool, label)
            for tool, principles in self._principles.items()
            for principle in principles
            if principle.may_begin(old, new)
            for label in (principle.labels or (ANY,))
        }


def _compile(rule: Rule) -> _Principle:
    if rule.effect not in _OUTCOMES:
        raise ValueError(f"rule {rule.id}: unknown effect {rule.effect!r}")
    reason = f"constitution.{rule.id}"
    names = tuple(count.name for count in rule.counts)
    compile_unless = compile_globs if rule.hosts is None else compile_hosts
    return _Principle(
        Verdict(Layer.CONSTITUTION, _OUTCOMES[rule.effect], reason, rule.text),
        Verdict(Layer.CONSTITUTION, Outcome.DENY, reason, "its condition could not be evaluated"),
        rule.tier,
        None if rule.labels is None else frozenset(rule.labels),
        None if rule.paths is None else compile_globs(rule.paths),
        None if rule.hosts is None else compile_hosts(rule.hosts),
        compile_unless(rule.unless) if rule.unless else None,
        None if rule.argv is None else compile_argv(rule.argv),
        rule.args,
        None if rule.taint is None else frozenset(rule.taint),
        tuple(_counted(rule, count) for count in rule.counts),
        None if rule.when is None else Condition(rule.when, names),
    )


def _counted(rule: Rule, count: RuleCount) -> _Counted:
    is_own = count.of == CALLS
    of = f"rule:{rule.id}:{count.name}" if is_own else count.of
    return _Counted(count.name, Window(of, count.seconds, count.distinct, count.by_object), count.at_least, is_own)


def _tools(rule: Rule) -> frozenset[Tool]:
    """Return the tools that a rule can hold for."""
    tools = frozenset(Tool if rule.tools is None else rule.tools)
    if rule.paths is not None:
        tools &= _PATHS
    if rule.hosts is not None:
        tools &= NETWORK_TOOLS
    if rule.argv is not None:
        tools &= {Tool.PROC_EXEC}
    return tools
