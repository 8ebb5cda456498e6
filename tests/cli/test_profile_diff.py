"""`gmcp-sandbox profile diff`: profiles in terms of calls that change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gmcp_sandbox.cli.profile_diff import Change, compare
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.policy.profile import Profile

ROOT = Path(__file__).parents[2]


def profile(tmp_path: Path, text: str = "", base: str = "default") -> Profile:
    path = tmp_path / f"p{abs(hash(text))}.toml"
    path.write_text(f'name = "p"\nextends = "{base}"\n{text}')
    return load_profile(str(path), workspace=Path("/ws"), home=Path("/home/u"))


def changes(tmp_path: Path, text: str, old: str = "") -> list[Change]:
    return list(compare(profile(tmp_path, old), profile(tmp_path, text), "/ws"))


def test_a_profile_does_not_differ_from_itself(tmp_path: Path) -> None:
    assert changes(tmp_path, "") == []
    assert changes(tmp_path, "[limits]\nprocesses = 5\n") == []


def test_a_new_grant_opens(tmp_path: Path) -> None:
    text = '[[capabilities]]\ntools = ["fs.read"]\nlabels = ["secret"]\nobjects = ["/ws/**/.env"]\n'
    found = changes(tmp_path, 'tier = "trusted"\n' + text)
    assert {(one.old, one.new, one.tool) for one in found} == {("deny", "allow", "fs.read")}
    assert Change("deny", "allow", "fs.read", "/ws/.env", "secret", "", "") in found
    back = changes(tmp_path, "", 'tier = "trusted"\n' + text)
    assert {(one.old, one.new) for one in back} == {("allow", "deny")}
    assert len(back) == len(found)


def test_a_label_by_path_closes(tmp_path: Path) -> None:
    found = changes(tmp_path, '[[paths]]\nlabel = "secret"\nmatch = ["${workspace}/plans/**"]\n')
    assert {one.object for one in found} == {"/ws/plans/x"}
    assert ("allow", "deny", "fs.read") in {(one.old, one.new, one.tool) for one in found}


def test_a_principle_shows_by_the_objects_that_it_names(tmp_path: Path) -> None:
    rule = '[[rules]]\nid = "no-lock"\ntext = "No."\neffect = "ask"\ntools = ["fs.write"]\npaths = ["/ws/*.lock"]\n'
    found = changes(tmp_path, rule)
    assert found == [Change("allow", "ask", "fs.write", "/ws/x.lock", "workspace", "constitution.no-lock", "")]


def test_a_principle_on_taint_shows(tmp_path: Path) -> None:
    rule = '[[rules]]\nid = "still"\ntext = "No."\neffect = "deny"\ntools = ["fs.setattr"]\ntaint = ["secret"]\n'
    found = changes(tmp_path, rule)
    assert found
    assert {one.when for one in found} == {"after reading a secret"}


def test_a_principle_on_command_lines_shows(tmp_path: Path) -> None:
    rule = '[[rules]]\nid = "no-tar"\ntext = "No."\neffect = "deny"\ntools = ["proc.exec"]\nargv = ["tar --create*"]\n'
    assert {one.object for one in changes(tmp_path, rule)} == {"tar --create"}


def test_a_host_shows(tmp_path: Path) -> None:
    found = changes(tmp_path, '[[net.allow]]\nhosts = ["*.example.com"]\nports = [8443]\n')
    assert [(one.new, one.tool, one.object) for one in found] == [
        ("allow", "dns.resolve", "x.example.com"),
        ("allow", "net.connect", "x.example.com:8443"),
        ("allow", "tls.hello", "x.example.com:8443"),
        ("allow", "http.request", "x.example.com:8443 GET /"),
    ]


@pytest.mark.parametrize(
    ("key", "call"),
    [
        ("raw = true", "x.example:443 raw"),
        ('methods = ["POST"]\nports = [80]', "x.example:80 POST /"),
        ('protocols = ["tcp", "udp"]\nports = [53]', "x.example:53 udp"),
    ],
)
def test_a_right_on_hosts_shows(tmp_path: Path, key: str, call: str) -> None:
    found = changes(tmp_path, f'[[net.allow]]\nhosts = ["*"]\n{key}\n')
    assert call in {one.object for one in found if one.new == "allow"}


def test_labels_that_no_tree_shows_are_asked_for(tmp_path: Path) -> None:
    found = list(compare(profile(tmp_path, base="strict"), profile(tmp_path), "/ws"))
    assert ("deny", "allow", "fs.read", "private") in {(one.old, one.new, one.tool, one.label) for one in found}


@pytest.mark.parametrize(("first", "second", "status"), [("default", "default", 0), ("default", "readonly", 1)])
def test_the_command(tmp_path: Path, first: str, second: str, status: int) -> None:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-m", "gmcp_sandbox", "profile", "diff", first, second]
    done = subprocess.run(
        command, cwd=tmp_path / "work", env=environ, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == status, done.stderr
    if status:
        assert "allow → deny  fs.write" in done.stdout
    else:
        assert done.stdout == "no call of the sample changes\n"


def test_what_no_call_tells_of_is_named(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    (tmp_path / "work").mkdir()
    (tmp_path / "p.toml").write_text('name = "p"\nextends = "default"\ntier = "limited"\n[limits]\nprocesses = 9\n')
    command = [sys.executable, "-m", "gmcp_sandbox", "profile", "diff", "default", "../p.toml"]
    done = subprocess.run(
        command, cwd=tmp_path / "work", env=environ, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1
    assert done.stdout == "no call of the sample changes\nno calls, but different: tier, limits\n"
