"""`gmcp-sandbox mcp`: its commands and their help."""

from __future__ import annotations

import pytest

from gmcp_sandbox.cli.completion import places
from gmcp_sandbox.cli.main import main


def test_every_command_has_help_with_an_example(capsys):
    for command in ("import", "list", "pins", "approve"):
        assert main(["mcp", command, "--help"]) == 0
        assert f"Example: gmcp-sandbox mcp {command}" in capsys.readouterr().out


def test_without_a_command_it_says_which_there_are(capsys):
    assert main(["mcp"]) == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["import", "list", "pins", "approve"])
def test_completion_knows_it(command):
    found = {place.path: place for place in places()}
    assert command in dict(found[("mcp",)].commands)
    assert ("mcp", command) in found
