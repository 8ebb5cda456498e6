"""`gmcp-sandbox profile`, run as a program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ["default", "mcp-server", "online", "readonly", "strict"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "home" / "work").mkdir(parents=True)
    return tmp_path / "home" / "work"


def profile(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(place.parent), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "gmcp_sandbox", "profile", *words]
    return subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, check=False)


def test_list_names_shipped_and_own_profiles(place: Path) -> None:
    own = place.parent / ".config/gmcp-sandbox/profiles"
    own.mkdir(parents=True)
    (own / "mine.toml").write_text('name = "mine"\nextends = "strict"\ndescription = "Of my own."\n')
    done = profile(place, "list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [*SHIPPED, "mine"]
    assert "Of my own." in done.stdout


def test_show(place: Path) -> None:
    done = profile(place, "show", "strict")
    assert done.returncode == 0
    assert "tier         limited" in done.stdout
    assert json.loads(profile(place, "show", "--json").stdout)["name"] == "default"


def test_show_explains_a_path(place: Path) -> None:
    done = profile(place, "show", "--explain", ".env")
    assert done.stdout.startswith(f"{place}/.env: secret (rw tree {place})")
    assert "granted  fs.stat\n" in done.stdout
    assert "guarded" in profile(place, "show", "--explain", ".git/config").stdout


def test_check(place: Path) -> None:
    assert profile(place, "check").returncode == 0
    (place / "wide.toml").write_text('name = "wide"\nextends = "default"\n[environment]\nallow = ["GITHUB_TOKEN"]\n')
    done = profile(place, "check", "./wide.toml")
    assert done.returncode == 1
    assert "GITHUB_TOKEN may carry a credential" in done.stdout


def test_check_names_what_is_wrong(place: Path) -> None:
    (place / "wrong.toml").write_text('name = "wrong"\nteir = "limited"\n')
    done = profile(place, "check", "wrong.toml")
    assert done.returncode == 1
    assert "wrong.toml:2: teir: unknown key" in done.stderr
    assert "did you mean 'tier'?" in done.stderr


def test_schema_is_json(place: Path) -> None:
    assert json.loads(profile(place, "schema").stdout)["title"] == "gmcp-sandbox profile"


def test_usage(place: Path) -> None:
    assert profile(place).returncode == 2
    assert profile(place, "nonsense").returncode == 2


def test_show_names_the_servers(place: Path) -> None:
    servers = '[mcp.servers.files]\ncommand = "serve"\ntools = ["read_*"]\nper_second = 2\n'
    (place / "mine.toml").write_text(f'name = "mine"\nextends = "default"\n{servers}')
    shown = profile(place, "show", "./mine.toml").stdout
    assert "MCP servers\n  tools are pinned" in shown
    assert "  files: serve, in a sandbox (mcp-server)\n    tools read_*, tier limited\n" in shown
    assert "2/s, burst 1: mcp.call of files: *" in shown
