"""How long logs are kept: the oldest sessions that have ended go first, when all logs together outgrow their budget.

Guarantees: a running session is never touched; a removed session leaves its line in the ledger, so that its absence can
be told from one that somebody made disappear. A log is removed whole or, when that fails, stays.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor.statedir import SessionDir, StateDir
from gmcp_sandbox.monitor.trees import remove_tree
from gmcp_sandbox.policy.auditing import AuditPolicy

_STAMP = "retention.stamp"
_DUE_SECONDS = 3600
_DAY_NS = 86_400 * 1_000_000_000


def surplus(state: StateDir, *, keep_bytes: int | None, keep_days: int | None = None) -> list[tuple[SessionDir, int]]:
    """Return the ended sessions that are too many, the oldest first, with the bytes of their directories."""
    found = sorted(_measured(state), key=lambda one: one[0])
    total = sum(size for _, size, _ in found)
    chosen = []
    for changed_ns, size, session in found:
        is_old = keep_days is not None and changed_ns < time.time_ns() - keep_days * _DAY_NS
        is_over = keep_bytes is not None and total > keep_bytes
        if (is_old or is_over) and not session.is_running():
            chosen.append((session, size))
            total -= size
    return chosen


def retire(policy: AuditPolicy) -> list[str]:
    """Remove what is too much by a policy, if it is time to look; return the ids. What cannot be removed stays."""
    state = StateDir.open()
    if not is_due(state):
        return []
    removed = []
    for session, _ in surplus(state, keep_bytes=policy.keep_bytes, keep_days=policy.keep_days):
        with contextlib.suppress(HostError):
            remove(session)
            removed.append(session.id)
    return removed


def is_due(state: StateDir) -> bool:
    """True once an hour: looking through all sessions costs more than a start should."""
    stamp = state.path / _STAMP
    try:
        if time.time() - stamp.stat().st_mtime < _DUE_SECONDS:
            return False
    except OSError:
        pass
    stamp.touch(mode=0o600)
    return True


def remove(session: SessionDir) -> None:
    """Remove a session's directory and all that is in it.

    Raises:
        HostError: It cannot be removed.
    """
    try:
        above = os.open(session.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_tree(session.id, dir_fd=above)
        finally:
            os.close(above)
    except OSError as error:
        raise HostError(f"cannot remove session {session.id}", cause=error.strerror or str(error)) from error


def _measured(state: StateDir) -> Iterator[tuple[int, int, SessionDir]]:
    """Return every session with its age and size, but for those that another process removes in this moment."""
    for session in state.sessions():
        with contextlib.suppress(FileNotFoundError):
            yield _last_change(session), _bytes_of(session), session


def _last_change(session: SessionDir) -> int:
    """Return when a session ended, or when its log was last written."""
    meta = session.meta()
    if meta is not None and meta.ended_ns is not None:
        return meta.ended_ns
    try:
        return session.log.stat().st_mtime_ns
    except OSError:
        return session.path.stat().st_mtime_ns


def _bytes_of(session: SessionDir) -> int:
    total = 0
    with os.scandir(session.path) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                total += entry.stat(follow_symlinks=False).st_size
    return total
