from __future__ import annotations

import pytest

from gmcp_sandbox.errors import AgentError, AuditError, HostError, ProfileError, SandboxError, UsageError


def test_a_message_says_what_cause_and_try() -> None:
    assert ProfileError("what").render() == "error: what"
    assert ProfileError("what", cause="why", hint="this").render() == "error: what\n  cause: why\n  try:   this"


def test_a_message_that_holds_what_a_project_wrote_steers_no_terminal_and_begins_no_line() -> None:
    error = ProfileError("\x1b[31mred\x07\nerror: no", cause="\u202e\udcff", hint="\r\x9b2J")
    assert error.render() == ("error: \\x1b[31mred\\x07\\nerror: no\n  cause: \\u202e\\udcff\n  try:   \\r\\x9b2J")


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 2), (ProfileError, 125), (HostError, 125), (AuditError, 125), (AgentError, 127)],
)
def test_each_fault_has_its_status(error: type[SandboxError], code: int) -> None:
    assert error("what").exit_code == code


def test_a_program_that_may_not_run_has_another_status() -> None:
    assert AgentError("what", exit_code=126).exit_code == 126
