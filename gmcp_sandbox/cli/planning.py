"""The set-up plan of a preparation, with the steps of all shells that take part."""

from __future__ import annotations

from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.fs.mount import MountFuse
from gmcp_sandbox.net.agentsocket import MakeAgentSocket, NameAgentSocket
from gmcp_sandbox.net.namespace import RaiseLoopback
from gmcp_sandbox.proc.blueprint import Shells, draw
from gmcp_sandbox.proc.launch import LaunchPlan
from gmcp_sandbox.proc.plan import Step
from gmcp_sandbox.proc.stdio import Stdio


def _shells(prepared: Preparation) -> Shells:
    door = _door(prepared)
    if prepared.profile.net is None:
        return Shells(mount_root=MountFuse(), network=(RaiseLoopback(),), helpers=door)
    from gmcp_sandbox.net.crew import PUMP_SYSCALLS, RELAY_SYSCALLS, AwaitCrew, StartCrew  # a session without: no cost
    from gmcp_sandbox.proc.confine import DieWithParent
    from gmcp_sandbox.proc.helper import confinement

    identity = prepared.identity
    crew = StartCrew(
        gids=(0, identity.count - 1),
        before=DieWithParent(),
        pump=confinement("gmcp-pump", identity, PUMP_SYSCALLS),
        relay=confinement("gmcp-relay", identity, RELAY_SYSCALLS),
    )
    ssh = () if prepared.ssh is None else (MakeAgentSocket(),)
    named = () if prepared.ssh is None else (NameAgentSocket(),)
    return Shells(
        mount_root=MountFuse(),
        network=(RaiseLoopback(),),
        helpers=(crew, *door, *ssh),
        gates=(*named, AwaitCrew()),
    )


def _door(prepared: Preparation) -> tuple[Step, ...]:
    if not prepared.published:
        return ()
    from gmcp_sandbox.net.door import DOOR_SYSCALLS, StartDoor
    from gmcp_sandbox.proc.confine import DieWithParent
    from gmcp_sandbox.proc.helper import confinement

    return (StartDoor(DieWithParent(), confinement("gmcp-door", prepared.identity, DOOR_SYSCALLS)),)


def plan_of(prepared: Preparation, stdio: Stdio) -> LaunchPlan:
    """Return the plan; nothing has happened yet."""
    return draw(
        prepared.profile,
        prepared.view,
        prepared.identity,
        program=prepared.program,
        stdio=stdio,
        shells=_shells(prepared),
    )
