"""What is not granted is not spoken of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.mcp.handshake import client_side, server_side
from gmcp_sandbox.policy.mcp import McpServer

SHUT = McpServer("files")
OPEN = McpServer("files", tools=("*",), sampling=True, elicitation=True, roots=True, logging=True, completion=True)
ANY = st.recursive(st.none() | st.booleans() | st.text(max_size=4), lambda inner: st.dictionaries(st.text(), inner))
KEYS = st.sampled_from(["protocolVersion", "capabilities", "serverInfo", "clientInfo", "instructions", "_meta"])


def test_a_client_offers_what_is_granted():
    had = {"sampling": {"tools": {}}, "elicitation": {"url": {}}, "roots": {"listChanged": True}, "tasks": {}}
    asked = {"protocolVersion": "2025-06-18", "capabilities": had, "clientInfo": {"name": "x" * 999}, "_meta": {"a": 1}}
    own = {"name": "gmcp-sandbox", "version": "1"}
    assert client_side(asked, SHUT, "1") == {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": own}
    capabilities = client_side(asked, OPEN, "1")["capabilities"]
    assert capabilities == {"sampling": {}, "elicitation": {}, "roots": {"listChanged": True}}


@pytest.mark.parametrize("version", [None, 3, "latest", "2025-06-18; drop", ["2025-06-18"]])
def test_what_is_no_handshake(version):
    assert client_side({"protocolVersion": version}, OPEN, "1") is None


def test_a_server_offers_what_is_granted():
    had = {"tools": {"listChanged": True, "x": "y"}, "logging": {}, "completions": {}, "prompts": {}, "extensions": {}}
    told = server_side({"protocolVersion": "2025-06-18", "capabilities": had, "serverInfo": {"name": "s"}}, OPEN)
    assert told["capabilities"] == {"tools": {"listChanged": True}, "logging": {}, "completions": {}}
    assert told["serverInfo"] == {"name": "s", "version": "0"}
    assert server_side({"capabilities": had}, SHUT)["capabilities"] == {}


@given(st.dictionaries(KEYS, ANY))
def test_any_message_has_an_answer(message):
    assert set(server_side(message, OPEN)) <= {"protocolVersion", "capabilities", "serverInfo", "instructions"}
    client_side(message, OPEN, "1")
