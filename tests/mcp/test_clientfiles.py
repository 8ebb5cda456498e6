"""Configuration files of MCP clients, in their dialects."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.mcp.clientfiles import ClientFileError, Entry, read_client_file

STDIO = {"command": "npx", "args": ["-y", "server"], "env": {"A": "1"}}


def only(data):
    (entry,) = read_client_file(json.dumps(data))
    return entry


@pytest.mark.parametrize(
    "data",
    [
        {"mcpServers": {"x": STDIO}},
        {"servers": {"x": STDIO | {"type": "stdio"}}, "inputs": []},
        {"mcp": {"servers": {"x": STDIO}}, "editor.fontSize": 12},
        {"context_servers": {"x": {"command": {"path": "npx", "args": ["-y", "server"], "env": {"A": "1"}}}}},
        {"context_servers": {"x": STDIO | {"source": "custom"}}},
        {"mcp": {"x": {"type": "local", "command": ["npx", "-y", "server"], "environment": {"A": "1"}}}},
        {"projects": {"/home/u/p": {"mcpServers": {"x": STDIO}}}},
    ],
)
def test_commands(data):
    assert only(data) == Entry("x", ("npx", "-y", "server"), env=(("A", "1"),))


@pytest.mark.parametrize(
    "server",
    [
        {"type": "http", "url": "https://mcp.example.com/mcp"},
        {"type": "streamable-http", "url": "https://mcp.example.com/mcp"},
        {"httpUrl": "https://mcp.example.com/mcp"},
        {"serverUrl": "https://mcp.example.com/mcp"},
        {"type": "remote", "url": "https://mcp.example.com/mcp"},
    ],
)
def test_addresses(server):
    server = server | {"headers": {"Authorization": "Bearer x"}}
    assert only({"mcpServers": {"x": server}}) == Entry(
        "x", url="https://mcp.example.com/mcp", headers=(("Authorization", "Bearer x"),)
    )


def test_toml():
    (entry,) = read_client_file('[mcp_servers.x]\ncommand = "npx"\nargs = ["server"]\n', is_toml=True)
    assert entry.command == ("npx", "server")


def test_comments_and_commas_before_brackets():
    text = '\ufeff{ // one\n "mcpServers": { "x": { "command": "a", /* two */ "args": ["//no", "/*no*/", ",]"], }, }, }'
    (entry,) = read_client_file(text)
    assert entry.command == ("a", "//no", "/*no*/", ",]")


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ({"disabled": True, "command": "x"}, "switched off"),
        ({"enabled": False, "command": "x"}, "switched off"),
        ({"type": "sse", "url": "https://x.example/"}, "SSE"),
        ({"url": "https://x.example/sse"}, "SSE"),
        ({}, "neither"),
        ({"command": 3}, "neither"),
        ({"command": []}, "neither"),
        ({"command": ["", "x"]}, "empty word"),
        (7, "no table"),
    ],
)
def test_what_is_not_taken_over_says_why(server, why):
    assert why in only({"mcpServers": {"x": server}}).skipped


def test_remarks():
    more = {"autoApprove": ["a"], "envFile": ".env", "oauth": {"clientId": "x"}, "cwd": "/w"}
    entry = only({"mcpServers": {"x": STDIO | more}})
    assert len(entry.remarks) == 3 and entry.directory == "/w"
    assert only({"mcpServers": {"x": STDIO | {"includeTools": ["a", "b"]}}}).tools == ("a", "b")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"mcpServers": []}', "{" * 500, '{"a": 1'])
def test_a_file_without_servers_is_refused(text):
    with pytest.raises(ClientFileError):
        read_client_file(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mcpServers", "mcp", "servers", "projects", "command", "args", "url", "env", "type", "x"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_any_file_gives_servers_or_the_error(data, is_toml):
    try:
        entries = read_client_file(json.dumps(data), is_toml=is_toml)
    except ClientFileError:
        return
    assert all(entry.skipped or entry.command or entry.url is not None for entry in entries)
