from __future__ import annotations

import re
from pathlib import Path

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _between(marker: str) -> str:
    found = re.search(rf"<!-- {marker}: begin -->\n(.*)<!-- {marker}: end -->", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_readme_names_every_command_with_its_help() -> None:
    lines = ["| command | does |", "|---|---|"]
    lines += [f"| `{word}` | {command.help} |" for word, command in COMMANDS.items()]
    assert _between("commands") == "\n".join(lines) + "\n"


def test_commands_that_the_readme_shows_exist() -> None:
    shown = re.findall(r"^    gmcp-sandbox (\w+)", README, re.MULTILINE)
    assert shown
    assert set(shown) <= set(COMMANDS)


def test_tools_that_the_readme_shows_exist() -> None:
    shown = re.findall(r"decide (?:-\S+ \S+ )*(\w+\.\w+)", README)
    assert shown
    assert set(shown) <= set(Tool)


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^):#]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_scripts_that_the_readme_names_can_be_run() -> None:
    for name in set(re.findall(r"scripts/\w+", README)):
        assert (ROOT / name).stat().st_mode & 0o111, name
