"""Landlock, a second wall where the kernel has it: other code of the kernel than namespaces, mount flags and seccomp.

What it refuses is refused elsewhere, too; it holds where one of those has a fault:
- signals to processes, and connections to abstract sockets, outside of the sandbox (beside the namespaces);
- ioctls on devices outside of /dev (beside `nodev` of every mount).

It looks at no path that is opened but of devices, so opens cost what they cost without it. Moves between directories,
which any ruleset about files forbids by itself (LANDLOCK_ACCESS_FS_REFER), are granted everywhere: they are judged.

Sources: landlock(7), Linux include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import os

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.proc.plan import Stage

_REFER, _IOCTL_DEV = 1 << 13, 1 << 15
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1
_FIRST_WITH_IOCTL, _FIRST_WITH_SCOPES = 5, 6


class RestrictByLandlock(msgspec.Struct, frozen=True):
    """Restrict the agent by Landlock, as far as this version of its interface can; with less than 5 not at all."""

    abi: int

    def apply(self, stage: Stage) -> None:
        if self.abi < _FIRST_WITH_IOCTL:
            return
        granted = {b"/": _REFER, b"/dev": _IOCTL_DEV}
        scoped = _ABSTRACT_SOCKETS | _SIGNALS if self.abi >= _FIRST_WITH_SCOPES else 0
        opened = [(os.open(path, os.O_PATH | os.O_CLOEXEC), accesses) for path, accesses in granted.items()]
        try:
            kernel.landlock_restrict(_REFER | _IOCTL_DEV, scoped, opened)
        finally:
            for fd, _ in opened:
                os.close(fd)

    def describe(self) -> str:
        return f"restrict by Landlock ({said(self.abi)})"


def interface() -> int:
    """Return the version of the kernel's interface, 0 where it has none or has it switched off."""
    try:
        return kernel.landlock_version()
    except OSError:
        return 0


def said(abi: int) -> str:
    """Say for the genesis record what a version of the interface gives."""
    if abi == 0:
        return "not active in this kernel"
    if abi < _FIRST_WITH_IOCTL:
        return f"ABI {abi}: too old for what it is used for"
    outwards = "" if abi < _FIRST_WITH_SCOPES else ", signals or abstract sockets outwards"
    return f"ABI {abi}: no ioctls on devices outside of /dev{outwards}"
