from __future__ import annotations

import json

import pytest

from gmcp_sandbox.calls.mediation import rows
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.cli.main import main
from gmcp_sandbox.cli.tools import WIDTH, render


def test_every_family_and_member_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools"]) == 0
    words = set(capsys.readouterr().out.replace(":", " ").split())
    for row in rows():
        assert set(row.family.split()) <= words
        assert {word for member in row.members for word in member.split()} <= words


def test_lines_fit_and_say_no_more_than_the_table() -> None:
    lines = render(list(rows()))
    assert max(map(len, lines)) <= WIDTH
    assert render([]) == []


def test_one_tool_shows_what_becomes_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "fs.rename", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines
    assert all("fs.rename" in line["becomes"] for line in lines)


def test_json_holds_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(rows())


def test_schemas_of_all_tools(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {tool.value for tool in Tool}


def test_the_schema_of_one_tool(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "proc.exec", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "proc.exec"


def test_an_unknown_tool_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "fs.raed"]) == 2
    assert "there is no tool 'fs.raed'" in capsys.readouterr().err
