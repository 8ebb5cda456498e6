"""Which single entries of git configuration run programs."""

from __future__ import annotations

import pytest

from gmcp_sandbox.policy.gitconfig import Entry
from gmcp_sandbox.policy.gitkeys import is_host_executing


@pytest.mark.parametrize("value", ["true", "FALSE", "on", "0", "", None])
def test_the_builtin_monitor_is_harmless(value: str | None) -> None:
    assert not is_host_executing(Entry("core", None, "fsmonitor", value))


@pytest.mark.parametrize("value", ["./true", "truex", "2", "true\0x", "x\0true"])
def test_everything_else_is_a_program(value: str) -> None:
    assert is_host_executing(Entry("core", None, "fsmonitor", value))


@pytest.mark.parametrize("variable", ["somecommand", "cmd", "askpass", "precommithook", "texteditor"])
def test_unknown_sections_are_judged_by_what_the_name_tells(variable: str) -> None:
    assert is_host_executing(Entry("unknown", "x", variable, "sh"))
    assert not is_host_executing(Entry("unknown", "x", variable, "true"))


def test_a_subsection_hides_no_helper_address() -> None:
    assert is_host_executing(Entry("url", "EXT::sh", "insteadof", "https://"))
    assert not is_host_executing(Entry("url", "git@example.com:", "insteadof", "https://example.com/"))
