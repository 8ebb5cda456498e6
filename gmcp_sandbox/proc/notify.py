"""Seccomp user notification: loading a filter with a listener, and the three requests that a listener knows.

Sources: seccomp(2), seccomp_unotify(2), Linux include/uapi/linux/seccomp.h.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import struct
from typing import NamedTuple

from gmcp_sandbox.proc import bpf

_WAIT_KILLABLE_RECV = 1 << 5
_RECV, _SEND, _ID_VALID = 0xC0502100, 0xC0182101, 0x40082102
_SET_FLAGS, _SYNC_WAKE_UP = 0x40082104, 1
_CONTINUE = 1
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
"""id, pid, flags, then the data: number, architecture, instruction, arguments."""
_ANSWER = struct.Struct("=QqiI")


class Notification(NamedTuple):
    """One system call that waits for an answer.

    Attributes:
        id: The kernel's name for it.
        tid: The calling thread, in the pid namespace of whoever receives.
        number: Of the system call.
        arguments: Its six arguments, as they are in the registers.
    """

    id: int
    tid: int
    number: int
    arguments: tuple[int, ...]


def load(program: bytes) -> int:
    """Load a filter into the calling thread and return its listener, which closes itself on exec.

    While a notification is looked at only fatal signals interrupt the call, where the kernel has that (Linux 5.19).

    Raises:
        OSError: EBUSY, when there is a listener already; EACCES without no_new_privs; EINVAL for a malformed program.
    """
    try:
        return bpf.load(program, bpf.NEW_LISTENER | _WAIT_KILLABLE_RECV)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return bpf.load(program, bpf.NEW_LISTENER)


def wake_beside(listener: int) -> None:
    """Have the kernel wake the listener on the caller's processor, which is about to wait for it (Linux 6.6)."""
    with contextlib.suppress(OSError):  # an older kernel wakes it where it likes
        fcntl.ioctl(listener, _SET_FLAGS, _SYNC_WAKE_UP)


def receive(listener: int) -> Notification | None:
    """Take the next notification; None when the caller gave up meanwhile. Waits when there is none."""
    buffer = bytearray(_NOTIFICATION.size)  # the kernel wants it empty
    try:
        fcntl.ioctl(listener, _RECV, buffer, True)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    number, tid, _, syscall, _, _, *arguments = _NOTIFICATION.unpack(buffer)
    return Notification(number, tid, syscall, tuple(arguments))


def is_waiting(listener: int, notification: Notification) -> bool:
    """True while the thread still waits in this very call: what was read of it until now was its own."""
    try:
        fcntl.ioctl(listener, _ID_VALID, notification.id.to_bytes(8, "little"))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def let_go(listener: int, notification: Notification) -> bool:
    """Let the kernel carry the call out. Returns False when the caller is gone."""
    return _answer(listener, _ANSWER.pack(notification.id, 0, 0, _CONTINUE))


def refuse(listener: int, notification: Notification, error: int) -> bool:
    """Have the call fail with this errno. Returns False when the caller is gone."""
    return _answer(listener, _ANSWER.pack(notification.id, 0, -error, 0))


def _answer(listener: int, answer: bytes) -> bool:
    try:
        fcntl.ioctl(listener, _SEND, answer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINPROGRESS):
            return False
        raise
    return True
