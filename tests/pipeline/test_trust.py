"""Tier and grant: both must hold."""

from __future__ import annotations

import pytest
from hypothesis import given

from gmcp_sandbox.calls.arguments import FsCreate, FsRead, FsRename, FsStat, FsWrite
from gmcp_sandbox.calls.labels import BUILTIN, OUTSIDE, SECRET, SYSTEM, WATCHED, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.pipeline.trust import Trust, demanded
from gmcp_sandbox.policy.profile import Capability, Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import CALLS, EXEC, READ, STAT, call, connect, mcp, profile

STANDARD = SessionState(Tier.STANDARD)


def reason(asked, state=STANDARD, **policy):
    return Trust(profile(**policy)).judge(asked, state).reason


def test_what_is_granted_passes():
    assert reason(STAT) == reason(READ) == reason(EXEC) == "trust.ok"


def test_what_nothing_grants_is_denied():
    assert reason(STAT, capabilities=()) == "trust.no_capability"
    assert reason(call(Tool.FS_WRITE, "/usr/a", FsWrite("open"), SYSTEM)) == "trust.no_capability"
    assert reason(call(Tool.FS_READ, "/w/.env", FsRead("open"), SECRET)) == "trust.no_capability"


def test_outside_is_never_granted():
    everything = tuple(Capability((tool,), tuple(BUILTIN)) for tool in Tool)
    asked = call(Tool.FS_STAT, "/root", FsStat("lookup"), OUTSIDE)
    assert reason(asked, SessionState(Tier.TRUSTED), tier=Tier.TRUSTED, capabilities=everything) == "trust.outside_view"


def test_a_grant_holds_for_its_objects_alone():
    assert reason(call(Tool.FS_STAT, "/w/.env", FsStat("lookup"), SECRET)) == "trust.ok"
    assert reason(call(Tool.FS_STAT, "/etc/shadow", FsStat("lookup"), SECRET)) == "trust.no_capability"


def test_grants_of_one_label_add_up():
    grants = tuple(Capability((Tool.FS_STAT,), ("workspace",), (glob,)) for glob in ("/w/a", "/w/b"))
    for name in ("a", "b"):
        assert reason(call(Tool.FS_STAT, f"/w/{name}", FsStat("lookup")), capabilities=grants) == "trust.ok"
    assert reason(call(Tool.FS_STAT, "/w/c", FsStat("lookup")), capabilities=grants) == "trust.no_capability"


def test_an_empty_list_of_objects_grants_nothing():
    assert reason(STAT, capabilities=(Capability((Tool.FS_STAT,), ("workspace",), ()),)) == "trust.no_capability"


def test_a_lower_tier_than_demanded_is_denied_in_spite_of_a_grant():
    grant = (Capability((Tool.FS_WRITE,), ("watched",)),)
    asked = call(Tool.FS_WRITE, "/w/.envrc", FsWrite("open"), WATCHED)
    assert reason(asked, capabilities=grant) == "trust.ok"
    assert reason(asked, tier=Tier.LIMITED, capabilities=grant) == "trust.tier"
    assert reason(asked, SessionState(Tier.LIMITED), capabilities=grant) == "trust.tier"


def test_a_state_cannot_raise_the_profiles_tier():
    assert reason(EXEC, SessionState(Tier.TRUSTED), tier=Tier.UNTRUSTED) == "trust.tier"


@pytest.mark.parametrize(("source", "target"), [("/w/in/a", "/w/out/a"), ("/w/out/a", "/w/in/a")])
def test_a_rename_needs_the_grant_for_both_paths(source, target):
    grant = (Capability((Tool.FS_RENAME, Tool.FS_CREATE), ("workspace",), ("/w/in/*",)),)
    assert reason(call(Tool.FS_RENAME, source, FsRename(target)), capabilities=grant) == "trust.no_capability"
    link = call(Tool.FS_CREATE, source, FsCreate("hardlink", target=target))
    assert reason(link, capabilities=grant) == "trust.no_capability"
    assert reason(call(Tool.FS_RENAME, "/w/in/a", FsRename("/w/in/b")), capabilities=grant) == "trust.ok"


def test_what_lowers_a_label_is_never_granted():
    assert reason(call(Tool.FS_RENAME, "/w/a", FsRename("/w/b", lowers=True))) == "trust.lowers_label"
    assert reason(call(Tool.FS_CREATE, "/w/a", FsCreate("symlink", target="b", lowers=True))) == "trust.lowers_label"


def test_hosts_are_granted_by_the_network_section_alone():
    everything = tuple(Capability((tool,), tuple(BUILTIN)) for tool in Tool)
    assert reason(connect("api.example.com"), capabilities=()) == "trust.ok"
    assert reason(connect("api.example.com"), capabilities=everything, net=None) == "trust.no_network"
    assert reason(connect("example.com.evil.test"), capabilities=everything) == "trust.no_host"


def test_an_untrusted_agent_reaches_no_host():
    assert reason(connect("example.com"), tier=Tier.UNTRUSTED) == "trust.tier"
    assert reason(connect("example.com"), SessionState(Tier.UNTRUSTED)) == "trust.tier"


def test_a_host_has_the_label_of_hosts():
    asked = connect("example.com")
    assert reason(call(asked.tool, asked.object, asked.args, WORKSPACE)).startswith("trust.")
    assert reason(call(asked.tool, asked.object, asked.args, WORKSPACE)) != "trust.ok"


def test_mcp_is_granted_by_its_own_section_alone():
    everything = (Capability((Tool.MCP_CALL,), ("tool",), ("**",)),)
    assert reason(mcp("{}", "files/read"), capabilities=everything) == "trust.no_mcp"


def test_tiers_order_what_can_be_done():
    assert demanded(Tool.FS_READ, WORKSPACE) < demanded(Tool.FS_WRITE, WORKSPACE) < demanded(Tool.FS_WRITE, SECRET)


@given(CALLS)
def test_no_grants_allow_nothing(asked):
    assert Trust(profile(capabilities=(), net=None)).judge(asked, STANDARD).outcome is Outcome.DENY
