"""Run a program under the process shell alone: a real launch whose root is a tmpfs with the host's /usr and /etc."""

from __future__ import annotations

import os
import select
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gmcp_sandbox import kernel
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.policy.profile import Limits
from gmcp_sandbox.proc import confine, launch, mounts
from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.filter import LoadFilter
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.init import Birth
from gmcp_sandbox.proc.program import Program
from gmcp_sandbox.proc.stdio import Stdio

SECONDS = 20
_FILTER = LoadFilter()


@dataclass(frozen=True)
class HostPrograms:
    """A root with the host's programs, read as they are."""

    def apply(self, stage):
        kernel.mount(b"tmpfs", stage.root, b"tmpfs", 0, b"mode=0755")
        for name in (b"usr", b"etc", b"proc", b"dev", b"opt", b"tmp"):
            os.mkdir(stage.root + b"/" + name)
        for name in (b"usr", b"etc"):
            kernel.mount(b"/" + name, stage.root + b"/" + name, None, kernel.MS_BIND | kernel.MS_REC)
        for name in (b"bin", b"lib", b"lib64", b"sbin"):
            os.symlink(b"usr/" + name, stage.root + b"/" + name)

    def describe(self):
        return "show the host's programs"


@dataclass(frozen=True)
class Ran:
    """What a program did."""

    status: int
    out: str
    err: str
    messages: tuple[dict, ...]

    @property
    def code(self):
        return os.waitstatus_to_exitcode(self.status)


def plan_for(argv, stdio, *, extra_steps=(), limits=None, last_steps=(_FILTER,), sealing=()):
    """Return the plan of a launch: `extra_steps` before the root changes, `sealing` when ids are mapped, `last_steps`
    before the program starts."""
    identity = Identity.of_caller()
    flags = (
        kernel.CLONE_NEWUSER
        | kernel.CLONE_NEWNS
        | kernel.CLONE_NEWNET
        | kernel.CLONE_NEWIPC
        | kernel.CLONE_NEWUTS
        | kernel.CLONE_NEWCGROUP
    )
    become = (confine.BecomeNamespaceRoot(),) if identity.is_root else ()
    return launch.LaunchPlan(
        namespaces=(confine.Unshare(flags, "all"),),
        stage_steps=(
            mounts.PrivatePropagation(),
            confine.ForbidMoreNamespaces(),
            confine.NameHost("gmcp-test"),
            *become,
            HostPrograms(),
        ),
        birth=Birth(
            root_steps=(mounts.MountDev(1 << 20), mounts.MountProc(), *extra_steps, mounts.ChangeRoot()),
            agent_steps=(
                confine.NewKeyring(),
                confine.LimitResources(limits or Limits()),
                confine.DropCapabilities(confine.last_capability()),
                confine.NoNewPrivileges(),
                confine.DieWithParent(),
                *last_steps,
            ),
            identity=identity,
            program=Program(
                tuple(os.fsencode(word) for word in argv), {b"PATH": b"/usr/bin:/bin", b"LANG": b"C.UTF-8"}, b"/"
            ),
            stdio=stdio,
            last_steps=sealing,
        ),
        limits=limits or Limits(processes=None),
    )


@dataclass(frozen=True)
class Running:
    """A launch that has begun: the supervisor's and the front's line to it."""

    supervisor: Channel
    front: Channel

    def until(self, kind):
        """Return the next message of a kind to the supervisor."""
        while received := self.supervisor.receive():
            if received[0]["kind"] == kind:
                return received[0]
        raise AssertionError(f"it ended before it said {kind!r}")

    def exit_code(self):
        """Wait for the agent's end."""
        return os.waitstatus_to_exitcode(self.until("exit")["status"])


@contextmanager
def launched(argv, stdio, **how) -> Iterator[Running]:
    """Launch a program; end it with the block."""
    identity = Identity.of_caller()
    front, agent_line = Channel.pair()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of earlier tests do not matter to the child
        started = launch.start(plan_for(argv, stdio, **how), agent_line)
    try:
        started.map_ids(identity)
        started.receive_mounts()
        started.begin()
        yield Running(started.channel, front)
    finally:
        started.kill()
        started.channel.close()
        front.close()


@contextmanager
def on_terminal(*argv, **how) -> Iterator[tuple[Running, int]]:
    """Launch a program with a terminal; yield it with the terminal's master."""
    nothing = (None, None, None)
    with launched(argv, Stdio(nothing, nothing), **how) as running:
        _, (master,) = running.front.expect("terminal")
        try:
            yield running, master
        finally:
            os.close(master)


def read_until(fd, marker):
    """Return what comes from a descriptor up to a marker, and whatever came with it."""
    text = b""
    while marker not in text:
        part = os.read(fd, 65536)
        assert part, f"the end came before {marker!r}: {text!r}"
        text += part
    return text


def run(*argv, **how):
    """Run a program to its end; return what it did. Fails after SECONDS."""
    identity = Identity.of_caller()
    pipes = [os.pipe() for _ in range(3)]
    agent_side = (pipes[0][0], pipes[1][1], pipes[2][1])
    front_side = (pipes[0][1], pipes[1][0], pipes[2][0])
    if identity.is_root:
        for fd in agent_side:
            os.fchown(fd, identity.base_uid, identity.base_gid)
    stdio = Stdio(agent_side, front_side)
    try:
        with launched(argv, stdio, **how) as running:
            os.close(front_side[0])
            messages, outputs = _collect(running.supervisor, front_side[1], front_side[2])
    finally:
        for fd in front_side[1:]:
            os.close(fd)
    for message in messages:
        if message["kind"] == "failed":
            raise HostError(message["what"], cause=message["cause"])
    status = next((message["status"] for message in messages if message["kind"] == "exit"), -1)
    return Ran(status, outputs[0].decode(), outputs[1].decode(), tuple(messages))


def _collect(channel, out, err):
    deadline = time.monotonic() + SECONDS
    messages, outputs = [], {out: b"", err: b""}
    waiting = {channel.fileno(), out, err}
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], max(0, deadline - time.monotonic()))
        if not ready:
            print("collected so far", messages, outputs, file=sys.stderr)
            raise TimeoutError(f"not over after {SECONDS} seconds")
        for fd in ready:
            if fd == channel.fileno():
                received = channel.receive()
                if received is None:
                    waiting.discard(fd)
                else:
                    messages.append(received[0])
            elif data := os.read(fd, 65536):
                outputs[fd] += data
            else:
                waiting.discard(fd)
    return messages, (outputs[out], outputs[err])
