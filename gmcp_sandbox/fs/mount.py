"""The FUSE mount, made in the agent's own mount namespace without a set-user-ID helper.

The descriptor of /dev/fuse must be opened inside of the user namespace that mounts it, else the kernel answers EINVAL
(fs/fuse/inode.c compares the two); it then travels to the supervisor, which never has the mount itself.

The mount has no `default_permissions`: with it the kernel would refuse by owner and mode before it asks, and an attempt
would leave no record. The host's own checks stay: the supervisor acts on the host with the caller's rights and no more.
"""

from __future__ import annotations

import os
from typing import Protocol

import msgspec

from gmcp_sandbox import kernel


class _Stage(Protocol):
    root: bytes
    fds: dict[str, int]


class MountFuse(msgspec.Struct, frozen=True):
    """Mount a new FUSE connection as the new root: nosuid, nodev, noexec."""

    def apply(self, stage: _Stage) -> None:
        fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount(b"gmcp-sandbox", stage.root, b"fuse.gmcp-sandbox", flags, options.encode())
        stage.fds["fuse"] = fd

    def describe(self) -> str:
        return "mount the governed file system (FUSE, nosuid, nodev, noexec)"
