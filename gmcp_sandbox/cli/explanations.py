"""What a denied agent may be told, where its profile says `explain = "category"`: that, and by which family of rules.

Never the pattern, the rule or the threshold: an explanation to the agent is a map for an attacker. One line goes to a
read-only file of the view and to the session's stderr; each distinct denial is told once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import SYSTEM
from gmcp_sandbox.cli.terminal import visible
from gmcp_sandbox.policy.profile import Caching, Mount, MountMode

EXPLANATIONS_MOUNT = Mount(
    path="/run/gmcp-sandbox", source=None, mode=MountMode.RO, label=SYSTEM, caching=Caching.SENSITIVE
)
FILE_NAME = "denials"
_LARGEST = 1 << 20


class Notices(Protocol):
    """Takes lines for the user without waiting."""

    def offer(self, kind: str, **fields: object) -> bool:
        """Take a message, or leave it."""


class Explanations:
    """Tells of denials."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._fd = -1
        self._written = 0

    def open(self, trees: Mapping[str, int]) -> None:
        """Make the file in its tree, if the view has one."""
        directory = trees.get(EXPLANATIONS_MOUNT.path)
        if directory is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(FILE_NAME, flags, 0o644, dir_fd=directory)

    def explain(self, call: ToolCall, family: str) -> None:
        """Tell of one denial."""
        line = f"DENY {call.tool.value} {visible(call.object)} ({family})"
        self._notices.offer("notice", text=f"gmcp-sandbox: {line}"[:4096])
        data = os.fsencode(line + "\n")
        if self._fd >= 0 and self._written + len(data) <= _LARGEST:
            self._written += os.write(self._fd, data)
