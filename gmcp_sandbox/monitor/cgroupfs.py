"""Where a control group for a session can be made: read from /proc, never assumed.

Version 2 (cgroups(7), kernel: cgroup-v2.rst): the nearest directory from the caller's own upwards whose children have
the controller and in which the caller may make groups and move processes. What other groups have is not changed.
Version 1 (cgroup-v1/*.rst): below the caller's own directory in the controller's hierarchy.

Leaves to others: making groups (`proc/cgroups.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import msgspec

CONTROLLERS = ("memory", "pids", "cpu")


class Place(msgspec.Struct, frozen=True):
    """A directory in which groups with a controller can be made.

    Attributes:
        controller: One of `CONTROLLERS`.
        version: 1 or 2.
        path: Absolute path of the directory.
    """

    controller: str
    version: int
    path: str


class _Hierarchy(msgspec.Struct, frozen=True):
    """One mounted hierarchy.

    Attributes:
        controllers: Of version 1; empty for version 2.
        root: Group that the mount shows as its root.
    """

    version: int
    controllers: frozenset[str]
    root: str
    mount_point: str


def find_places() -> dict[str, Place]:
    """Return the place of each controller that can be used, by its name; empty where none can."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            hierarchies = parse_mounts(file)
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            own = parse_own(file)
    except OSError:
        return {}
    found = {}
    for controller in CONTROLLERS:
        place = _place(controller, hierarchies, own)
        if place is not None:
            found[controller] = place
    return found


def parse_mounts(lines: Iterable[str]) -> list[_Hierarchy]:
    """Return the control group hierarchies of a mountinfo (proc_pid_mountinfo(5))."""
    found = []
    for line in lines:
        fields, _, rest = line.partition(" - ")
        words, kind = fields.split(), rest.split()
        if len(words) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        version = 2 if kind[0] == "cgroup2" else 1
        controllers = frozenset(kind[2].split(",")) & frozenset(CONTROLLERS) if version == 1 else frozenset()
        found.append(_Hierarchy(version, controllers, _unescaped(words[3]), _unescaped(words[4])))
    return found


def parse_own(lines: Iterable[str]) -> dict[str, str]:
    """Return the caller's group by controller, that of version 2 by the empty name (cgroups(7), /proc/PID/cgroup)."""
    own = {}
    for line in lines:
        _, _, rest = line.rstrip("\n").partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(","):
            own[name] = path
    return own


def _place(controller: str, hierarchies: list[_Hierarchy], own: dict[str, str]) -> Place | None:
    for hierarchy in hierarchies:
        name = controller if hierarchy.version == 1 else ""
        if name not in own or (hierarchy.version == 1 and controller not in hierarchy.controllers):
            continue
        directory = _shown(hierarchy, own[name])
        if directory is None:
            continue
        if hierarchy.version == 1:
            if _may_make_groups(directory):
                return Place(controller, 1, directory)
            continue
        for each in _upwards(directory, hierarchy.mount_point):
            if controller in _words(each + "/cgroup.subtree_control") and _may_make_groups(each):
                return Place(controller, 2, each)
    return None


def _shown(hierarchy: _Hierarchy, group: str) -> str | None:
    """Return where a group stands under the mount; None when the mount does not show it."""
    root = hierarchy.root.rstrip("/")
    if ".." in group.split("/") or not (group == root or group.startswith(root + "/")):
        return None
    return (hierarchy.mount_point.rstrip("/") + group[len(root) :]).rstrip("/")


def _upwards(directory: str, top: str) -> Iterator[str]:
    yield directory
    while directory != top and len(directory) > len(top):
        directory = os.path.dirname(directory)
        yield directory


def _may_make_groups(directory: str) -> bool:
    """True when the caller may make groups there and move processes below it."""
    return os.access(directory, os.W_OK | os.X_OK) and os.access(directory + "/cgroup.procs", os.W_OK)


def _words(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def _unescaped(path: str) -> str:
    """Undo mountinfo's octal escapes of blank, tab, newline and backslash."""
    for escape, meant in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(escape, meant)
    return path
