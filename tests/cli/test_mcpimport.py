"""`mcp import`: what a client's file becomes, and what goes nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gmcp_sandbox.cli.main import main
from gmcp_sandbox.monitor.profiles import load_profile

TOKEN = "ghp_" + "a1B2" * 9
FILE = {
    "mcpServers": {
        "Git Hub": {"command": "serve", "args": ["--token", TOKEN], "env": {"GITHUB_TOKEN": TOKEN}},
        "old": {"type": "sse", "url": "https://x.example/sse"},
        "web": {"url": "https://mcp.example.com/mcp"},
    }
}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps(FILE))
    return path


def test_entries_are_printed_and_credentials_are_not(file, capsys):
    assert main(["mcp", "import", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "[mcp.servers.git-hub]" in out and "[mcp.servers.web]" in out
    assert "old: not taken over" in err and "export GITHUB_TOKEN=…" in err
    assert TOKEN not in out + err


def test_a_new_profile_is_a_valid_one(file, capsys):
    assert main(["mcp", "import", str(file), "-o", "agent.toml"]) == 0
    profile = load_profile("./agent.toml", workspace=Path.cwd(), home=Path.cwd())
    assert [server.name for server in profile.mcp.servers] == ["git-hub", "web"]
    assert TOKEN not in Path("agent.toml").read_text()


def test_a_profile_is_added_to_as_a_whole_or_not_at_all(file, capsys):
    Path("agent.toml").write_text('name = "mine"\nextends = "strict"\n')
    assert main(["mcp", "import", str(file), "-o", "agent.toml", "--only", "web"]) == 0
    before = Path("agent.toml").read_text()
    assert before.startswith('name = "mine"\nextends = "strict"\n') and "mcp.servers.web" in before
    assert main(["mcp", "import", str(file), "-o", "agent.toml"]) == 125
    assert "would be no valid profile" in capsys.readouterr().err
    assert Path("agent.toml").read_text() == before
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["agent.toml", "mcp.json"]


def test_what_cannot_be_imported(file, capsys):
    assert main(["mcp", "import", "missing.json"]) == 2
    assert main(["mcp", "import", str(file), "--only", "nobody"]) == 2
    assert "Git Hub" in capsys.readouterr().err
    file.write_text('{"servers": {}}')
    assert main(["mcp", "import", str(file)]) == 2
    file.write_bytes(b"\xff")
    assert main(["mcp", "import", str(file)]) == 2
    file.write_text(json.dumps({"servers": {"x": {}}}))
    assert main(["mcp", "import", str(file)]) == 1


def test_names_cannot_steer_the_terminal(file, capsys):
    file.write_text(json.dumps({"mcpServers": {"\x1b[2Jx": {"disabled": True}, "y\x1b": {"command": "serve\x1b"}}}))
    main(["mcp", "import", str(file), "--only", "\x1b[2Jx"])
    main(["mcp", "import", str(file)])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
