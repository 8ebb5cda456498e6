from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import FsCreate, FsRead, ProcExec
from gmcp_sandbox.calls.labels import SCRATCH, SECRET, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.cli.decide import build_call
from gmcp_sandbox.cli.main import main
from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.profile import Mount, MountMode, PathRule

MOUNTS = (
    Mount("/ws", "/ws", MountMode.RW, WORKSPACE),
    Mount("/tmp", None, MountMode.SCRATCH, SCRATCH),
)
LABELLER = Labeller(MOUNTS, (PathRule(".env", SECRET),))


@pytest.fixture
def decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that asks in a workspace under a home of its own; it returns the status and both outputs."""
    home = tmp_path / "home"
    workspace = home / "project"
    workspace.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.chdir(workspace)

    def ask(*words: str) -> tuple[int, str, str]:
        status = main(["decide", *words])
        return status, *capsys.readouterr()

    return ask


def call_of(tool: Tool, *pairs: str):
    return build_call(tool, list(pairs), LABELLER, workspace="/ws", home="/home/user")


def test_ordinary_work_is_allowed(decide) -> None:
    status, out, err = decide("fs.write", "path=main.py")
    assert status == 0
    assert out.splitlines()[-1].startswith("allow fs.write /")
    assert err == ""


@pytest.mark.parametrize(
    "words",
    [
        ("fs.read", "path=/etc/shadow"),
        ("fs.read", "path=.env"),
        ("fs.read", "path=../project/./.env"),
        ("fs.write", "path=/usr/bin/innocent"),
        ("fs.rename", "path=a", "target=.git/hooks/pre-commit"),
        ("fs.create", "path=b", "kind=hardlink", "target=.env"),
        ("fs.write", "path=.git/config", "content=[core]\n\tfsmonitor = ./spy\n"),
    ],
)
def test_mischief_is_denied(decide, words: tuple[str, ...]) -> None:
    status, out, _ = decide(*words)
    assert status == 1
    assert out.splitlines()[-1].startswith("DENY ")


def test_every_layer_is_shown_up_to_the_first_denial(decide) -> None:
    _, out, _ = decide("fs.read", "path=/etc/shadow")
    assert [line.split()[0] for line in out.splitlines()] == ["schema", "trust", "DENY"]


def test_json_is_one_object(decide) -> None:
    status, out, _ = decide("fs.read", "path=/etc/shadow", "--json")
    answer = json.loads(out)
    assert status == 1
    assert answer["outcome"] == "deny"
    assert answer["label"] == "secret"
    assert answer["verdicts"][-1]["layer"] == "trust"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fs.raed", "path=x"), "there is no tool 'fs.raed'"),
        (("fs.read",), "fs.read needs path=…"),
        (("fs.read", "path"), "'path' is not KEY=VALUE"),
        (("fs.read", "path=x", "path=y"), "path is given twice"),
        (("fs.read", "path=x", "colour=red"), "wrong arguments for fs.read"),
        (("fs.read", "path=x", "label=secrte"), "there is no label 'secrte'"),
        (("fs.create", "path=x", "mode=rwx"), "mode=rwx is no octal number"),
        (("net.connect", "host=example.com", "port=https"), "wrong arguments for net.connect"),
        (("-p", "no-such-profile", "fs.read", "path=x"), "no profile 'no-such-profile'"),
        (("--taint", "sercet", "fs.read", "path=x"), "there is no taint 'sercet'"),
    ],
)
def test_a_question_without_meaning_is_a_usage_error(decide, words: tuple[str, ...], message: str) -> None:
    status, out, err = decide(*words)
    assert (status, out) == (2, "")
    assert message in err


def test_a_relative_path_lies_in_the_workspace() -> None:
    call = call_of(Tool.FS_READ, "path=src/../x.py")
    assert (call.object, call.args, call.label) == ("/ws/x.py", FsRead("open"), WORKSPACE)


def test_a_tilde_is_the_home() -> None:
    assert call_of(Tool.FS_READ, "path=~/.netrc").object == "/home/user/.netrc"


def test_words_of_a_command_line_are_repeated() -> None:
    call = call_of(Tool.PROC_EXEC, "path=/ws/run", "argv=run", "argv=--fast", "argv=a=b")
    assert call.args == ProcExec(argv=("run", "--fast", "a=b"))


def test_a_label_can_be_given() -> None:
    assert call_of(Tool.FS_READ, "path=x", "label=secret").label is SECRET


def test_a_hard_link_has_the_higher_label_of_both_names() -> None:
    assert call_of(Tool.FS_CREATE, "path=x", "kind=hardlink", "target=.env").label is SECRET


def test_what_a_symbolic_link_says_is_left_as_it_is() -> None:
    args = call_of(Tool.FS_CREATE, "path=x", "kind=symlink", "target=../y").args
    assert isinstance(args, FsCreate)
    assert args.target == "../y"


@given(st.sampled_from(Tool), st.lists(st.text(max_size=12) | st.from_regex(r"[a-z]{1,8}=.{0,20}"), max_size=4))
def test_any_words_are_a_call_or_a_usage_error(tool: Tool, pairs: list[str]) -> None:
    try:
        call = build_call(tool, pairs, LABELLER, workspace="/ws", home="/home/user")
    except UsageError:
        return
    assert call.tool is tool


def test_a_call_of_an_mcp_tool_is_judged_by_what_is_pinned(tmp_path, monkeypatch, capsys):
    from gmcp_sandbox.mcp.pins import Pin, PinStore, digest_of
    from gmcp_sandbox.monitor.profiles import load_profile
    from gmcp_sandbox.monitor.statedir import StateDir

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "w").mkdir()
    monkeypatch.chdir(tmp_path / "w")
    own = tmp_path / "own.toml"
    servers = '[mcp.servers.files]\ncommand = "serve"\ntools = ["read"]\n'
    own.write_text(f'name = "own"\nextends = "default"\n[probe]\nask_at = 50.0\ndeny_at = 50.0\n{servers}')
    words = ["decide", "-p", str(own), "mcp.call", "object=files/read"]
    assert main([*words]) == 1
    assert "trust.unknown_tool" in capsys.readouterr().out
    (server,) = load_profile(str(own), workspace=tmp_path, home=tmp_path).mcp.servers
    text = '{"inputSchema":{"properties":{"path":{"type":"string"}},"type":"object"},"name":"read"}'
    pin = Pin(digest_of(text), text, 1, "approved")
    PinStore(StateDir.open().pins()).update(server, lambda file: msgspec.structs.replace(file, pins={"read": pin}))
    assert main([*words, 'arguments={"path": "/a"}']) == 0
    assert main([*words, 'arguments={"path": 3}']) == 1
    assert "$.path: must be text, is a number" in capsys.readouterr().out
    assert main([*words, "arguments=[]"]) == 2
