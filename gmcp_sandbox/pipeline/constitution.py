"""Layer 6: the principles of the profile.

A rule holds when every selector that it has matches the call and the session. Of the rules that hold, one that denies
wins over any that asks, and among equals the first in the profile gives the reason (`constitution.<rule id>`).

A rule with `paths` says nothing about hosts and MCP, a rule with `hosts` nothing about paths. Of a rename or a hard
link either path is enough to match. `taint` matches when the session has read any of the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import NETWORK_TOOLS, Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.pipeline.layer import allow
from gmcp_sandbox.pipeline.trust import CHANGING, LOOKING, second_path
from gmcp_sandbox.policy.match import compile_globs, compile_hosts
from gmcp_sandbox.policy.profile import Rule
from gmcp_sandbox.policy.state import SessionState

_PATHS = LOOKING | CHANGING | {Tool.PROC_EXEC}


class _Principle(msgspec.Struct, frozen=True):
    """A rule with its selectors compiled."""

    verdict: Verdict
    labels: frozenset[str] | None
    paths: Callable[[str], bool] | None
    hosts: Callable[[str], bool] | None
    taint: frozenset[str] | None

    def holds(self, call: ToolCall, state: SessionState) -> bool:
        if self.labels is not None and call.label.name not in self.labels:
            return False
        if self.taint is not None and self.taint.isdisjoint(state.taint):
            return False
        if self.hosts is not None and not self.hosts(call.object):
            return False
        return self.paths is None or self.paths(call.object) or self._matches_second(call)

    def _matches_second(self, call: ToolCall) -> bool:
        other = second_path(call)
        return other is not None and self.paths is not None and self.paths(other)


class Constitution:
    """Judge by principle."""

    name = Layer.CONSTITUTION

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._allow = allow(self.name)
        self._principles: dict[Tool, list[_Principle]] = {}
        # Denials first, so that the first principle that holds decides.
        for rule in sorted(rules, key=lambda rule: rule.effect != "deny"):
            principle = _compile(rule)
            for tool in _tools(rule):
                self._principles.setdefault(tool, []).append(principle)

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Answer with the first principle that holds, else allow."""
        principles = self._principles.get(call.tool)
        if principles is not None:
            for principle in principles:
                if principle.holds(call, state):
                    return principle.verdict
        return self._allow


def _compile(rule: Rule) -> _Principle:
    if rule.effect not in ("deny", "ask"):
        raise ValueError(f"rule {rule.id}: unknown effect {rule.effect!r}")
    return _Principle(
        Verdict(Layer.CONSTITUTION, Outcome(rule.effect), f"constitution.{rule.id}", rule.text),
        None if rule.labels is None else frozenset(rule.labels),
        None if rule.paths is None else compile_globs(rule.paths),
        None if rule.hosts is None else compile_hosts(rule.hosts),
        None if rule.taint is None else frozenset(rule.taint),
    )


def _tools(rule: Rule) -> frozenset[Tool]:
    """Return the tools that a rule can hold for."""
    tools = frozenset(Tool if rule.tools is None else rule.tools)
    if rule.paths is not None:
        tools &= _PATHS
    if rule.hosts is not None:
        tools &= NETWORK_TOOLS
    return tools
