"""Layer 3: not too often.

Every limit of the profile is one token bucket for its tools, labels, hosts and MCP servers together. A call that
several limits cover needs a token of each, and takes none when one is empty. Time comes with the call; a clock that
steps back refills nothing and takes nothing away, a clock that leaps ahead fills a bucket once, to its burst.

The only layer with state: its answer is never remembered, it is asked on every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import BUILTIN
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer, Verdict
from gmcp_sandbox.pipeline.layer import allow, deny
from gmcp_sandbox.policy.match import compile_hosts
from gmcp_sandbox.policy.profile import RateLimit
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.policy.wildcards import compile_wildcards


class Bucket:
    """Tokens that come at a steady rate, up to a burst."""

    __slots__ = ("_burst", "_latest", "_per_ns", "tokens")

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_ns = per_second / 1e9
        self._burst = float(burst)
        self.tokens = self._burst
        self._latest: int | None = None

    def refill(self, now_ns: int) -> bool:
        """Add what came since the latest time that was seen; return whether a token is there."""
        latest = self._latest
        if latest is None:
            self._latest = now_ns
        elif now_ns > latest:
            self._latest = now_ns
            self.tokens = min(self._burst, self.tokens + (now_ns - latest) * self._per_ns)
        return self.tokens >= 1.0


class Rate:
    """Judge by how often."""

    name = Layer.RATE

    def __init__(self, limits: Iterable[RateLimit]) -> None:
        limits = tuple(limits)
        self._buckets = _compile(limits)
        self._by_object = _compile_objects(limits)
        self._allow = allow(self.name)
        self._exceeded = deny(self.name, "exceeded")

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Allow while every limit that covers the call has a token, and take one of each."""
        by_label = self._buckets.get(call.tool)
        if by_label is None:
            return self._allow
        buckets = by_label.get(call.label.name, ())
        if call.tool in self._by_object:
            buckets = (*buckets, *(each for matches, each in self._by_object[call.tool] if matches(call.object)))
        now_ns = call.at_ns
        for bucket in buckets:
            if not bucket.refill(now_ns):
                return self._exceeded
        for bucket in buckets:
            bucket.tokens -= 1.0
        return self._allow


def _compile(limits: Iterable[RateLimit]) -> dict[Tool, dict[str, tuple[Bucket, ...]]]:
    table: dict[Tool, dict[str, tuple[Bucket, ...]]] = {}
    for limit in limits:
        bucket = Bucket(limit.per_second, limit.burst)
        for tool in limit.tools:
            by_label = table.setdefault(tool, {})
            for label in () if _matcher(limit) is not None else BUILTIN if limit.labels is None else limit.labels:
                by_label[label] = (*by_label.get(label, ()), bucket)
    return table


def _compile_objects(limits: Iterable[RateLimit]) -> dict[Tool, list[tuple[Callable[[str], bool], Bucket]]]:
    table: dict[Tool, list[tuple[Callable[[str], bool], Bucket]]] = {}
    for limit in limits:
        matches = _matcher(limit)
        if matches is not None:
            one = (matches, Bucket(limit.per_second, limit.burst))
            for tool in limit.tools:
                table.setdefault(tool, []).append(one)
    return table


def _matcher(limit: RateLimit) -> Callable[[str], bool] | None:
    """Return which objects a limit is about; None: any."""
    if limit.hosts is not None:
        return compile_hosts(limit.hosts)
    if limit.server is None:
        return None
    names = ("*",) if limit.names is None else limit.names
    return compile_wildcards(f"{limit.server}/{name}" for name in names)
