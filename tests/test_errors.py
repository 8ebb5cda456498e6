from __future__ import annotations

import pytest

from gmcp_sandbox.errors import AgentError, AuditError, HostError, ProfileError, SandboxError, UsageError


def test_a_message_says_what_cause_and_try() -> None:
    assert ProfileError("what").render() == "error: what"
    assert ProfileError("what", cause="why", hint="this").render() == "error: what\n  cause: why\n  try:   this"


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 2), (ProfileError, 125), (HostError, 125), (AuditError, 125), (AgentError, 127)],
)
def test_each_fault_has_its_status(error: type[SandboxError], code: int) -> None:
    assert error("what").exit_code == code


def test_a_program_that_may_not_run_has_another_status() -> None:
    assert AgentError("what", exit_code=126).exit_code == 126
