"""The semantic gate, with a real if small model behind it."""

from __future__ import annotations

import itertools
import json
import threading

import msgspec
import pytest

from gmcp_sandbox.calls.arguments import FsWrite, McpCall, ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import SCRATCH, SYSTEM, TOOL, WATCHED
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.policy.profile import ProbePolicy, Tier
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.probe.engine import Engine
from gmcp_sandbox.probe.gate import CACHED, Gate, Scoring
from gmcp_sandbox.probe.manifest import read_manifest
from gmcp_sandbox.probe.memory import Memory
from gmcp_sandbox.probe.model import Model
from gmcp_sandbox.probe.question import Surroundings
from tests.probe.models import make_model

AROUND = Surroundings("/w", "/home/u")
NOW = SessionState(Tier.STANDARD)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture
def gate_of(directory):
    engines = []

    def make(state=None, load=None, **policy):
        manifest = read_manifest(directory)
        memory = Memory(manifest.digest, state, pytest.fail)
        engines.append(Engine(load or (lambda: Model.load(directory, manifest)), memory))
        chosen = ProbePolicy(**policy)
        return Gate(engines[-1], Scoring.of(manifest, chosen), chosen, AROUND)

    yield make
    for engine in engines:
        engine.stop()


@pytest.fixture
def hanging_gate_of(gate_of):
    """Gates whose model is being loaded for as long as the test runs."""
    ended = threading.Event()

    def load():
        ended.wait()
        raise RuntimeError("nobody waits any more")

    yield lambda **policy: gate_of(load=load, **policy)
    ended.set()


def run(*argv):
    return ToolCall(1, 1, "s", "a", 1, Tool.PROC_EXEC, f"/usr/bin/{argv[0]}", ProcExec(argv), SYSTEM)


@pytest.mark.parametrize(
    ("argv", "outcome", "reason", "score"),
    [
        (("ls",), Outcome.ALLOW, "probe.ok", -4.0),
        (("rm", "x"), Outcome.DENY, "probe.destruction", 4.0),
        (("curl", "x"), Outcome.ASK, "probe.exfiltration", 1.5),
    ],
)
def test_the_score_leads_somewhere_and_the_category_says_why(gate_of, argv, outcome, reason, score):
    verdict = gate_of().judge(run(*argv), NOW)
    assert (verdict.outcome, verdict.reason, verdict.score) == (outcome, reason, score)
    assert verdict.detail.startswith("model, ")


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        ({"deny_at": 5.0}, Outcome.ASK),
        ({"deny_at": 5.0, "ask_at": 4.5}, Outcome.ALLOW),
        ({"ask_at": 4.0}, Outcome.DENY),
        ({"deny_at": 5.0, "deny_at_most": 4.0}, Outcome.DENY),
        ({"deny_at": 5.0, "ask_at": 4.5, "ask_at_most": 4.0}, Outcome.ASK),
        ({"deny_at_most": 9.0, "ask_at_most": 9.0}, Outcome.DENY),
    ],
)
def test_the_profile_s_thresholds_come_before_the_model_s(gate_of, policy, outcome):
    assert gate_of(**policy).judge(run("rm"), NOW).outcome is outcome


def test_the_bias_of_the_tool_is_taken_off(gate_of, directory):
    manifest = msgspec.structs.replace(read_manifest(directory), bias={"proc.exec": 2.0, "*": 9.0})
    answer = Model.load(directory).answer(["rm"])[0]
    assert Scoring.of(manifest, ProbePolicy(alpha=0.5)).score(answer, "proc.exec") == 3.0
    assert Scoring.of(manifest, ProbePolicy()).score(answer, "mcp.call") == -5.0


def test_an_answer_is_recalled_without_the_model(gate_of, tmp_path):
    first = gate_of(state=tmp_path)
    assert first.recall(run("rm"), NOW) is None
    judged = first.judge(run("rm"), NOW)
    later = gate_of(state=tmp_path, load=lambda: pytest.fail("not needed"))
    for gate in (first, later):
        recalled = gate.recall(run("rm"), NOW)
        assert recalled == msgspec.structs.replace(judged, detail=CACHED)
        assert gate.recall(run("rm"), NOW) is recalled
    assert later.effort() == {"judged": 2, "misses": 0, "passes": 0, "ms": 0.0}
    assert first.effort()["misses"] == 1


def test_what_differs_in_content_taint_or_place_is_another_question(gate_of):
    gate = gate_of()
    state = SessionState(Tier.STANDARD)
    envrc = ToolCall(1, 1, "s", "a", 1, Tool.FS_WRITE, "/w/.envrc", FsWrite("write"), WATCHED, None, b"ls")
    gate.judge(envrc, state)
    assert gate.recall(envrc, state) is not None
    assert gate.recall(msgspec.structs.replace(envrc, content=b"rm"), state) is None
    assert gate.recall(msgspec.structs.replace(envrc, content=b"x" * 100_000), state) is None
    state.mark("secret")
    assert gate.recall(envrc, state) is None


def test_three_thousand_files_of_a_scratch_tree_are_one_question(gate_of):
    gate = gate_of()
    write = ToolCall(1, 1, "s", "a", 1, Tool.FS_WRITE, "/tmp/x/0", FsWrite("write"), SCRATCH, None, b"rm rm rm")
    assert gate.judge(write, NOW).outcome is Outcome.ALLOW
    for number in itertools.islice(itertools.count(1), 3000):
        other = msgspec.structs.replace(write, object=f"/tmp/x/{number}", content=b"%d" % number)
        assert gate.recall(other, NOW) is not None
    assert gate.effort()["passes"] == 1


def test_a_model_that_is_gone_denies_even_what_is_remembered(gate_of, directory):
    gate = gate_of()
    gate.judge(run("ls"), NOW)
    assert gate.recall(run("ls"), NOW).outcome is Outcome.ALLOW
    gate.engine.stop()
    assert gate.recall(run("ls"), NOW).reason == "probe.error"
    assert gate.judge(run("ls"), NOW).reason == "probe.error"


def test_no_answer_in_time_denies(hanging_gate_of):
    verdict = hanging_gate_of(deadline_seconds=1e-6).judge(run("rm"), NOW)
    assert (verdict.outcome, verdict.reason) == (Outcome.DENY, "probe.timeout")


@pytest.mark.parametrize(
    ("text", "is_hit"),
    [("a text", False), ("", False), ("steal", True), ("x " * 2000 + "send it: steal" + " y" * 2000, True)],
)
def test_text_that_comes_in_is_read_for_orders(gate_of, text, is_hit):
    assert gate_of().judge_incoming(text, "web page").is_hit is is_hit


def test_an_excerpt_has_to_be_as_sure_as_a_denied_call(gate_of):
    sure, unsure = gate_of(), gate_of(deny_at=99.0)
    assert sure.judge_incoming("steal", "file", True).is_hit
    assert unsure.judge_incoming("steal", "file").is_hit
    assert not unsure.judge_incoming("steal", "file", True).is_hit


def test_a_text_that_nobody_can_judge_counts_as_orders(hanging_gate_of):
    found = hanging_gate_of(deadline_seconds=1e-6).judge_incoming("soup", "web page")
    assert found.is_hit and found.score is None


def tell(text):
    arguments = json.dumps({"text": text})
    return ToolCall(1, 1, "s", "a", 1, Tool.MCP_CALL, "wiki/save", McpCall("wiki", arguments), TOOL)


FILL = "some text " * 60


@pytest.mark.parametrize("before", [FILL * 2, FILL * 3, FILL * 4])
def test_what_the_line_of_a_long_mcp_call_leaves_out_is_judged(gate_of, before):
    gate = gate_of(deny_at=3.0)
    assert gate.judge(tell(before + before), NOW).outcome is Outcome.ALLOW
    verdict = gate.judge(tell(f"{before} rm {before}"), NOW)
    assert (verdict.outcome, verdict.score) == (Outcome.DENY, 4.0)


def test_a_further_line_counts_only_where_the_model_is_sure(gate_of):
    gate = gate_of(deny_at=3.0)
    assert gate.judge(tell("curl"), NOW).outcome is Outcome.ASK
    assert gate.judge(tell(f"{FILL * 2} curl {FILL * 2}"), NOW).outcome is Outcome.ALLOW


def test_a_long_mcp_call_is_remembered_with_all_of_its_lines(gate_of):
    gate, long = gate_of(deny_at=3.0), tell(f"{FILL * 2} rm {FILL * 2}")
    gate.judge(tell(FILL * 2), NOW)
    assert gate.recall(long, NOW) is None
    assert gate.judge(long, NOW).outcome is Outcome.DENY
    again = gate.recall(long, NOW)
    assert again is not None and (again.outcome, again.detail) == (Outcome.DENY, CACHED)
