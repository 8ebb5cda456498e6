"""The files of a session's log: their names, and how they are opened for reading.

A session writes `audit.jsonl`, then `audit.1.jsonl`, `audit.2.jsonl` and so on. Files are opened without following a
link and must be regular.
"""

from __future__ import annotations

import os
import re
import stat
from typing import BinaryIO

from gmcp_sandbox.errors import AuditError

FIRST = "audit.jsonl"
_NAME = re.compile(r"audit(?:\.([1-9][0-9]{0,8}))?\.jsonl", re.ASCII)


def segment_name(index: int) -> str:
    """Return the file name of a segment, counted from 0."""
    return FIRST if index == 0 else f"audit.{index}.jsonl"


def is_segment(directory: int, index: int, facts: os.stat_result) -> bool:
    """True when a segment's name in an open directory leads to this file."""
    try:
        return os.path.samestat(os.stat(segment_name(index), dir_fd=directory, follow_symlinks=False), facts)
    except FileNotFoundError:
        return False


def segment_index(name: str) -> int | None:
    """Return which segment a file name stands for, None when it stands for none."""
    match = _NAME.fullmatch(name)
    return None if match is None else int(match[1] or 0)


def list_segments(directory: str) -> list[int]:
    """Return the numbers of the segments in a directory, in order.

    Raises:
        AuditError: The directory cannot be read.
    """
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise AuditError(f"cannot read {directory!r}", cause=error.strerror or "") from error
    return sorted(index for name in names if (index := segment_index(name)) is not None)


def open_segment(path: str) -> BinaryIO:
    """Open a log file for reading.

    Raises:
        AuditError: It is not there, not readable or no regular file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise AuditError(f"cannot open the log {path!r}", cause=cause) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise AuditError(f"{path!r} is no log", cause="it is not a regular file")
    return os.fdopen(fd, "rb", buffering=1 << 18)


def is_log_directory(path: str) -> bool:
    """True when the path is a directory (of a session) and not a log file."""
    return os.path.isdir(path)
