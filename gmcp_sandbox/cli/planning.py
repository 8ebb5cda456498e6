"""The set-up plan of a preparation, with the steps of all shells that take part."""

from __future__ import annotations

from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.fs.mount import MountFuse
from gmcp_sandbox.net.namespace import RaiseLoopback
from gmcp_sandbox.proc.blueprint import Shells, draw
from gmcp_sandbox.proc.launch import LaunchPlan
from gmcp_sandbox.proc.stdio import Stdio


def plan_of(prepared: Preparation, stdio: Stdio) -> LaunchPlan:
    """Return the plan; nothing has happened yet."""
    return draw(
        prepared.profile,
        prepared.view,
        prepared.identity,
        program=prepared.program,
        stdio=stdio,
        shells=Shells(mount_root=MountFuse(), network=(RaiseLoopback(),)),
    )
