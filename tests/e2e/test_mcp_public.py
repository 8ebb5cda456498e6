"""Public MCP servers, each in a sandbox of its own, driven from inside of another by the official client."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from tests.e2e.gateways import UNASKED, shown, well, without_model
from tests.e2e.harness import AGENTS, Result, Sandbox
from tests.e2e.packages import node, npm_packages, python_packages

pytestmark = pytest.mark.needs("tun", "program:git")

CALLS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "filesystem": [
        ("read_text_file", {"path": "PLACE/notes.txt"}),
        ("list_directory", {"path": "PLACE"}),
        ("write_file", {"path": "PLACE/new.txt", "content": "x"}),
        ("read_text_file", {"path": "PLACE/../../../etc/passwd"}),
        ("read_text_file", {"path": "PLACE/outside"}),
        ("move_file", {"source": "PLACE/notes.txt", "destination": "PLACE/other.txt"}),
    ],
    "git": [
        ("git_log", {"repo_path": "PLACE", "max_count": 1}),
        ("git_status", {"repo_path": "PLACE"}),
        ("git_add", {"repo_path": "PLACE", "files": ["notes.txt"]}),
    ],
    "time": [
        ("convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}),
        ("get_current_time", {"timezone": ["UTC"]}),
    ],
    "sqlite": [
        ("create_table", {"query": "CREATE TABLE birds (name TEXT)"}),
        ("write_query", {"query": "INSERT INTO birds VALUES ('wren')"}),
        ("read_query", {"query": "SELECT name FROM birds"}),
    ],
    "everything": [
        ("echo", {"message": "hello"}),
        ("get-sum", {"a": 2, "b": 3}),
        ("get-sum", {"a": "2", "b": 3}),
        ("get-tiny-image", {}),
        ("get-env", {}),
    ],
}
SERVER = """
[mcp.servers.{name}]
command = {command}
args = {args}
profile = "{profile}"
tools = {tools}
workspace = "{place}"
start_seconds = 120
flows_to = ["*"]
{more}
"""
KEPT = {"filesystem": ["move_file"], "everything": ["get-env"]}
"""Tools that the profile does not grant."""


def servers(sandbox: Sandbox) -> str:
    """Return the profile's entries."""
    place = sandbox.workspace
    public = npm_packages() / "@modelcontextprotocol"
    sqlite = "from mcp_server_sqlite import main; main()"
    commands = {
        "filesystem": [str(node() / "node"), str(public / "server-filesystem" / "dist" / "index.js"), str(place)],
        "git": [sys.executable, "-m", "mcp_server_git", "--repository", str(place)],
        "time": [sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"],
        "sqlite": [sys.executable, "-c", sqlite, "--db-path", "/tmp/birds.db"],
        "everything": [str(node() / "node"), str(public / "server-everything" / "dist" / "index.js"), "stdio"],
    }
    profile = sandbox.profile('name = "server"\nextends = "mcp-server"\n' + UNASKED + shown(), "server.toml")
    entries = ""
    for name, (program, *args) in commands.items():
        granted = sorted({tool for tool, _ in CALLS[name]} - set(KEPT.get(name, ())))
        more = f'env = {{ PYTHONPATH = "{python_packages()}" }}' if name == "sqlite" else ""
        filled = {"command": program, "args": args, "tools": granted}
        words = {key: json.dumps(value) for key, value in filled.items()}
        entries += SERVER.format(name=name, profile=profile, place=place, more=more, **words)
    return entries


@pytest.fixture(scope="module")
def session(shared_sandbox: Sandbox) -> Result:
    """A session whose agent called them all, over both ways at once."""
    sandbox = without_model(shared_sandbox)
    sandbox.write("notes.txt", "remember the milk\n")
    os.symlink("/etc/passwd", sandbox.workspace / "outside")
    sandbox.native("git", "init", "-q")
    sandbox.native("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "add", "notes.txt")
    sandbox.native("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-qm", "First words")
    profile = 'name = "mine"\nextends = "default"\n' + UNASKED + servers(sandbox) + shown()
    calls = json.dumps(CALLS).replace("PLACE", str(sandbox.workspace)).encode()
    program = (sys.executable, str(AGENTS / "mcp_public.py"))
    result = sandbox.exec(*program, profile=sandbox.profile(profile, "agent.toml"), stdin=calls, timeout=180)
    return well(result)


@pytest.fixture(scope="module", params=["http", "stdio"])
def found(request: pytest.FixtureRequest, session: Result) -> Any:
    return json.loads(session.text)[request.param]


@pytest.mark.parametrize("name", CALLS)
def test_granted_tools_are_listed_and_no_others(found, name):
    assert found[name]["tools"] == sorted({tool for tool, _ in CALLS[name]} - set(KEPT.get(name, ())))


def test_filesystem_reads_what_it_is_given_and_nothing_else(found):
    read, listed, written, above, outside, moved = found["filesystem"]["answers"]
    assert read["said"] == "remember the milk\n"
    assert "notes.txt" in listed["said"]
    assert written["is_error"]  # its sandbox shows the directory read-only
    assert "root:" not in above.get("said", "") + outside.get("said", "")
    assert moved["code"] == -32001


def test_git_reads_and_changes_nothing(found):
    log, status, added = found["git"]["answers"]
    assert "First words" in log["said"]
    assert "outside" in status["said"]
    assert added["is_error"]


def test_time(found):
    converted, confused = found["time"]["answers"]
    assert "21:00" in converted["said"]
    assert confused["code"] == -32602


def test_sqlite_which_speaks_through_an_older_sdk(found):
    assert "wren" in found["sqlite"]["answers"][-1]["said"]


def test_everything(found):
    echo, total, confused, image, variables = found["everything"]["answers"]
    assert "hello" in echo["said"] and "5" in total["said"] and "image" in image["said"]
    assert confused["code"] == -32602
    assert variables["code"] == -32001


def test_every_call_is_in_the_log(session):
    called = [record["object"] for record in session.records if record.get("tool") == "mcp.call"]
    assert len(called) == 2 * sum(map(len, CALLS.values()))
