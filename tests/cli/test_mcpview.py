"""What the view gets for MCP servers."""

import json
import os
import subprocess

import msgspec

from gmcp_sandbox.cli.mcpview import CONFIGURATION, PLACE, address_of, configuration, with_mcp_files
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.monitor.statedir import SessionDir
from gmcp_sandbox.policy.mcp import Mcp, McpServer
from gmcp_sandbox.policy.profile import MountMode
from gmcp_sandbox.policy.view import View
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.program import Program

MCP = Mcp((McpServer("git", command=("git-server",)), McpServer("web", url="https://mcp.example/")))


def prepared(tmp_path, mcp):
    profile = msgspec.structs.replace(load_profile("default", workspace=tmp_path, home=tmp_path), mcp=mcp)
    program = Program((b"agent",), {b"PATH": b"/usr/bin"}, b"/")
    return Preparation("agent", "/w", "/h", profile, View.of(()), Identity.of_caller(), program)


def test_without_servers_nothing_changes(tmp_path):
    before = prepared(tmp_path, None)
    assert with_mcp_files(before, SessionDir("s", tmp_path)) is before


def test_the_shim_and_a_configuration_are_shown_read_only(tmp_path):
    after = with_mcp_files(prepared(tmp_path, MCP), SessionDir("s", tmp_path))
    (mount,) = after.view.mounts
    assert (mount.path, mount.mode, mount.executable) == (PLACE, MountMode.RO, True)
    source = mount.source or ""
    names = {os.path.relpath(os.path.join(top, name), source) for top, _, files in os.walk(source) for name in files}
    assert names == {"bin/gmcp-mcp", "shim.py", "servers.json"}
    assert os.access(f"{source}/bin/gmcp-mcp", os.X_OK)


def test_the_agent_finds_them_by_its_variables_and_no_program_of_the_hosts_is_hidden(tmp_path):
    environment = with_mcp_files(prepared(tmp_path, MCP), SessionDir("s", tmp_path)).program.environment
    assert environment[b"PATH"] == f"/usr/bin:{PLACE}/bin".encode()
    assert environment[b"GMCP_MCP_CONFIG"] == CONFIGURATION.encode()


def test_the_configuration_names_every_server_and_nothing_else_of_it():
    servers = json.loads(configuration(MCP))["mcpServers"]
    assert servers == {name: {"command": f"{PLACE}/bin/gmcp-mcp", "args": [name]} for name in ("git", "web")}
    assert address_of("git") == "http://mcp.gmcp.internal/git"


def test_the_shim_needs_nothing_but_python_and_says_what_is_wrong(tmp_path):
    with_mcp_files(prepared(tmp_path, MCP), SessionDir("s", tmp_path))
    shim = ["python3", "-IS", str(tmp_path / "mcp" / "shim.py")]
    done = subprocess.run(shim, capture_output=True, text=True)
    assert done.returncode == 2 and "usage: gmcp-mcp NAME" in done.stderr
    done = subprocess.run([*shim, "git"], capture_output=True, text=True)  # there is no gateway here
    assert done.returncode == 1 and done.stderr.startswith("gmcp-mcp: git: ")
