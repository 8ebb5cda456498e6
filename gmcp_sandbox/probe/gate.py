"""The semantic gate: layer 5, ProbeLogits.

One forward pass over the rendered call (of a long call of an MCP server, over each of its lines), then
`s = z_dangerous − z_safe − α·bias(tool)`; the bias is what the model says to content-free calls of the tool. At
`deny_at` and above the call is denied, at `ask_at` and above somebody is asked.
The likeliest category of danger is the reason (`probe.destruction`, …).

Guarantees:
- No answer is a denial: a model that is missing, altered, broken or late gives `probe.error` or `probe.timeout`.
- `wants` and `recall` run on the event loop and never wait; `judge` and `judge_incoming` are for threads.
- Equal calls in equal taint get equal scores, remembered or not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import msgspec

from gmcp_sandbox.calls.arguments import Arguments, FsRename, McpCall, McpPrompt, ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.pipeline.incoming import Incoming
from gmcp_sandbox.pipeline.layer import deny
from gmcp_sandbox.pipeline.pipeline import is_long
from gmcp_sandbox.policy.profile import ProbePolicy
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.probe.engine import Engine, ProbeError, ProbeTimeout
from gmcp_sandbox.probe.incoming import incoming_lines
from gmcp_sandbox.probe.manifest import Manifest
from gmcp_sandbox.probe.model import Answer
from gmcp_sandbox.probe.parts import further_lines
from gmcp_sandbox.probe.places import place_class
from gmcp_sandbox.probe.question import INCOMING, Surroundings, question_of_call
from gmcp_sandbox.probe.render import render
from gmcp_sandbox.probe.selection import Selection

_REMEMBERED = 8192
_CONTENT = 1024
"""A call with more bytes of content is not remembered by its own value, only by its line."""
_RENDERED_ON_LOOP = 4096
"""A call with more bytes of content, or characters of an MCP server's arguments, is rendered in a thread."""
CACHED = "remembered"


class Scoring(msgspec.Struct, frozen=True):
    """How answers become verdicts: the profile's numbers, or else the model's own.

    Attributes:
        alpha: How much of the bias is taken off.
        deny_at: Score at which a call is denied; `ask_at`: asked about.
        incoming_at: Score at which a text is taken for instructions.
    """

    manifest: Manifest
    alpha: float
    deny_at: float
    ask_at: float
    incoming_at: float

    @classmethod
    def of(cls, manifest: Manifest, policy: ProbePolicy) -> Scoring:
        """Return the numbers that hold."""
        deny_at = manifest.deny_at if policy.deny_at is None else policy.deny_at
        ask_at = manifest.ask_at if policy.ask_at is None else policy.ask_at
        alpha = manifest.alpha if policy.alpha is None else policy.alpha
        if policy.deny_at_most is not None:
            deny_at = min(deny_at, policy.deny_at_most)
        if policy.ask_at_most is not None:
            ask_at = min(ask_at, policy.ask_at_most)
        return cls(manifest, alpha, deny_at, ask_at, manifest.incoming_at)

    @property
    def excerpt_at(self) -> float:
        """Score at which a text that was torn out of a longer one is taken for instructions."""
        return max(self.incoming_at, self.deny_at)

    def score(self, answer: Answer, tool: str) -> float:
        """Return how dangerous the model says that a call of this tool is."""
        return answer.margin - self.alpha * self.manifest.bias_of(tool)

    def worst(self, answers: Sequence[Answer], tool: str) -> Answer:
        """Return the answer that holds for a call: its first line's, or a surer one of a further line.

        A further line counts from `deny_at` on: it is torn out of what it belongs to.
        """
        first, *further = answers
        highest = max(further, key=lambda each: each.margin, default=first)
        return highest if self.score(highest, tool) >= max(self.deny_at, self.score(first, tool)) else first

    def outcome(self, score: float) -> Outcome:
        """Return where a score leads."""
        if score >= self.deny_at:
            return Outcome.DENY
        return Outcome.ASK if score >= self.ask_at else Outcome.ALLOW

    def verdict(self, answer: Answer, tool: str, detail: str) -> Verdict:
        """Return the gate's verdict; `detail` says where the answer comes from."""
        score = self.score(answer, tool)
        outcome = self.outcome(score)
        reason = "probe.ok" if outcome is Outcome.ALLOW else f"probe.{answer.reason}"
        return Verdict(Layer.PROBE, outcome, reason, detail, round(score, 3))


class Gate:
    """One model with one profile's thresholds; fulfils `pipeline.probe.ProbeGate`."""

    def __init__(self, engine: Engine, scoring: Scoring, policy: ProbePolicy, around: Surroundings) -> None:
        self.deadline = policy.deadline_seconds
        self._engine = engine
        self._scoring = scoring
        self._around = msgspec.structs.replace(around, task=policy.task) if policy.task else around
        self._selection = Selection(policy, self._around)
        self._verdicts: dict[object, Verdict] = {}
        self.judged = self.remembered = self.computed_ns = 0
        """Calls that were wanted and answered; of these from memory; nanoseconds that the others took."""

    @property
    def engine(self) -> Engine:
        """What computes."""
        return self._engine

    @property
    def scoring(self) -> Scoring:
        """The numbers that hold."""
        return self._scoring

    def wants(self, call: ToolCall) -> bool:
        """Say whether the gate looks at such a call."""
        return self._selection.wants(call)

    def recall(self, call: ToolCall, state: SessionState) -> Verdict | None:
        """Return the verdict when the answer is remembered; runs on the event loop."""
        key = self._key(call, state.taint_names)
        verdict = self._verdicts.get(key) if key is not None else None
        if verdict is None:
            if _size(call) > _RENDERED_ON_LOOP:
                return None
            answers = []
            for line in self._lines(call, state.taint_names):
                answer = self._engine.recall(line)
                if answer is None:
                    return None
                answers.append(answer)
            verdict = self._scoring.verdict(self._scoring.worst(answers, call.tool), call.tool, CACHED)
            self._keep(key, verdict)
        elif self._engine.fault is not None:
            return self._failed()
        self.judged += 1
        self.remembered += 1
        return verdict

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Answer for one call; runs in a thread."""
        begun = time.perf_counter_ns()
        late_at = begun + int(self.deadline * 1e9)
        try:
            asked = [
                self._engine.ask(line, max(0.0, (late_at - time.perf_counter_ns()) / 1e9))
                for line in self._lines(call, state.taint_names)
            ]
        except ProbeTimeout:
            return deny(Layer.PROBE, "timeout", f"no answer after {self.deadline:g} seconds")
        except ProbeError as fault:
            return deny(Layer.PROBE, "error", str(fault))
        took = time.perf_counter_ns() - begun
        is_remembered = all(each.is_remembered for each in asked)
        self.judged += 1
        self.remembered += is_remembered
        self.computed_ns += 0 if is_remembered else took
        detail = CACHED if is_remembered else f"model, {took / 1e6:.1f} ms"
        return self._scoring.verdict(self._scoring.worst([each.answer for each in asked], call.tool), call.tool, detail)

    def judge_incoming(self, text: str, source: str, is_excerpt: bool = False) -> Incoming:
        """Say whether a text that comes in holds instructions; runs in a thread. No answer counts as a hit."""
        hit_at = self._scoring.excerpt_at if is_excerpt else self._scoring.incoming_at
        highest: float | None = None
        try:
            for line in incoming_lines(text, source):
                answer = self._engine.ask(line, self.deadline).answer
                score = self._scoring.score(answer, INCOMING)
                highest = score if highest is None else max(score, highest)
                if highest >= hit_at:
                    break
        except ProbeError as fault:
            return Incoming(True, None, str(fault))
        if highest is None:
            return Incoming(False, None, "empty")
        return Incoming(highest >= hit_at, round(highest, 3), "model")

    def effort(self) -> dict[str, float]:
        """Say what judging has cost: calls, those not remembered, passes of the model, milliseconds waited."""
        return {
            "judged": self.judged,
            "misses": self.judged - self.remembered,
            "passes": self._engine.passes,
            "ms": round(self.computed_ns / 1e6, 1),
        }

    def _failed(self) -> Verdict:
        return deny(Layer.PROBE, "error", self._engine.fault or "")

    def _lines(self, call: ToolCall, taint: tuple[str, ...]) -> Iterator[str]:
        """Yield the call's line, and the further ones of a long call."""
        by_class = self._selection.by_class(call)
        if by_class:
            call = msgspec.structs.replace(call, content=None)
        question = question_of_call(call, taint, self._around, is_burst=by_class)
        yield render(question)
        yield from further_lines(question)

    def _key(self, call: ToolCall, taint: tuple[str, ...]) -> object | None:
        """Return what equal questions have in common; None when that is too much to keep."""
        if self._selection.by_class(call):
            return (call.tool, self._class(call.object), self._what(call.args), call.label, taint)
        content = call.content
        if content is not None and len(content) > _CONTENT:
            return None
        if isinstance(call.args, ProcExec) and is_long(call.args):
            return None
        return (call.tool, call.object, call.args, call.label, taint, content)

    def _class(self, path: str) -> str:
        return place_class(path, self._around.workspace, self._around.home)

    def _what(self, args: Arguments) -> object:
        """Return what arguments say, paths in them by class."""
        return self._class(args.target) if isinstance(args, FsRename) else args

    def _keep(self, key: object | None, verdict: Verdict) -> None:
        if key is None:
            return
        if len(self._verdicts) >= _REMEMBERED:
            self._verdicts.clear()
        self._verdicts[key] = verdict


def _size(call: ToolCall) -> int:
    return len(call.args.arguments) if isinstance(call.args, McpCall | McpPrompt) else len(call.content or b"")
