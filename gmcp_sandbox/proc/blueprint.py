"""The set-up plan of a session, from its view, its profile and the caller's identity.

The order is the one that DESIGN section 6 found to work; the comments name what would fail otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.announced import NOTIFIED
from gmcp_sandbox.policy.profile import MountMode, Profile
from gmcp_sandbox.policy.view import View, ancestors
from gmcp_sandbox.proc import confine
from gmcp_sandbox.proc.cgroups import JoinGroups
from gmcp_sandbox.proc.filter import LoadFilter
from gmcp_sandbox.proc.gatestep import AwaitGate, start_gate
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.init import Birth
from gmcp_sandbox.proc.landlock import RestrictByLandlock, interface
from gmcp_sandbox.proc.launch import LaunchPlan
from gmcp_sandbox.proc.mounts import (
    BindTree,
    ChangeRoot,
    MountDev,
    MountProc,
    PrivatePropagation,
    ScratchTmpfs,
    SealProc,
)
from gmcp_sandbox.proc.plan import Step
from gmcp_sandbox.proc.program import Program
from gmcp_sandbox.proc.stdio import Stdio

HOST_NAME = "gmcp-sandbox"
_NAMESPACES = {
    "user": kernel.CLONE_NEWUSER,
    "mount": kernel.CLONE_NEWNS,
    "network": kernel.CLONE_NEWNET,
    "ipc": kernel.CLONE_NEWIPC,
    "uts": kernel.CLONE_NEWUTS,
    "cgroup": kernel.CLONE_NEWCGROUP,
}


class Shells(msgspec.Struct, frozen=True):
    """Steps that other shells bring: the file system and the network mount and configure themselves.

    Attributes:
        mount_root: Makes the new root.
        network: In the stage, once it is confined as far as it ever is.
        helpers: In the stage before everything else: they start processes that get ready meanwhile.
        gates: In process 1, before it changes its root: they wait for those processes.
    """

    mount_root: Step
    network: tuple[Step, ...] = ()
    helpers: tuple[Step, ...] = ()
    gates: tuple[Step, ...] = ()


def draw(  # noqa: PLR0913 - the parts of a session, each said by name
    profile: Profile, view: View, identity: Identity, *, program: Program, stdio: Stdio, shells: Shells
) -> LaunchPlan:
    """Return the plan; nothing has happened yet."""
    flags = 0
    for flag in _NAMESPACES.values():
        flags |= flag
    return LaunchPlan(
        namespaces=(confine.Unshare(flags, ", ".join(_NAMESPACES)),),
        stage_steps=tuple(_stage_steps(profile, identity, shells)),
        birth=Birth(
            first_steps=(JoinGroups(),),
            root_steps=(
                MountDev(profile.limits.shm_bytes),
                MountProc(),
                *_binds(view),
                *shells.gates,
                AwaitGate(),
                ChangeRoot(),
            ),
            agent_steps=(
                confine.NewKeyring(),  # needs nothing, but keyctl is refused by the filter
                confine.LimitResources(profile.limits),
                confine.DropCapabilities(confine.last_capability()),
                confine.NoNewPrivileges(),
                RestrictByLandlock(interface()),
                confine.DieWithParent(),  # after capabilities: a change of credentials clears it
                confine.BecomeReadable(),  # likewise
                LoadFilter(NOTIFIED, debugging=profile.ptrace),
            ),
            identity=identity,
            program=program,
            stdio=stdio,
            last_steps=() if profile.ptrace else (SealProc(),),  # a debugger writes there
        ),
        limits=profile.limits,
    )


def _stage_steps(profile: Profile, identity: Identity, shells: Shells) -> Iterator[Step]:
    yield PrivatePropagation()
    yield start_gate(identity)
    yield from shells.helpers  # before root gives up its id: it alone may open the devices where they are its own
    if identity.is_root:
        yield shells.mount_root  # opens /dev/fuse as host root, which alone may
        yield confine.BecomeNamespaceRoot()  # before the first tmpfs: host root has no id in it
    else:
        yield shells.mount_root
        yield ScratchTmpfs(profile.limits.scratch_bytes)  # root's supervisor makes its own: it has no id in U1
    yield confine.ForbidMoreNamespaces()  # on the host's /proc, still
    yield confine.NameHost(HOST_NAME)
    yield from shells.network


def _binds(view: View) -> Iterator[Step]:
    """Yield a bind for each tree with exec right, and one without for each tree below such a one that has none."""
    by_path = {mount.path: mount for mount in view.mounts if mount.mode is not MountMode.HIDDEN}
    for path, mount in by_path.items():
        above = next((by_path[each] for each in ancestors(path) if each in by_path), None)
        if mount.executable or (above is not None and above.executable):
            yield BindTree(path, mount.executable)
