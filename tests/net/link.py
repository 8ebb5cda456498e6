"""An agent's network namespace with its pump and relay, without the rest of a session; and parts that tests choose.

The crew is made by the product's own step, in a user namespace of the test's own. Programs are run in the agent's
namespace by entering it.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import trio

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict
from gmcp_sandbox.net import crew, tun
from gmcp_sandbox.net.addressing import AGENT_CROSSING
from gmcp_sandbox.net.namespace import raise_loopback
from gmcp_sandbox.net.parts import Parts
from gmcp_sandbox.net.service import Network
from gmcp_sandbox.net.types import Converse, DialError, Dialled, HandOff
from gmcp_sandbox.policy.network import Network as Policy
from gmcp_sandbox.proc.confine import DieWithParent
from gmcp_sandbox.proc.helper import confinement
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.plan import Stage

ROOT = Path(__file__).resolve().parents[2]
PLAIN = Identity(1000, 1000, 1000, 1000, 1)


@dataclass(frozen=True)
class Link:
    """The crew, and the namespaces of the agent."""

    pid: int
    pump: socket.socket
    relay: socket.socket

    def agent(self, script: str, *words: str) -> subprocess.Popen[str]:
        """Start a Python script in the agent's network namespace."""
        enter = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from gmcp_sandbox import kernel
for kind, flag in (("user", kernel.CLONE_NEWUSER), ("net", kernel.CLONE_NEWNET)):
    fd = os.open("/proc/{self.pid}/ns/" + kind, os.O_RDONLY)
    kernel.setns(fd, flag)
    os.close(fd)
"""
        return subprocess.Popen(
            [sys.executable, "-c", enter + script, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@contextmanager
def linked(*, crosses: bool = True) -> Iterator[Link]:
    """Make a crew; end it with the block.

    Args:
        crosses: Let the kernel carry what may cross; else the name of its device is taken, and the pump has to.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of earlier tests do not matter to the child
        pid = os.fork()
    if pid == 0:
        ours.close()
        _be_stage(theirs, crosses)
    theirs.close()
    try:
        said, fds, _, _ = socket.recv_fds(ours, 4096, 2)
        assert said == b"ready", said.decode()
        pump, relay = (socket.socket(fileno=fd) for fd in fds)
        with pump, relay:
            yield Link(pid, pump, relay)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        ours.close()


def _be_stage(line: socket.socket, crosses: bool) -> None:
    try:
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            Path(f"/proc/self/{name}").write_text(text)
        taken = -1 if crosses else tun.create(AGENT_CROSSING)
        stage = Stage(root=b"")
        crew.StartCrew(
            (0, 0),
            DieWithParent(),
            confinement("gmcp-pump", PLAIN, crew.PUMP_SYSCALLS),
            confinement("gmcp-relay", PLAIN, crew.RELAY_SYSCALLS),
        ).apply(stage)
        raise_loopback()
        crew.AwaitCrew().apply(stage)
        socket.send_fds(line, [b"ready"], [stage.fds["pump"], stage.fds["relay"]])
        for fd in stage.fds.values():
            os.close(fd)
        line.recv(1)
        if taken >= 0:
            os.close(taken)
    except Exception as error:  # noqa: BLE001 - told to the test
        line.send(f"{error!r} {getattr(error, 'cause', '')}".encode())
    finally:
        os._exit(0)


# --------------------------------------------------------------------------------------------------------------- parts


@dataclass
class Host:
    """Parts in the place of names, addresses and application layer, and what they were asked for."""

    allows: Callable[[ToolCall], bool] = lambda call: True
    upstream: tuple[str, int] | None = None
    failure: int = errno.ECONNREFUSED
    application: Converse | None = None
    policy: Policy = field(default_factory=Policy)
    calls: list[ToolCall] = field(default_factory=list)
    events: list[tuple[str, dict]] = field(default_factory=list)
    counted: dict[tuple[str, str], int] = field(default_factory=dict)
    adopted: list[Policy] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=lambda: {"198.18.0.9": "api.example.com"})

    def call(self, tool, object, args, *, label, pid=0, extent=None, content=None, derived=()):
        return ToolCall(len(self.calls) + 1, 0, "s", "agent", pid, tool, object, args, label, extent, content)

    async def mediate(self, call):
        return self.begin(call)

    async def settle(self, call, unsettled):
        raise AssertionError("nothing is left open here")

    def begin(self, call):
        self.calls.append(call)
        is_allowed = getattr(call.args, "fault", None) is None and self.allows(call)
        outcome = Outcome.ALLOW if is_allowed else Outcome.DENY
        return Decision(call, outcome, (Verdict(Layer.TRUST, outcome, "trust.test"),), 1, (), False)

    def name_of(self, address):
        return self.names.get(address)

    async def answer(self, payload, source, destination):
        return b"answer to " + payload

    async def dial(self, target):
        if self.upstream is None:
            raise DialError(self.failure, "refused")
        return Dialled(await trio.open_tcp_stream(*self.upstream), "203.0.113.7")

    async def locate(self, target):
        if self.upstream is None:
            raise DialError(self.failure, "unreachable")
        return self.upstream[0]

    async def converse(self, target, agent, upstream, moved):
        return HandOff() if self.application is None else await self.application(target, agent, upstream, moved)

    def count(self, kind, host, amount):
        self.counted[kind, host] = self.counted.get((kind, host), 0) + amount

    def event(self, name, **fields):
        self.events.append((name, fields))

    def parts(self) -> Parts:
        return Parts(
            policy=self.policy,
            mediator=self,
            names=self,
            dns=self,
            dialer=self,
            locator=self,
            converse=self.converse,
            count=self.count,
            event=self.event,
            adopt=self.adopted.append,
        )


@asynccontextmanager
async def serving(host: Host, *, crosses: bool = True):
    """Run the network over a new link; yield it with a function that runs a script as the agent."""
    with linked(crosses=crosses) as link:
        network = Network(host.parts(), link.pump, link.relay)

        async def agent(script: str, *words: str):
            process = link.agent(script, *words)
            with trio.fail_after(60):
                out, err = await trio.to_thread.run_sync(process.communicate)
            assert process.returncode == 0, err
            return json.loads(out)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(network.run)
            yield network, agent
            nursery.cancel_scope.cancel()


def replace(policy: Policy, **what: object) -> Policy:
    return msgspec.structs.replace(policy, **what)
