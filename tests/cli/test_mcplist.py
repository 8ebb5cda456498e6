"""`mcp list` and `mcp pins`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gmcp_sandbox.cli.main import main
from gmcp_sandbox.cli.mcplist import open_store
from gmcp_sandbox.mcp.pins import digest_of
from gmcp_sandbox.mcp.review import Listed, review
from gmcp_sandbox.monitor.profiles import load_profile

PROFILE = """
name = "mine"
extends = "default"

[mcp.servers.files]
command = "serve"
tools = ["read_*"]

[mcp.servers.web]
url = "https://mcp.example.com/mcp"
tools = ["*"]
"""
READ = Listed("read_file", "{}", digest_of("{}"))
ODD = Listed("read_\x1b", "{}", digest_of("{}"), ("hidden characters",))


@pytest.fixture
def servers(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(PROFILE)
    return load_profile("./mine.toml", workspace=tmp_path, home=tmp_path).mcp.servers


def pin(server, *listed):
    return open_store().update(server, lambda file: review(file, listed, first_use=True, others={}, at_ns=7)[0])


def test_a_profile_without_servers(servers, capsys):
    assert main(["mcp", "list"]) == 0
    assert capsys.readouterr().out == "the profile default has no MCP servers\n"
    assert main(["mcp", "pins"]) == 0
    assert capsys.readouterr().out == "no tools are pinned yet\n"


def test_servers_and_how_much_is_known_of_them(servers, capsys):
    pin(servers[0], READ, ODD)
    assert main(["mcp", "list", "-p", "./mine.toml"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["files", "sandbox", "1", "1", "read_*", "serve"]
    assert lines[2] == ["web", "network", "0", "0", "*", "https://mcp.example.com/mcp"]
    assert main(["mcp", "list", "-p", "./mine.toml", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["pinned"], first["waiting"]) == (["read_file"], ["read_\x1b"])


def test_pins(servers, capsys):
    pin(servers[0], READ, ODD)
    assert main(["mcp", "pins", "files"]) == 0
    out = capsys.readouterr().out
    assert "read_file  pinned" in out and "stopped: hidden characters" in out and "\x1b" not in out
    assert main(["mcp", "pins", "--json"]) == 0
    assert [json.loads(line)["tool"] for line in capsys.readouterr().out.splitlines()] == ["read_\x1b", "read_file"]
    assert main(["mcp", "pins", "mail"]) == 2
    assert "known are: files" in capsys.readouterr().err
