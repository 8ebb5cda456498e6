"""The MCP gateway's worker as a program: what it runs, and what it gives up before it hears of anybody."""

from __future__ import annotations

from typing import Final

from gmcp_sandbox.mcp.worker import work
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.plan import Stage, execute
from gmcp_sandbox.proc.seclusion import seclusion

_SYSCALLS: Final = (
    "dup",
    "fstat",
    "getpeername",
    "getsockname",
    "getsockopt",
    "gettimeofday",
    "ioctl",
    "lseek",
    "newfstatat",
    "sched_yield",
    "setsockopt",
    "shutdown",
)
"""Beside a runtime's own: what pipes and sockets need that are handed over. None opens, connects or executes."""
_MEMORY_BYTES: Final = 2 << 30


def main() -> None:
    """Be the worker."""
    steps = seclusion("gmcp-mcp", Identity.of_caller(), _SYSCALLS, memory_bytes=_MEMORY_BYTES)
    work(lambda: execute(steps, Stage(root=b"/")))


if __name__ == "__main__":
    main()
