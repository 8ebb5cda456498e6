"""From a plan to a running agent: the supervisor's side, and the process between it and process 1.

    supervisor ── stage (U1: mounts, network) ── process 1 (pid namespace) ── agent (U2: no capability)

The order is that of the set-up that was measured to work as root and as an ordinary user:
1. fork, before anything heavy is imported; the stage moves into new namespaces.
2. The supervisor writes the id maps.
3. The stage mounts FUSE and hands its descriptor up.
4. The stage makes the pid namespace and forks process 1, so that requests carry host pids. Process 1 joins the control
   groups, for which the kernel takes its time, and waits.
5. The supervisor serves, and says so. Process 1 mounts what is left through the served root, changes into it and starts
   the agent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from typing import Any, NoReturn

import msgspec
import prctl

from gmcp_sandbox import collector, kernel
from gmcp_sandbox.errors import HostError, SandboxError
from gmcp_sandbox.policy.profile import Limits
from gmcp_sandbox.proc import cgroups, init
from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.confine import DieWithParent
from gmcp_sandbox.proc.identity import Identity, write_maps
from gmcp_sandbox.proc.plan import Stage, Step, execute

STAGE_ROOT = b"/tmp"


class LaunchPlan(msgspec.Struct, frozen=True):
    """The whole set-up, in the order of execution.

    Attributes:
        limits: What the session's control groups bound; they are made before everything else.
    """

    namespaces: tuple[Step, ...]
    stage_steps: tuple[Step, ...]
    birth: init.Birth
    limits: Limits = Limits(processes=None)

    def describe(self) -> list[str]:
        """Return one line a step."""
        birth = self.birth
        stage = (*self.namespaces, *self.stage_steps)
        steps = (*stage, *birth.first_steps, *birth.root_steps, *birth.last_steps, *birth.agent_steps)
        return [step.describe() for step in steps]


class Launch:
    """A launch under way, seen from the supervisor."""

    def __init__(self, pid: int, channel: Channel, groups: cgroups.Groups) -> None:
        self.pid = pid
        self.channel = channel
        self.groups = groups

    def map_ids(self, identity: Identity) -> None:
        """Steps 1 and 2: wait for the namespaces and write their maps. Raises HostError."""
        self._expect("unshared")
        try:
            write_maps(self.pid, identity.outer_maps(), deny_setgroups=not identity.is_root)
        except OSError as error:
            raise HostError(
                f"cannot write the id maps of the user namespace: {error.strerror}",
                cause="user namespaces are restricted here",
                hint="gmcp-sandbox doctor",
            ) from error
        self.channel.send("mapped")

    def receive_mounts(self) -> dict[str, int]:
        """Step 3: wait for the mounts; return the descriptors by name. Raises HostError."""
        message, fds = self._expect("mounted")
        return dict(zip(message["names"], fds, strict=True))

    def begin(self) -> None:
        """Step 5: let process 1 go on; call it when the FUSE connection is served.

        One that has ended does not hear it; that it has ended is heard on the same line.
        """
        with contextlib.suppress(ConnectionError):
            self.channel.send("serving")

    def kill(self) -> None:
        """End the stage and with it everything below; harmless when it has ended."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        self.groups.remove()

    def _expect(self, kind: str) -> tuple[dict[str, Any], list[int]]:
        received = self.channel.receive()
        if received is None:
            raise HostError("the set-up process ended without a word", hint="gmcp-sandbox doctor")
        message, fds = received
        if message["kind"] == "failed":
            raise HostError(message["what"], cause=message["cause"], hint=message["hint"])
        if message["kind"] != kind:
            raise HostError(f"the set-up process said {message['kind']!r} for {kind!r}")
        return message, fds


def start(plan: LaunchPlan, front: Channel) -> Launch:
    """Fork the stage. `front` is the agent's line to the front; it is closed here.

    Raises:
        HostError: A limit cannot be enforced here.
    """
    groups = cgroups.make(plan.limits)
    ours, theirs = Channel.pair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _stage(plan, theirs, front, Stage(root=STAGE_ROOT, groups=groups))
    theirs.close()
    front.close()
    groups.let_go()
    plan.birth.stdio.close_agent_side()
    return Launch(pid, ours, groups)


def _stage(plan: LaunchPlan, supervisor: Channel, front: Channel, stage: Stage) -> NoReturn:
    """Be the process that owns the namespaces; never returns."""
    collector.resume()
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _set_up(plan, stage, supervisor)
        kernel.unshare(kernel.CLONE_NEWPID)
        first = os.fork()
        if first == 0:
            init.run(plan.birth, stage, supervisor, front)
        front.close()
        if stage.groups is not None:
            stage.groups.let_go()
        plan.birth.stdio.close_agent_side()
        supervisor.send("init", pid=first)
        supervisor.close()
        os.waitpid(first, 0)
    except SandboxError as error:
        supervisor.send("failed", what=str(error), cause=error.cause, hint=error.hint)
    except (OSError, ConnectionError) as error:
        supervisor.send("failed", what=f"the set-up broke: {error}", cause="", hint="gmcp-sandbox doctor")
    except BaseException:  # noqa: BLE001 - our own bug: said with its traceback, in a process that ends here in any case
        what = traceback.format_exc()[-4096:]
        supervisor.send("failed", what=what, cause="a bug in gmcp-sandbox", hint="please report it")
    finally:
        os._exit(1)


def _set_up(plan: LaunchPlan, stage: Stage, supervisor: Channel) -> None:
    DieWithParent().apply(stage)
    if os.geteuid() == 0:
        os.setgroups([])
    execute(plan.namespaces, stage)
    supervisor.send("unshared")
    supervisor.expect("mapped")
    execute(plan.stage_steps, stage)
    prctl.set_dumpable(1)  # a change of ids cleared it, and /proc/PID/uid_map belongs to root then
    DieWithParent().apply(stage)  # likewise
    supervisor.send("mounted", names=list(stage.fds), fds=tuple(stage.fds.values()))
    for fd in stage.fds.values():
        os.close(fd)
