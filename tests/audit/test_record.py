from __future__ import annotations

import json

import msgspec
import pytest

from gmcp_sandbox.audit.chain import START, TAIL, linker
from gmcp_sandbox.audit.entries import CallEntry, GenesisEntry, decode
from gmcp_sandbox.audit.record import (
    MAX_EVENT,
    MAX_LINE,
    MAX_SEAL,
    NO_VERDICT,
    Genesis,
    again_body,
    call_body,
    event_body,
    genesis_body,
    seal_body,
)
from gmcp_sandbox.calls.arguments import FsCreate, FsRename, HttpRequest, McpCall, ProcExec
from gmcp_sandbox.calls.labels import NETWORK, TOOL, Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict


def entry_of(body):
    return decode(linker()(START, body)[1])


def test_a_full_allowed_record_is_small_and_says_what_was_decided(decision):
    body = call_body(decision(7, "/home/user/project/src/module.py", extent=(0, 4096)), 4_321)
    assert len(body) + TAIL <= 330
    assert json.loads(body + b"}") == {
        "kind": "call",
        "seq": 7,
        "at": 1_700_000_000_000_000_007,
        "pid": 4711,
        "tool": "fs.read",
        "object": "/home/user/project/src/module.py",
        "args": {"op": "open"},
        "label": "workspace",
        "outcome": "allow",
        "verdicts": 5,
        "us": 4,
        "epoch": 1,
        "extent": [0, 4096],
    }


@pytest.mark.parametrize("content", [None, b"x" * 4096])
def test_a_repeat_stays_within_250_bytes(decision, content):
    call = decision(123_456, extent=(1 << 20, 4096), content=content, pid=54_321).call
    assert len(again_body(call, 123_400, 12_000)) + TAIL <= 250


def test_a_denial_names_layer_reason_and_detail(denial):
    entry = entry_of(call_body(denial(1), 1_000))
    assert isinstance(entry, CallEntry)
    assert (entry.outcome, entry.layer, entry.reason) == ("deny", "trust", "trust.no_capability")
    assert entry.verdicts == ("schema", ["trust", "deny", "trust.no_capability", "no grant for secret"])


def test_a_score_and_an_unusual_allow_are_kept(decision):
    verdicts = (
        Verdict(Layer.SCHEMA, Outcome.ALLOW, "schema.ok"),
        Verdict(Layer.PROBE, Outcome.ALLOW, "probe.scored", "", -1.5),
        Verdict(Layer.PROBE, Outcome.ALLOW, "probe.not_wanted"),
        Verdict(Layer.PROBE, Outcome.ALLOW, "probe.scored", "", float("nan")),
    )
    entry = entry_of(call_body(decision(1, verdicts=verdicts), 0))
    assert entry.verdicts == (
        "schema",
        ["probe", "allow", "probe.scored", "", -1.5],
        ["probe", "allow", "probe.not_wanted"],
        ["probe", "allow", "probe.scored"],
    )


def test_the_memo_of_verdicts_never_answers_for_another_outcome_or_label(decision, denial):
    other = Label("custom", 3)
    for made in (decision(1), denial(2), decision(3, label=other), denial(4, label=other), decision(5)):
        entry = entry_of(call_body(made, 0))
        assert entry.outcome == made.outcome.value
        assert entry.label == made.call.label.name
        assert (entry.verdicts == 5) == made.is_allowed


def test_a_denial_without_verdicts_has_a_reason_too(decision):
    empty = Decision(decision(1).call, Outcome.DENY, (), 1)
    entry = entry_of(call_body(empty, 0))
    assert (entry.outcome, entry.layer, entry.reason, entry.verdicts) == ("deny", None, NO_VERDICT, ())


def test_content_is_a_digest_and_a_length(decision):
    body = call_body(decision(1, content=b"the secret text"), 0)
    assert b"secret text" not in body
    assert json.loads(body + b"}")["content"][1] == 15


def test_only_arguments_that_differ_from_their_defaults_are_written(decision):
    renamed = decision(1, tool=Tool.FS_RENAME, args=FsRename("/ws/b"))
    assert entry_of(call_body(renamed, 0)).args == {"target": "/ws/b"}
    made = decision(1, tool=Tool.FS_CREATE, args=FsCreate("file", mode=0o600))
    assert entry_of(call_body(made, 0)).args == {"kind": "file"}


@pytest.mark.parametrize(
    ("tool", "label", "args"),
    [
        (Tool.PROC_EXEC, TOOL, ProcExec(("curl", "--token", "hunter2", "https://u:hunter2@example.com"))),
        (Tool.HTTP_REQUEST, NETWORK, HttpRequest("GET", "/x?password=hunter2", 80)),
        (Tool.MCP_CALL, TOOL, McpCall("s", '{"password":"hunter2"}')),
    ],
)
def test_secrets_in_arguments_are_redacted(decision, tool, label, args):
    assert b"hunter2" not in call_body(decision(1, "example.com", tool=tool, label=label, args=args), 0)


def test_control_characters_and_other_bytes_in_paths_are_escaped_and_come_back(decision):
    path = "/ws/\x1b[2J\n\u202e" + b"\xe9".decode("utf-8", "surrogateescape")
    body = call_body(decision(1, path), 0)
    assert all(0x20 <= byte < 0x7F for byte in body)
    assert entry_of(body).object == path


def test_the_longest_record_stays_below_the_limit(decision):
    argv = ("\U0010ffff" * 100_000,) * 50
    made = decision(1, "/" + "\U0010ffff" * 100_000, tool=Tool.PROC_EXEC, args=ProcExec(argv, "/" + "\x01" * 100_000))
    detail = Verdict(Layer.TRUST, Outcome.DENY, "trust.x", "\x01" * 100_000)
    assert len(call_body(Decision(made.call, Outcome.DENY, (detail,), 1, ("secret",) * 9), 0)) < MAX_LINE // 2


def test_the_genesis_says_what_runs_and_that_there_is_no_model():
    genesis = Genesis(
        session="0123abcd",
        agent="a",
        argv=("agent", "--api-key", "hunter2"),
        started_ns=1,
        uid=0,
        profile="default",
        profile_digest="00",
        layers=("schema",),
        versions={"python": "3.13"},
        host={"seccomp": "yes"},
        view=[["/ws", "rw", "workspace"]],
    )
    entry = entry_of(genesis_body(genesis))
    assert isinstance(entry, GenesisEntry)
    assert (entry.probe, entry.model) == ("no model", None)
    assert entry.argv == ("agent", "--api-key", "[redacted]")
    assert entry_of(genesis_body(msgspec.structs.replace(genesis, model_digest="ff"))).model == "ff"


def test_events_and_seals_are_bounded():
    assert len(event_body("x" * 100_000, 1, {"data": "y" * 100_000})) < MAX_EVENT
    totals = {tool.value: [10**9, 10**9] for tool in Tool}
    assert len(seal_body(1, 10**12, totals, {"error": "y" * 100_000})) + TAIL < MAX_SEAL
