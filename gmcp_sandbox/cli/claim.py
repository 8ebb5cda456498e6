"""One writer for a workspace: file locks are those of a session's own mount, and two sessions do not see each other's.

The claim is an flock(2) of the front, which the kernel gives back whenever the front ends, in whatever way.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from blake3 import blake3

from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.policy.profile import MountMode

_DIRECTORY = "claims"


def claim(state: Path, prepared: Preparation, *, share: bool) -> int | None:
    """Claim the workspace for this process; return the descriptor that holds the claim, None where none is needed.

    Args:
        state: The state directory.
        share: Whether other sessions that share may write to it at the same time.

    Raises:
        UsageError: A running session has the workspace.
        HostError: The claim cannot be written down.
    """
    if not _is_written(prepared):
        return None
    name = blake3(os.fsencode(prepared.workspace)).hexdigest(16)
    try:
        (state / _DIRECTORY).mkdir(mode=0o700, exist_ok=True)
        fd = os.open(state / _DIRECTORY / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise HostError("cannot claim the workspace", cause=error.strerror or str(error)) from error
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if share else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise UsageError(
            f"another session writes to {prepared.workspace}",
            cause="file locks of one session are not seen by the other",
            hint="gmcp-sandbox ps; or start both with --share",
        ) from None
    return fd


def _is_written(prepared: Preparation) -> bool:
    return any(mount.mode is MountMode.RW and mount.path == prepared.workspace for mount in prepared.view.mounts)
