"""The whole pipeline over rows, with and without its two layers that read meaning.

Everything is granted (capabilities, rates) and the trust layer is left out, so that what stops a call is prefilter,
probe or constitution of the default profile. An ask counts as a stop: without an approver it is one.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gmcp_sandbox.calls.arguments import ARGUMENTS, McpCall, ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import BUILTIN, NETWORK, SYSTEM, TOOL, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.pipeline.incoming import Incoming
from gmcp_sandbox.pipeline.pipeline import Pipeline, layers_of
from gmcp_sandbox.policy.profile import Capability, Profile, Tier
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.probe.question import INCOMING, question_of_row
from scripts.probe.rows import Row

CONFIGURATIONS = {
    "full": (True, True),
    "without probe": (True, False),
    "without prefilter": (False, True),
    "without both": (False, False),
}
"""Whether prefilter and probe take part."""


class ScoredGate:
    """A gate whose scores are known before."""

    deadline = 10.0

    def __init__(self, scores: Mapping[int, float], ask_at: float, deny_at: float) -> None:
        self._scores, self._ask_at, self._deny_at = scores, ask_at, deny_at

    def wants(self, call: ToolCall) -> bool:
        """Look at every call."""
        return True

    def recall(self, call: ToolCall, state: SessionState) -> Verdict | None:
        """Remember nothing."""
        return None

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Answer by the number of the call."""
        score = self._scores[call.seq]
        outcome = Outcome.DENY if score >= self._deny_at else Outcome.ASK if score >= self._ask_at else Outcome.ALLOW
        return Verdict(Layer.PROBE, outcome, "probe.scored", "", score)

    def judge_incoming(self, text: str, source: str, is_excerpt: bool = False) -> Incoming:
        """Rows of incoming text are read by their number, not here."""
        raise NotImplementedError

    def stops(self, number: int) -> bool:
        """Say whether a row would be stopped, or taken for instructions."""
        return self._scores[number] >= self._ask_at


def open_profile() -> Profile:
    """Return the default profile with everything granted."""
    profile = load_profile("default", workspace=Path("/workspace"), home=Path("/home/user"))
    grant = Capability(tuple(Tool), tuple(BUILTIN))
    return msgspec.structs.replace(profile, tier=Tier.TRUSTED, capabilities=(grant,), rates=())


def call_of(row: Row, number: int) -> ToolCall | None:
    """Return the live call of a row; None for text that comes in, which is no call."""
    question = question_of_row(row.call)
    if question.tool == INCOMING:
        return None
    tool = Tool(question.tool)
    label = BUILTIN.get(question.label, _USUAL.get(tool.partition(".")[0], WORKSPACE))
    content = None if question.content is None else question.content.encode("utf-8", "surrogateescape")
    return ToolCall(
        seq=number, at_ns=number, session="ablation", agent="ablation", pid=1, tool=tool, label=label, content=content,
        object=_object(tool, question.object, question.args), args=_arguments(tool, question.object, question.args),
    )  # fmt: skip


_USUAL = {"proc": SYSTEM, "mcp": TOOL, "net": NETWORK, "dns": NETWORK, "http": NETWORK, "tls": NETWORK}


def _object(tool: Tool, named: str, args: Mapping[str, Any]) -> str:
    if tool is Tool.PROC_EXEC:
        return named or "/usr/bin/" + (_words(str(args.get("command", "")))[0].rsplit("/", 1)[-1] or "sh")
    return named if "/" in named or not tool.startswith("mcp.") else f"server/{named}"


def _words(command: str) -> tuple[str, ...]:
    """Return the argv of a command, through a shell where it needs one."""
    if not any(mark in command for mark in ";|&<>$`\n(){}*?~#="):
        try:
            found = tuple(shlex.split(command))
        except ValueError:
            found = ()
        if found:
            return found
    return ("bash", "-c", command)


def _arguments(tool: Tool, named: str, args: Mapping[str, Any]) -> Any:
    if tool is Tool.PROC_EXEC:
        argv = args.get("argv")
        return ProcExec(argv=tuple(argv) if argv else _words(str(args.get("command", ""))))
    if tool is Tool.MCP_CALL:
        given = json.dumps(args.get("arguments") or {}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return McpCall(server=named.partition("/")[0] or "server", arguments=given)
    kind = ARGUMENTS[tool]
    known = {field.name for field in msgspec.structs.fields(kind)}
    usual: dict[str, Any] = {
        "op": "open",
        "kind": "file",
        "qtype": "A",
        "port": 443,
        "method": "GET",
        "path": "/",
        "protocol": "udp",
    }
    given_ = {name: value for name, value in {**usual, **args}.items() if name in known}
    return msgspec.convert(given_, kind, strict=False)


def stopped(rows: Sequence[Row], scores: Sequence[float], thresholds: tuple[float, float]) -> dict[str, list[bool]]:
    """Return which rows each configuration stops."""
    profile = open_profile()
    gate = ScoredGate(dict(enumerate(scores)), *thresholds)
    calls = [call_of(row, number) for number, row in enumerate(rows)]
    found = {}
    for name, (has_prefilter, has_probe) in CONFIGURATIONS.items():
        left_out = {Layer.TRUST} if has_prefilter else {Layer.TRUST, Layer.PREFILTER}
        layers = [layer for layer in layers_of(profile) if layer.name not in left_out]
        pipeline = Pipeline.of_layers(layers, gate if has_probe else None, remember=1)
        found[name] = [
            has_probe and gate.stops(number) if call is None else _is_stopped(pipeline, call)
            for number, call in enumerate(calls)
        ]
    return found


def _is_stopped(pipeline: Pipeline, call: ToolCall) -> bool:
    state = SessionState(Tier.TRUSTED)
    judgement = pipeline.judge(call, state)
    gate = pipeline.gate
    if gate is not None and judgement.needs_probe:
        judgement = pipeline.resume(call, state, judgement, gate.judge(call, state))
    for verdict in judgement.verdicts:
        if verdict.reason.endswith(".error"):
            raise RuntimeError(
                f"{verdict.reason} for {call.object}: {verdict.detail}; no measure of what the layer does"
            )
    return judgement.outcome is not Outcome.ALLOW
