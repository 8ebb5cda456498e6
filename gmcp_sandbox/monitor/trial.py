"""Try for real what a session will need from the kernel, in a child that ends at once.

Guarantees: the calling process, its mounts and its namespaces stay as they are; whatever the child made dies with it.

The steps, in the order of a real launch (each needs those before it):
1. new user, mount, pid, ipc, uts, network and cgroup namespaces;
2. an id map;
3. in the new pid namespace, a private /proc (the kernel refuses it when the caller's own /proc is covered in part);
4. a FUSE mount with a descriptor opened inside;
5. a nested user namespace, in which the agent will live.
"""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from gmcp_sandbox import kernel

_NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWCGROUP
)
_HARMLESS = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
STEPS = ("namespaces", "id map", "private /proc", "FUSE mount", "nested user namespace")


@dataclass(frozen=True, slots=True)
class Trial:
    """How far the kernel let a launch come.

    Attributes:
        failed: The step of `STEPS` that failed, or None when all worked.
        code: Its errno.
    """

    failed: str | None = None
    code: int = 0

    def passed(self, step: str) -> bool:
        """True when this step was reached and worked."""
        return self.failed is None or STEPS.index(step) < STEPS.index(self.failed)

    def was_reached(self, step: str) -> bool:
        """True when this step was tried at all."""
        return self.failed is None or STEPS.index(step) <= STEPS.index(self.failed)

    @property
    def error(self) -> str:
        """The failure in words, empty when there is none."""
        return "" if self.failed is None else f"{self.failed}: {os.strerror(self.code)}"


def try_launch() -> Trial:
    """Go through the steps in a child and return how far it came."""
    uid, gid = os.geteuid(), os.getegid()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = _fork()
    if child == 0:
        _in_child(writer, uid, gid)
    os.close(writer)
    try:
        report = _read_all(reader)
    finally:
        os.close(reader)
        os.waitpid(child, 0)
    return _parse(report)


def _fork() -> int:
    with warnings.catch_warnings():
        # Other threads of the caller are no matter: the child makes system calls only, and ends with _exit.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _in_child(writer: int, uid: int, gid: int) -> None:
    """Do the steps; never return."""
    try:
        _attempt(writer, STEPS[0], lambda: kernel.unshare(_NAMESPACES))
        _attempt(writer, STEPS[1], lambda: _map_ids(uid, gid))
        inner = _fork()  # only a child is in the new pid namespace
        if inner:
            os.waitpid(inner, 0)
            os._exit(0)
        _attempt(writer, STEPS[2], _mount_proc)
        _attempt(writer, STEPS[3], _mount_fuse)
        _attempt(writer, STEPS[4], lambda: kernel.unshare(kernel.CLONE_NEWUSER))
        os.write(writer, b"done")
    finally:
        os._exit(0)


def _attempt(writer: int, step: str, action: Callable[[], None]) -> None:
    try:
        action()
    except OSError as error:
        os.write(writer, f"{STEPS.index(step)} {error.errno}".encode())
        os._exit(0)


def _map_ids(uid: int, gid: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, text.encode())
        os.close(fd)


def _mount_proc() -> None:
    kernel.mount(b"none", b"/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount(b"proc", b"/proc", b"proc", _HARMLESS)


def _mount_fuse() -> None:
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    # Stacked where nothing is looked up any more (on `/` it would count as a chroot, which may not nest user
    # namespaces, user_namespaces(7)); the end of this process closes the connection.
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
    kernel.mount(b"trial", b"/proc", b"fuse", _HARMLESS, options.encode())


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 64):
        parts.append(part)
    return b"".join(parts)


def _parse(report: bytes) -> Trial:
    if report == b"done":
        return Trial()
    try:
        step, code = (int(word) for word in report.split())
        return Trial(STEPS[step], code)
    except (ValueError, IndexError):
        return Trial(STEPS[0], errno.ECHILD)  # the child died without a word
