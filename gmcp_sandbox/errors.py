"""The faults that an operator may see, each with what failed, the likely cause and what to try.

A denial is no fault: it is a `Decision`. Anything that is not a `SandboxError` is our own bug and shows a traceback.
"""

from __future__ import annotations

import errno


class SandboxError(Exception):
    """What failed, why, and what to try.

    Attributes:
        cause: The likely cause, one clause.
        hint: What to try, one clause or a command.
        exit_code: Status of the command that ends on this error.
    """

    exit_code = 125

    def __init__(self, what: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.cause = cause
        self.hint = hint

    def render(self) -> str:
        """Return the message in lines: `error: …`, `  cause: …`, `  try:   …`.

        What files, programs and servers say stands in messages: nothing of it steers a terminal or begins a line.
        """
        lines = [f"error: {self}"]
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        if self.hint:
            lines.append(f"  try:   {self.hint}")
        return "\n".join(map(_printable, lines))


def _printable(text: str) -> str:
    """Escape control characters, bidirectional marks and bytes that are no UTF-8."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class UsageError(SandboxError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 2


class ProfileError(SandboxError):
    """The profile is unreadable, wrong or contradicts itself."""


class HostError(SandboxError):
    """The kernel refuses, or a facility of the host is missing."""


class AuditError(SandboxError):
    """The audit log cannot be opened, written or read. A running session stops."""


class AgentError(SandboxError):
    """The program to run is missing or may not be executed."""

    def __init__(self, what: str, *, cause: str = "", hint: str = "", exit_code: int = 127) -> None:
        super().__init__(what, cause=cause, hint=hint)
        self.exit_code = exit_code


def shortage(error: OSError) -> HostError | None:
    """Return what to tell the operator when the host has no descriptors left for us; None for any other fault."""
    if error.errno not in (errno.EMFILE, errno.ENFILE):
        return None
    whose = "this process may open no more" if error.errno == errno.EMFILE else "the host has no more"
    return HostError(
        "too few file descriptors", cause=f"{whose} (a session needs some hundreds)", hint="ulimit -n 4096"
    )
