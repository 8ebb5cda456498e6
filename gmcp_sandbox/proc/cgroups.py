"""Control groups of one session: bounds on memory, processes and processor that hold for all its processes together.

The supervisor makes the groups before the first process of the sandbox exists; process 1 joins them before the agent is
born, through descriptors that the supervisor opened (permission is that of the opener, cgroup-v2.rst "Delegation
Containment"). Helper processes of the supervisor stay outside, so that an agent out of memory does not take them along.

Where the host gives no such group (an ordinary user without delegation), memory and processes are bounded by rlimits
for each process, and the genesis record says so; a bound that rlimits cannot give is refused.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor.cgroupfs import Place, find_places
from gmcp_sandbox.policy.profile import Limits
from gmcp_sandbox.proc.plan import Stage

_PREFIX = "gmcp-sandbox-"
_PERIOD_US = 100_000
_PATIENCE_SECONDS, _LOOK_SECONDS = 2.0, 0.002
_JOIN = b"0"
"""The writer itself (cgroups(7))."""


class Reached(msgspec.Struct, frozen=True):
    """A bound that was reached.

    Attributes:
        limit: Name of the key in `[limits]`.
        times: How often so far.
        what: What the kernel did.
    """

    limit: str
    times: int
    what: str


class Group(msgspec.Struct, frozen=True):
    """One group that was made: its directory, and the controllers that are bounded in it."""

    path: str
    version: int
    controllers: tuple[str, ...]


class Groups:
    """The groups of one session. Remove them when its last process is gone."""

    def __init__(self, groups: tuple[Group, ...] = ()) -> None:
        self._groups = groups
        self._told: dict[str, int] = {}
        self.fds = tuple(os.open(each.path + "/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for each in groups)
        self._locks = [_lock(each.path) for each in groups]

    @property
    def held(self) -> frozenset[str]:
        """The controllers whose bounds hold for the whole session."""
        return frozenset(name for each in self._groups for name in each.controllers)

    def describe(self, limits: Limits) -> str:
        """Say for the genesis record what bounds what."""
        said = []
        for name, value in (("memory", limits.memory_bytes), ("pids", limits.processes), ("cpu", limits.cpus)):
            if value is not None:
                group = next((each for each in self._groups if name in each.controllers), None)
                said.append(f"{name} {f'cgroup v{group.version}' if group else 'rlimit of each process'}")
        return ", ".join(said) or "none of the whole session"

    def reached(self) -> list[Reached]:
        """Return the bounds that were reached so far."""
        found = []
        for group in self._groups:
            if "memory" in group.controllers:
                file = "memory.events" if group.version == 2 else "memory.oom_control"
                killed = _number(group.path, file, "oom_kill")
                found.append(Reached("memory_bytes", killed, "the kernel killed a process of the session"))
            if "pids" in group.controllers:
                refused = _number(group.path, "pids.events", "max")
                found.append(Reached("processes", refused, "the kernel refused another process"))
        return [each for each in found if each.times]

    def news(self) -> list[Reached]:
        """Return the bounds that were reached since this was asked last."""
        found = [each for each in self.reached() if each.times > self._told.get(each.limit, 0)]
        self._told.update((each.limit, each.times) for each in found)
        return found

    def let_go(self) -> None:
        """Close the descriptors, in a process that keeps none."""
        for fd in self.fds:
            os.close(fd)
        self.fds = ()

    def remove(self) -> None:
        """Remove the groups. The kernel is still ending the sandbox's last processes then, so this waits for them."""
        self.let_go()
        groups, self._groups = self._groups, ()
        for group in groups:
            _remove(group.path)
        while self._locks:
            os.close(self._locks.pop())


def make(limits: Limits) -> Groups:
    """Make the groups that the limits need, as far as the host gives them.

    Raises:
        HostError: A limit that nothing else can give cannot be enforced here.
    """
    bounds = _bounds(limits)
    made: dict[str, Group] = {}
    places = find_places() if bounds else {}
    for path in {place.path for place in places.values()}:
        _clear(path)
    name = _PREFIX + os.urandom(8).hex()
    for controller, values in bounds.items():
        place = places.get(controller)
        group = None if place is None else _make(place, f"{place.path}/{name}", values)
        if group is not None:
            before = made.get(group.path)
            controllers = (controller,) if before is None else (*before.controllers, controller)
            made[group.path] = msgspec.structs.replace(group, controllers=controllers)
    groups = Groups(tuple(made.values()))
    if limits.cpus is not None and "cpu" not in groups.held:
        groups.remove()
        raise HostError(
            "limits.cpus cannot be enforced here",
            cause="no control group with the cpu controller can be made by this user",
            hint="run in a delegated group (systemd-run --user --scope -p Delegate=yes …), or remove limits.cpus",
        )
    return groups


def _bounds(limits: Limits) -> dict[str, int | float]:
    wanted = {"memory": limits.memory_bytes, "pids": limits.processes, "cpu": limits.cpus}
    return {name: value for name, value in wanted.items() if value is not None}


def _make(place: Place, path: str, value: float) -> Group | None:
    """Make the group if it is not there yet, and bound one controller in it; None when the kernel refuses."""
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o755)
        for file, text in _settings(place, path, value):
            with open(f"{path}/{file}", "w", encoding="ascii") as out:
                out.write(text)
    except OSError:
        with contextlib.suppress(OSError):
            os.rmdir(path)
        return None
    return Group(path, place.version, (place.controller,))


def _settings(place: Place, path: str, value: float) -> list[tuple[str, str]]:
    """Return the files to write and what, in order; swap counts as memory where the kernel counts it."""
    if place.controller == "pids":
        return [("pids.max", str(int(value)))]
    if place.controller == "cpu":
        quota = max(1000, round(value * _PERIOD_US))
        if place.version == 2:
            return [("cpu.max", f"{quota} {_PERIOD_US}")]
        return [("cpu.cfs_period_us", str(_PERIOD_US)), ("cpu.cfs_quota_us", str(quota))]
    if place.version == 2:
        swap = [("memory.swap.max", "0")] if os.path.exists(path + "/memory.swap.max") else []
        return [("memory.max", str(int(value))), *swap]
    both = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
    return [(file, str(int(value))) for file in both if os.path.exists(f"{path}/{file}")]


def _lock(path: str) -> int:
    """Hold a group as one in use, until the last process that has the descriptor is gone."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def _clear(place: str) -> None:
    """Remove what sessions left that were killed before they could: empty groups that nobody holds."""
    with contextlib.suppress(OSError):
        for name in filter(lambda name: name.startswith(_PREFIX), os.listdir(place)):
            with contextlib.suppress(OSError):  # in use, not empty, or gone
                fd = os.open(f"{place}/{name}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.rmdir(f"{place}/{name}")
                finally:
                    os.close(fd)


def _remove(path: str) -> None:
    """Remove one group as soon as it is empty; after `_PATIENCE_SECONDS` it is left to the host."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                return
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _number(path: str, file: str, key: str) -> int:
    """Return the value of a key in a flat keyed file, 0 when either is missing."""
    try:
        with open(f"{path}/{file}", encoding="ascii") as source:
            pairs = (line.split() for line in source)
            return next((int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == key), 0)
    except (OSError, ValueError):
        return 0


class JoinGroups(msgspec.Struct, frozen=True):
    """Move the calling process into the session's groups, and make them all that it can see of groups."""

    def apply(self, stage: Stage) -> None:
        if stage.groups is not None:
            for fd in stage.groups.fds:
                os.write(fd, _JOIN)
            stage.groups.let_go()
        kernel.unshare(kernel.CLONE_NEWCGROUP)

    def describe(self) -> str:
        return "join the session's control groups, in a namespace of their own (cgroup)"
