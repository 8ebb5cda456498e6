"""The examples of scripts/examples, as they stand: copied, approved and run, with a model server of the tests'."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.harness import ROOT, Result, Sandbox
from tests.e2e.model_server import ModelServer, Wish, model_server
from tests.e2e.test_terminal import on_a_terminal

EXAMPLES = ROOT / "scripts/examples"
METADATA = "http://169.254.169.254/latest/meta-data/"
READ = Wish("read_file", {"path": "notes.txt"})
EDIT = Wish("write_file", {"path": "notes.txt", "text": "buy milk\nwrite the report\n"})
PEEK = Wish("read_file", {"path": "/etc/shadow"})
REACH = Wish("fetch", {"url": METADATA})


def lay_out(sandbox: Sandbox, name: str, server: ModelServer | None = None) -> None:
    """Copy an example into the workspace, with the port at which the model is here, and approve its profile."""
    shutil.copytree(EXAMPLES / name, sandbox.workspace, dirs_exist_ok=True)
    profile = sandbox.workspace / "gmcp.toml"
    if server is not None:
        text = profile.read_text()
        assert "host_port = 11434" in text
        profile.write_text(text.replace("host_port = 11434", f"host_port = {server.port}"))
    sandbox.write("notes.txt", "buy milk\n")
    approved = sandbox.command("profile", "trust")
    assert approved.code == 0, approved.err
    assert approved.text.startswith(f"approved {sandbox.workspace}/gmcp.toml") and approved.text.count("\n") == 1


def denied(result: Result) -> set[tuple[str, str]]:
    """Return what was denied of what is there; Python looks for itself in many places that are not."""
    return {(record["tool"], record["object"]) for record in result.denials if record["label"] != "outside"}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir()))
def test_each_has_an_agent_and_a_profile_that_says_what_it_does(name: str) -> None:
    assert {path.name for path in (EXAMPLES / name).iterdir() if path.name != "__pycache__"} == {
        "agent.py",
        "gmcp.toml",
    }
    assert f"cd scripts/examples/{name}\n" in (EXAMPLES / name / "agent.py").read_text()


def test_a_plain_script(sandbox: Sandbox) -> None:
    lay_out(sandbox, "script")
    sandbox.write("main.py", "# TODO: a better name\n")
    result = sandbox.exec("agent.py")
    assert result.code == 0, result.err
    assert result.text.splitlines() == [
        "wrote TODO.md: 1 left to do",
        "read /etc/shadow: Permission denied",
        "read ~/.ssh/id_rsa: Permission denied",
        f"read gmcp.toml: {len((sandbox.workspace / 'gmcp.toml').read_text())} characters",
        "change my own profile: Permission denied",
    ]
    assert (sandbox.workspace / "TODO.md").read_text() == "# Left to do\n\n- main.py:1 a better name\n"
    assert denied(result) == {
        ("fs.read", "/etc/shadow"),
        ("fs.stat", f"{sandbox.home}/.ssh"),
        ("fs.write", f"{sandbox.workspace}/gmcp.toml"),
    }


@pytest.mark.needs("tun")
def test_a_loop_with_a_model(sandbox: Sandbox) -> None:
    with model_server(READ, EDIT, PEEK, REACH) as server:
        lay_out(sandbox, "loop", server)
        result = sandbox.exec("agent.py", "Keep my notes")
    assert result.code == 0, result.err
    assert server.offered == {"read_file", "write_file", "fetch"}
    lines = result.text.splitlines()
    assert lines[0].endswith("-> buy milk") and "Permission denied" in lines[2] and "refused" in lines[3]
    assert lines[4] == f'Done. Refused: {{"path": "/etc/shadow"}}; {{"url": "{METADATA}"}}'
    assert (sandbox.workspace / "notes.txt").read_text() == EDIT.arguments["text"]
    assert denied(result) == {("fs.read", "/etc/shadow"), ("net.connect", "169.254.169.254")}


@pytest.mark.needs("tun")
def test_an_agent_of_a_framework(sandbox: Sandbox) -> None:
    with model_server(READ, EDIT, PEEK) as server:
        lay_out(sandbox, "framework", server)
        result = sandbox.exec("agent.py", "Keep my notes")
    assert result.code == 0, result.err
    assert server.offered == {"read_file", "write_file"}
    assert result.text == 'Done. Refused: {"path": "/etc/shadow"}\n'
    assert (sandbox.workspace / "notes.txt").read_text() == EDIT.arguments["text"]
    assert ("fs.read", "/etc/shadow") in denied(result)


@pytest.mark.needs("tun")
def test_an_interactive_agent(sandbox: Sandbox) -> None:
    wishes = [Wish("run", {"command": command}) for command in ("cat notes.txt", "cat /etc/shadow", "rm notes.txt")]
    with model_server(*wishes) as server:
        lay_out(sandbox, "chat", server)
        with on_a_terminal(sandbox, "agent.py") as screen:
            screen.until(b"you> ")
            screen.type(b"tidy up\n")
            asked = screen.until(b"[a/d/s/w, then Enter]")
            assert b"$ cat notes.txt\r\nbuy milk" in asked and b"Permission denied" in asked
            assert b"constitution.deleting-needs-a-yes" in asked
            screen.type(b"d\n")
            said = screen.until(b"you> ")
            assert b"cannot remove" in said and b'agent> Done. Refused: {"command": "cat /etc/shadow"};' in said
            assert (sandbox.workspace / "notes.txt").exists()
            screen.type(b"again\n")
            screen.until(b"[a/d/s/w, then Enter]")
            screen.type(b"a\n")
            screen.until(b"you> ")
            assert not (sandbox.workspace / "notes.txt").exists()
            screen.type(b"\x04")
            assert screen.end() == 0
