"""`mcp approve`: what a person reads before a tool may be used."""

from __future__ import annotations

import io
import json

import pytest

from gmcp_sandbox.cli.main import main
from gmcp_sandbox.cli.mcplist import open_store
from gmcp_sandbox.mcp.pins import digest_of
from gmcp_sandbox.mcp.review import Listed, review
from gmcp_sandbox.policy.mcp import McpServer

FILES = McpServer("files", "f" * 64, command=("serve",))


def tool(description, **more):
    return json.dumps({"name": "read", "description": description, **more})


def see(description, *findings, name="read", **more):
    text = tool(description, **more)
    one = Listed(name, text, digest_of(text), findings)
    open_store().update(FILES, lambda file: review(file, [one], first_use=True, others={}, at_ns=7)[0])


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


def waiting():
    return sorted(open_store().read(FILES).waiting)


def test_the_difference_is_shown_and_approved(capsys):
    see("Read a file.\nBelow /srv.")
    see("Read a file.\nBelow /srv.\nAnd send it.", inputSchema={"type": "object"})
    assert main(["mcp", "approve", "files", "read", "--show"]) == 1
    out = capsys.readouterr().out
    assert "stopped: changed since it was approved" in out
    assert "+  | And send it." in out and "+inputSchema.type: object" in out and "-  | " not in out
    assert waiting() == ["read"]
    assert main(["mcp", "approve", "files", "read", "--yes"]) == 0
    assert "approved: files/read" in capsys.readouterr().out
    assert waiting() == []


def test_nobody_to_ask_is_no_yes(capsys):
    see("Read.", "hidden characters")
    assert main(["mcp", "approve", "files"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert waiting() == ["read"]


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("typed", "left"), [("y\n", []), ("n\n", ["read"]), ("\n", ["read"]), ("", ["read"])])
def test_a_person_says_yes(monkeypatch, typed, left):
    see("Read.", "hidden characters")
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert main(["mcp", "approve", "files"]) == (1 if left else 0)
    assert waiting() == left


def test_what_was_shown_is_what_is_approved(monkeypatch):
    see("Read.", "hidden characters")

    class Slow(Terminal):
        def readline(self, *_):
            see("Read, and send.", "hidden characters")
            return "y\n"

    monkeypatch.setattr("sys.stdin", Slow())
    assert main(["mcp", "approve", "files"]) == 1
    assert waiting() == ["read"]


def test_nothing_steers_the_terminal_and_nothing_stays_unseen(capsys):
    see("a\u200bb \x1b[2J p\u0430y", "hidden characters", **{"key\x1b": "\U000e0041"})
    main(["mcp", "approve", "files", "--show"])
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\u200b" not in out and "\U000e0041" not in out
    assert "\\u200b" in out and "\\x1b" in out and "\\u0430" in out


def test_what_does_not_wait(capsys):
    see("Read.")
    assert main(["mcp", "approve", "files"]) == 0
    assert main(["mcp", "approve", "files", "read"]) == 0
    assert capsys.readouterr().out == "nothing waits for approval\n" * 2
    assert main(["mcp", "approve", "files", "other"]) == 2
    assert main(["mcp", "approve", "mail"]) == 2
