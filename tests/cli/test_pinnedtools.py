"""What `decide` and `why` know of MCP tools."""

from __future__ import annotations

import msgspec

from gmcp_sandbox.cli.pinnedtools import learn_pinned
from gmcp_sandbox.mcp.pins import Pin, PinStore, digest_of
from gmcp_sandbox.monitor.statedir import StateDir
from gmcp_sandbox.policy.mcp import Mcp, McpServer
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import profile

FILES = McpServer("files", "f" * 64, command=("serve",))


def test_a_profile_without_servers_looks_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    learn_pinned(SessionState(Tier.STANDARD), profile())
    assert not list(tmp_path.iterdir())


def test_what_is_pinned_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    text = '{"inputSchema":{"type":"object"},"name":"read"}'
    pin = Pin(digest_of(text), text, 1, "approved")
    PinStore(StateDir.open().pins()).update(FILES, lambda file: msgspec.structs.replace(file, pins={"read": pin}))
    state = SessionState(Tier.STANDARD)
    learn_pinned(state, msgspec.structs.replace(profile(), mcp=Mcp((FILES,))))
    assert state.tools.find("files", "read").stopped == ()
    assert state.tools.find("files", "write") is None
