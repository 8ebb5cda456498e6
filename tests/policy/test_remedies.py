from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gmcp_sandbox.calls.arguments import FsCreate, FsRead, McpCall, McpPrompt, McpRead, McpSample, NetConnect
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import NETWORK, SECRET, TOOL, WATCHED, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.pipeline.constitution import Constitution
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.ceiling import bounded
from gmcp_sandbox.policy.profile import Capability, Ceiling, Profile, Rule, Tier
from gmcp_sandbox.policy.remedies import remedy_for
from gmcp_sandbox.policy.sample import calls_on_path
from gmcp_sandbox.policy.state import SessionState

CALLS = [
    (Tool.FS_READ, "/ws/[x]*.env", FsRead("open"), SECRET),
    (Tool.FS_CREATE, "/ws/.envrc", FsCreate("file"), WATCHED),
    (Tool.NET_CONNECT, "api.example.com", NetConnect(443), NETWORK),
]


def call(tool, name, args, label):
    return ToolCall(1, 1, "00000000", "a", 1, tool, name, args, label)


def mended(asked, profile):
    """Mend one denial after the other; return the texts and the profile that allows the call."""
    texts = []
    for _ in range(5):
        judgement = Pipeline(profile, None).judge(asked, SessionState(profile.tier))
        if judgement.outcome is Outcome.ALLOW:
            return texts, profile
        verdict = next(one for one in judgement.verdicts if one.outcome is not Outcome.ALLOW)
        remedy = remedy_for(verdict, asked, profile)
        assert remedy is not None, verdict
        texts.append(remedy.text)
        profile = remedy.profile
    raise AssertionError(texts)


@pytest.fixture
def default(tmp_path):
    return load_profile("default", workspace=Path("/ws"), home=tmp_path)


@pytest.mark.parametrize("parts", CALLS, ids=lambda parts: parts[1])
def test_what_is_proposed_is_a_profile_that_allows_the_call(parts, default, tmp_path):
    asked = call(*parts)
    texts, _ = mended(asked, default)
    own = tmp_path / "own.toml"
    # In TOML single values stand before tables.
    ordered = sorted(texts, key=lambda text: text.startswith("["))
    own.write_text('name = "own"\nextends = "default"\n' + "\n\n".join(ordered) + "\n")
    profile = load_profile(str(own), workspace=Path("/ws"), home=tmp_path)
    assert Pipeline(profile, None).judge(asked, SessionState(profile.tier)).outcome is Outcome.ALLOW


def test_the_change_covers_no_other_object(default):
    asked = call(*CALLS[0])
    _, profile = mended(asked, default)
    other = call(Tool.FS_READ, "/ws/xy.env", FsRead("open"), SECRET)
    assert Pipeline(profile, None).judge(other, SessionState(profile.tier)).outcome is Outcome.DENY


def test_some_denials_have_no_remedy(default):
    lowering = call(Tool.FS_CREATE, "/ws/a", FsCreate("hardlink", target="/ws/.env", lowers=True), WORKSPACE)
    verdict = Pipeline(default, None).judge(lowering, SessionState(default.tier)).verdicts[-1]
    assert verdict.reason == "trust.lowers_label"
    assert remedy_for(verdict, lowering, default) is None


def test_no_profile_alters_what_the_ceiling_denies(tmp_path: Path) -> None:
    rule = Rule("ceiling.no-write", "No.", "deny", tools=(Tool.FS_WRITE,))
    above = Ceiling("acme", "", Tier.TRUSTED, (Capability((Tool.FS_READ,), ("workspace",)),), rules=(rule,))
    profile = bounded(load_profile("default", workspace=Path("/ws"), home=tmp_path), above)
    asked = next(each for each in calls_on_path("/ws/a", WORKSPACE) if each.tool is Tool.FS_WRITE)
    by_rule = Constitution(profile.rules).judge(asked, SessionState(profile.tier))
    for verdict in (Verdict(Layer.TRUST, Outcome.DENY, "trust.ceiling"), by_rule):
        assert verdict.outcome is Outcome.DENY
        assert remedy_for(verdict, asked, profile) is None


@pytest.mark.parametrize(("most", "is_mended"), [(None, True), (9.0, True), (2.0, False)])
def test_a_score_that_the_ceiling_denies_has_no_remedy(default: Profile, most: float | None, is_mended: bool) -> None:
    probe = msgspec.structs.replace(default.probe, deny_at_most=most)
    asked = call(Tool.FS_READ, "/ws/a", FsRead("open"), WORKSPACE)
    verdict = Verdict(Layer.PROBE, Outcome.DENY, "probe.dangerous", score=3.0)
    found = remedy_for(verdict, asked, msgspec.structs.replace(default, probe=probe))
    assert (found is not None) is is_mended


SERVERS = """
name = "own"
extends = "default"

[mcp.servers.files]
command = "serve"
tools = ["read_*"]
"""
MCP_CALLS = [
    (Tool.MCP_READ, "files/file:///a", McpRead("files", "file:///a"), TOOL),
    (Tool.MCP_PROMPT, "files/p", McpPrompt("files", "{}"), TOOL),
    (Tool.MCP_SAMPLE, "files", McpSample("files", "request", "{}"), TOOL),
]


@pytest.mark.parametrize("parts", MCP_CALLS, ids=lambda parts: parts[0].value)
def test_a_server_is_granted_what_was_asked_and_no_more(parts, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(SERVERS)
    before = load_profile(str(own), workspace=Path("/ws"), home=tmp_path)
    texts, after = mended(call(*parts), before)
    (server,) = after.mcp.servers
    granted = {
        name for name in server.__struct_fields__ if getattr(server, name) != getattr(before.mcp.servers[0], name)
    }
    assert len(granted) == 1 and texts[0].startswith(f"[mcp.servers.files]\n{granted.pop()} = ")


def test_a_tool_that_is_not_named_is_proposed_and_one_that_is_stopped_is_not(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(SERVERS)
    profile = load_profile(str(own), workspace=Path("/ws"), home=tmp_path)
    asked = call(Tool.MCP_CALL, "files/write", McpCall("files", "{}"), TOOL)
    verdict = Pipeline(profile, None).judge(asked, SessionState(profile.tier)).verdicts[-1]
    assert remedy_for(verdict, asked, profile).text == '[mcp.servers.files]\ntools = ["read_*", "write"]'
    unlisted = call(Tool.MCP_CALL, "files/read_x", McpCall("files", "{}"), TOOL)
    verdict = Pipeline(profile, None).judge(unlisted, SessionState(profile.tier)).verdicts[-1]
    assert verdict.reason == "trust.unknown_tool" and remedy_for(verdict, unlisted, profile) is None
