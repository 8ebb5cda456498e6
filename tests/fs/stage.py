"""A real mount for tests: run as a program, it mounts a view in a mount namespace of its own and runs a command there.

Usage: `python stage.py < configuration.json > result.json`. The configuration:

    mounts:    list of {path, source, mode, label, caching}; scratch mounts get a directory each
    symlinks:  list of [path, target]
    rules:     {glob: label}, fnmatch on sandbox paths
    deny:      list of [tool glob, label glob] that the mediator refuses
    secrets:   list of host paths that are secret
    every_read: labels of which every read is a call
    command:   argv; runs with the mount's root as its working directory and in $ROOT

The result: {rc, out, err, calls: [[tool, path, label, allowed], …], nodes, faults, rss_kib}. Needs root.
"""

from __future__ import annotations

import ctypes
import fnmatch
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import trio

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.arguments import Arguments, FsRename
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import BUILTIN, OUTSIDE, SYSTEM, Label, highest
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict
from gmcp_sandbox.fs.budget import UNLIMITED
from gmcp_sandbox.fs.core import NOTHING, Core
from gmcp_sandbox.fs.ids import IdView
from gmcp_sandbox.fs.mount import MountFuse
from gmcp_sandbox.policy.guards import guard_for
from gmcp_sandbox.policy.profile import Caching, Mount, MountMode
from gmcp_sandbox.policy.view import View


class GlobLabels:
    """Labels by fnmatch over whole paths; enough for tests, slower than the real one."""

    def __init__(self, mounts: list[Mount], rules: dict[str, str]) -> None:
        self._mounts = sorted(mounts, key=lambda mount: -len(mount.path))
        self._rules = rules

    def of(self, path: str) -> Label:
        label = OUTSIDE
        for mount in self._mounts:
            if path == mount.path or path.startswith(mount.path.rstrip("/") + "/"):
                label = OUTSIDE if mount.mode is MountMode.HIDDEN else mount.label
                break
        else:
            label = SYSTEM
        for pattern, name in self._rules.items():
            if fnmatch.fnmatchcase(path, pattern):
                label = highest(label, BUILTIN[name])
        return label

    def of_link(self, path: str) -> Label:
        return highest(self.of(path), self.of(path + "/below"))

    def may_differ_below(self, old: str, new: str) -> bool:
        return bool(self._rules)


class UnsafeMediator:
    """Allows everything but what a list of (tool glob, label glob) names, and remembers what was asked."""

    def __init__(self, deny: list[tuple[str, str]] | None = None, *, keep: bool = True) -> None:
        self.deny = deny or []
        self.calls: list[tuple[str, str, str, bool]] = []
        self.contents: list[bytes | None] = []
        self.derived: list[tuple[str, str]] = []
        self._seq = 0
        self._keep = keep

    def call(
        self,
        tool: Tool,
        object: str,
        args: Arguments,
        *,
        label: Label,
        pid: int = 0,
        extent: tuple[int, int] | None = None,
        content: bytes | None = None,
        derived: tuple[Label, ...] = (),
    ) -> ToolCall:
        self._seq += 1
        if derived:
            self.derived.append((str(tool), object))
        return ToolCall(self._seq, 0, "s", "a", pid, tool, object, args, label, extent, content)

    async def mediate(self, call: ToolCall) -> Decision:
        denied = call.label is OUTSIDE or any(
            fnmatch.fnmatchcase(call.tool, tool) and fnmatch.fnmatchcase(call.label.name, label)
            for tool, label in self.deny
        )
        denied = denied or getattr(call.args, "lowers", False)
        guard = guard_for(call.args.target if isinstance(call.args, FsRename) else call.object)
        if call.content is not None and guard is not None and call.tool is not Tool.FS_READ:
            denied = denied or guard.judge(call.content) is not None
        if self._keep:
            self.calls.append((str(call.tool), call.object, call.label.name, not denied))
            self.contents.append(call.content)
        outcome = Outcome.DENY if denied else Outcome.ALLOW
        return Decision(call, outcome, (Verdict(Layer.TRUST, outcome, "trust.test"),), 0)


class UnsafeAllowAll(UnsafeMediator):
    """Allows everything at the least cost; for measuring."""

    def __init__(self) -> None:
        super().__init__(keep=False)
        call = self.call(Tool.FS_STAT, "/", None, label=SYSTEM)  # type: ignore[arg-type]
        self._yes = Decision(call, Outcome.ALLOW, (), 0)

    async def mediate(self, call: ToolCall) -> Decision:
        return self._yes


def mounts_of(configuration: dict) -> list[Mount]:
    return [
        Mount(
            item["path"],
            item.get("source"),
            MountMode(item.get("mode", "rw")),
            BUILTIN[item.get("label", "workspace")],
            caching=Caching(item.get("caching", "workspace")),
        )
        for item in configuration["mounts"]
    ]


def core_of(configuration: dict, mediator: UnsafeMediator) -> Core:
    mounts = mounts_of(configuration)
    backings = {}
    for mount in mounts:
        if mount.mode is MountMode.SCRATCH and mount.source is None:
            backings[mount.path] = os.open(tempfile.mkdtemp(prefix="scratch-"), os.O_PATH)
    links = [(path, target) for path, target in configuration.get("symlinks", [])]
    labels = GlobLabels(mounts, configuration.get("rules", {}))
    ids = IdView.for_root() if os.geteuid() == 0 else IdView.for_user()
    secrets = configuration.get("secrets", [])
    view = View.of(mounts, links)
    back = configuration.get("taking_back", NOTHING)
    core = Core(
        view,
        mediator,
        labels,
        guard_for=guard_for,
        ids=ids,
        backings=backings,
        secret_places=secrets,
        taking_back=back,
        budget=configuration.get("budget", UNLIMITED),
        every_read=configuration.get("every_read", ()),
        arrivals=configuration.get("arrivals"),
    )
    for fd in backings.values():
        os.close(fd)
    return core


@dataclass
class Place:
    """Where to mount, and the descriptor that comes of it."""

    root: bytes
    fds: dict[str, int]


def agent(channel: socket.socket, root: str, configuration: dict, result: int) -> None:
    """Mount, hand the descriptor up, run the command, report."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(b"none", b"/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    place = Place(root.encode(), {})
    MountFuse().apply(place)
    fd = place.fds["fuse"]
    socket.send_fds(channel, [b"fd"], [fd])
    os.close(fd)
    channel.recv(1)
    os.chdir(root)
    environment = {**os.environ, "ROOT": root}
    try:
        done = subprocess.run(configuration["command"], capture_output=True, timeout=50, env=environment, check=False)
        out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        answer = {"rc": done.returncode, "out": out, "err": err}
    except subprocess.TimeoutExpired:
        answer = {"rc": -1, "out": "", "err": "time-out"}
    os.chdir("/")
    with os.fdopen(result, "w") as report:
        json.dump(answer, report)
    kernel.umount(root.encode(), kernel.MNT_DETACH)


def peak() -> int:
    """Return the most memory that this process had, in KiB.

    Not from getrusage(2), whose number is carried over an exec from the process that forked us.
    """
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main() -> None:
    configuration = json.load(sys.stdin)
    from gmcp_sandbox.fs import adapter  # the one module that needs libfuse

    mediator = UnsafeAllowAll() if configuration.get("fast") else UnsafeMediator(configuration.get("deny", []))
    core = core_of(configuration, mediator)
    root = tempfile.mkdtemp(prefix="stage-")
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            ours.close()
            os.close(reading)
            agent(theirs, root, configuration, writing)
            code = 0
        except BaseException:  # noqa: BLE001 - a forked child must never return into the parent's program
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    theirs.close()
    os.close(writing)
    _, fds, _, _ = socket.recv_fds(ours, 16, 1)
    faults: list[str] = []
    ours.send(b"x")
    trio.run(adapter.serve, core, fds[0], lambda error: faults.append(repr(error)))
    with os.fdopen(reading) as source:
        answer = json.loads(source.read() or "{}")
    os.waitpid(child, 0)
    os.rmdir(root)
    answer |= {"calls": mediator.calls, "nodes": len(core.table), "faults": faults, "rss_kib": peak()}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
