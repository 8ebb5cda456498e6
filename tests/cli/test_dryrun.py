"""`--dry-run` says all that would be shown, granted and done, and does none of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmcp_sandbox.cli import exec as exec_command
from gmcp_sandbox.cli.dryrun import show
from gmcp_sandbox.cli.planning import plan_of
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.cli.supervisor import enforced
from gmcp_sandbox.monitor.semantics import installed_manifest, model_directory
from gmcp_sandbox.proc.stdio import Stdio
from tests.cli.launches import Place, words_of_exec


def shown(prepared: Preparation, capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """Return the lines by section; what comes before the first has the key ``."""
    assert show(prepared) == 0
    sections: dict[str, list[str]] = {"": []}
    name = ""
    for line in capsys.readouterr().out.splitlines():
        if (line and not line.startswith(" ") and name != "") or line in ("view", "grants", "set-up", "enforced"):
            name = line
            sections[name] = []
        elif line:
            sections[name].append(line)
    return sections


def test_every_mount_link_and_note_is_there(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = place.prepare("true")
    lines = shown(prepared, capsys)["view"]
    for mount in prepared.view.mounts:
        (line,) = [line for line in lines if line.split()[0] == mount.path and line.split()[1] != "->"]
        assert line.split()[1:4] == [mount.mode.value, mount.label.name, "exec" if mount.executable else "noexec"]
    for path, target in prepared.view.symlinks:
        assert f"  {path} -> {target}" in lines
    for note in prepared.view.notes:
        assert f"  note: {note}" in lines


def test_a_tree_from_elsewhere_says_from_where(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    text = f'[[mounts]]\npath = "/data"\nsource = "{place.home}"\nmode = "ro"\nlabel = "private"\n'
    lines = shown(place.prepare("-p", place.profile(text), "true"), capsys)["view"]
    (line,) = [line for line in lines if line.split()[0] == "/data"]
    assert line.endswith(f"from {place.home}")


def test_every_grant_is_there(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = place.prepare("true")
    lines = shown(prepared, capsys)["grants"]
    assert len(lines) == len(prepared.profile.capabilities)
    for line, grant in zip(lines, prepared.profile.capabilities, strict=True):
        assert line.startswith("  " + " ".join(tool.value for tool in grant.tools) + " on ")


def test_every_step_is_there_in_order(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = place.prepare("true")
    steps = plan_of(prepared, Stdio((None, None, None), (None, None, None))).describe()
    lines = shown(prepared, capsys)["set-up"]
    assert [line.split(maxsplit=1) for line in lines] == [[str(n), step] for n, step in enumerate(steps, 1)]


def test_what_is_enforced_is_what_the_record_would_say(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = place.prepare("true")
    model = installed_manifest(model_directory(), prepared.profile)
    assert model is not None
    told = enforced(prepared, model)
    assert told["probe"].startswith("model ")
    assert shown(prepared, capsys)["enforced"] == [f"  {name}: {what}" for name, what in told.items()]


def test_the_head_names_agent_command_profile_and_variables(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    head = shown(place.prepare("--name", "coder", "--", "ls", "-l"), capsys)[""]
    assert head[0].split() == ["agent", "coder"]
    assert head[1].split() == ["command", "ls", "-l"]
    assert "default (tier standard, digest " in head[2]
    assert head[3].split(maxsplit=1) == ["because", "no other was named"]
    assert head[4].split() == ["workspace", str(place.work)]
    assert "HOME" in head[5].split()
    assert "hunter2" not in "".join(head)
    assert "SECRET_TOKEN" not in "".join(head)


def test_names_cannot_steer_the_terminal(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    odd = place.work / "x\x1b[2J\udcff"
    odd.mkdir()
    prepared = place.prepare("-w", str(odd), "--name", "a\nagent", "--", "ls", "\x1b]0;title\x07")
    assert show(prepared) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "x\\x1b[2J\\xff" in out
    assert "a\\x0aagent" in out


def test_nothing_is_made(place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)
    before = sorted(Path(place.home).rglob("*"))
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    assert exec_command.run(words_of_exec("--dry-run", "-w", str(place.work), "--", "rm", "-rf", ".")) == 0
    assert "set-up" in capsys.readouterr().out
    assert sorted(Path(place.home).rglob("*")) == before
    assert Path(f"/proc/self/task/{os.getpid()}/children").read_text() == children
