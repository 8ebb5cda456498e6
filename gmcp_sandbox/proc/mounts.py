"""Mounts of the new root beside the FUSE mount: the kernel's own file systems and the trees with exec right.

Invariants:
- The FUSE mount is noexec. A tree with exec right is bound onto itself and remounted without noexec, so a bind that is
  lost takes the right with it.
- /dev holds the usual nodes and nothing that can be written; /proc is that of the agent's own pid namespace, with what
  speaks for the whole host masked or read-only.
"""

from __future__ import annotations

import contextlib
import os

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.proc.plan import Stage

DEVICE_NODES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
PROC_READ_ONLY = ("sys", "irq", "bus", "fs", "pressure", "sysrq-trigger")
PROC_MASKED = ("kcore", "keys", "kallsyms", "timer_list", "cmdline", "interrupts", "config.gz", "sched_debug")
"""The kernel's own secrets, its command line, when which device did something (what is typed), how it was built."""
_QUIET = kernel.MS_NOSUID | kernel.MS_NODEV


class PrivatePropagation(msgspec.Struct, frozen=True):
    """Keep the host's later mounts out and ours in."""

    def apply(self, stage: Stage) -> None:
        kernel.mount(b"none", b"/", None, kernel.MS_REC | kernel.MS_PRIVATE)

    def describe(self) -> str:
        return "make all mounts private"


class MountDev(msgspec.Struct, frozen=True):
    """Put a small read-only /dev of bound nodes into the new root, with its own devpts and shm."""

    shm_bytes: int

    def apply(self, stage: Stage) -> None:
        dev = stage.root + b"/dev"
        kernel.mount(b"tmpfs", dev, b"tmpfs", kernel.MS_NOSUID | kernel.MS_NOEXEC, b"mode=0755,size=64k")
        for name in DEVICE_NODES:
            node = dev + b"/" + name.encode()
            os.close(os.open(node, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
            kernel.mount(b"/dev/" + name.encode(), node, None, kernel.MS_BIND)
        for name, target in DEVICE_LINKS:
            os.symlink(target, dev + b"/" + name.encode())
        for name in ("pts", "shm"):
            os.mkdir(dev + b"/" + name.encode(), 0o755)
        flags = kernel.MS_NOSUID | kernel.MS_NOEXEC
        kernel.mount(b"devpts", dev + b"/pts", b"devpts", flags, b"newinstance,ptmxmode=0666,mode=0620")
        data = f"mode=1777,size={self.shm_bytes}".encode()
        kernel.mount(b"tmpfs", dev + b"/shm", b"tmpfs", flags | kernel.MS_NODEV, data)
        kernel.mount(b"none", dev, None, kernel.MS_REMOUNT | kernel.MS_BIND | flags | kernel.MS_RDONLY)

    def describe(self) -> str:
        return f"mount /dev ({', '.join(DEVICE_NODES)}), a private /dev/pts and {self.shm_bytes >> 20} MiB of /dev/shm"


class MountProc(msgspec.Struct, frozen=True):
    """Put the /proc of the new pid namespace into the new root."""

    def apply(self, stage: Stage) -> None:
        proc = stage.root + b"/proc"
        kernel.mount(b"proc", proc, b"proc", _QUIET | kernel.MS_NOEXEC)
        for name in PROC_READ_ONLY:
            with contextlib.suppress(FileNotFoundError):  # depends on how the kernel was built
                bind_again(proc + b"/" + name.encode(), _QUIET | kernel.MS_NOEXEC | kernel.MS_RDONLY)
        for name in PROC_MASKED:
            with contextlib.suppress(FileNotFoundError):
                kernel.mount(stage.root + b"/dev/null", proc + b"/" + name.encode(), None, kernel.MS_BIND)

    def describe(self) -> str:
        return f"mount /proc with {', '.join(PROC_READ_ONLY)} read-only and {', '.join(PROC_MASKED)} masked"


class SealProc(msgspec.Struct, frozen=True):
    """Make /proc of the changed root read-only: its `mem` files are ptrace's second door (proc_pid_mem(5)).

    Once the agent's ids are mapped nobody inside has anything to write there that a system call could not say.
    """

    def apply(self, stage: Stage) -> None:
        flags = _QUIET | kernel.MS_NOEXEC | kernel.MS_RDONLY
        kernel.mount(b"none", stage.root + b"/proc", None, kernel.MS_REMOUNT | kernel.MS_BIND | flags)

    def describe(self) -> str:
        return "make /proc read-only"


class BindTree(msgspec.Struct, frozen=True):
    """Give one tree of the view the right to run programs, or take it from one that lies below such a tree.

    Never read-only: the kernel would answer for us, and an attempt to write would leave no record.
    """

    path: str
    executable: bool

    def apply(self, stage: Stage) -> None:
        bind_again(stage.root + os.fsencode(self.path), _QUIET | (0 if self.executable else kernel.MS_NOEXEC))

    def describe(self) -> str:
        return f"{'allow' if self.executable else 'no'} programs in {self.path}"


class ScratchTmpfs(msgspec.Struct, frozen=True):
    """Make the memory file system behind all scratch trees; it is mounted nowhere and dies with its descriptor."""

    size_bytes: int

    def apply(self, stage: Stage) -> None:
        stage.fds["scratch"] = kernel.detached_tmpfs({"size": str(self.size_bytes), "mode": "0755"})

    def describe(self) -> str:
        return f"make scratch space of at most {self.size_bytes >> 20} MiB in memory"


class ChangeRoot(msgspec.Struct, frozen=True):
    """Make the new root the root and let go of the old one."""

    def apply(self, stage: Stage) -> None:
        os.chdir(stage.root)
        kernel.pivot_root(b".", b".")
        kernel.umount(b".", kernel.MNT_DETACH)
        os.chdir(b"/")
        stage.root = b""

    def describe(self) -> str:
        return "make the view the root and detach the host's"


def bind_again(path: bytes, flags: int) -> None:
    """Bind a path onto itself with these mount flags."""
    kernel.mount(path, path, None, kernel.MS_BIND)
    kernel.mount(b"none", path, None, kernel.MS_REMOUNT | kernel.MS_BIND | flags)
