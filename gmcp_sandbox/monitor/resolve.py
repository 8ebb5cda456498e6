"""Turn a profile's mounts into the view of this host.

Guarantees: every source of the view exists, has no link in its path, and is a directory or a regular file. The
workspace is none that would show the whole home or the supervisor's own state. What is left out is said in the view's
notes."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gmcp_sandbox.calls.labels import OUTSIDE, PRIVATE, SECRET, WATCHED, WORKSPACE
from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.monitor.gitdir import hook_directories, included_files, linked_git_directories
from gmcp_sandbox.monitor.interpreters import find_python
from gmcp_sandbox.monitor.links import real_path, trace
from gmcp_sandbox.monitor.own import OwnPlaces
from gmcp_sandbox.monitor.statedir import state_root
from gmcp_sandbox.monitor.toolchains import Toolchains
from gmcp_sandbox.policy.build import glob_quoted
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.profile import Mount, MountMode, PathRule, Profile
from gmcp_sandbox.policy.view import View

__all__ = ["check_workspace", "find_python", "resolve_view"]

_NEVER_WORKSPACES = ("/proc", "/sys", "/dev", "/boot", "/etc", "/run")
_TOPS = ("/usr", "/var", "/home", "/opt", "/tmp", "/var/tmp", "/mnt", "/media", "/srv")


def resolve_view(profile: Profile, *, workspace: Path, home: Path, environ: Mapping[str, str]) -> View:
    """Return the view that a profile has on this host.

    Raises:
        UsageError: The workspace cannot be one, or holds what this product would import.
        HostError: A source that is not optional is missing.
    """
    check_workspace(workspace, home=home, state=state_root(environ))
    plan = _Plan(profile, str(workspace), os.path.normpath(home))
    plan.add_mounts()
    plan.add_home_files()
    plan.add_git_directories()
    if profile.toolchains:
        plan.add_toolchains(environ)
    plan.keep_own_code(OwnPlaces.of_this_process())
    plan.hide(real_path(str(state_root(environ))))
    return plan.view()


def check_workspace(workspace: Path, *, home: Path, state: Path) -> None:
    """Refuse a workspace that is more than a project.

    Raises:
        UsageError: It is `/`, the home directory, above one of them, or touches the state directory.
    """
    real, real_home, real_state = (real_path(str(path)) for path in (workspace, home, state))
    hint = "start in a project directory, or name one with -w DIR"
    if real == real_home:
        raise UsageError(
            f"{workspace} cannot be the workspace: it is your home directory, with all that is yours", hint=hint
        )
    if real == "/" or _is_below(real_home, real):
        raise UsageError(f"{workspace} cannot be the workspace: it holds your whole home directory", hint=hint)
    if _is_below(real_state, real) or _is_below(real, real_state):
        raise UsageError(f"{workspace} cannot be the workspace: it touches the audit logs in {state}", hint=hint)
    if any(_is_below(real, top) for top in _NEVER_WORKSPACES) or real in _TOPS:
        raise UsageError(f"{workspace} cannot be the workspace: it belongs to the system", hint=hint)


class _Plan:
    """The view in the making."""

    def __init__(self, profile: Profile, workspace: str, home: str) -> None:
        self._profile = profile
        self._workspace = workspace
        self._home = home
        self._mounts: dict[str, Mount] = {}
        self._links: dict[str, str] = dict(profile.symlinks)
        self._notes: list[str] = []
        self._rules: list[PathRule] = []
        everywhere = Mount("/", "/", MountMode.RO, WORKSPACE)
        self._labels = Labeller([everywhere], profile.path_rules)

    def view(self) -> View:
        return View.of(
            self._mounts.values(), self._links.items(), notes=dict.fromkeys(self._notes), path_rules=self._rules
        )

    def add_mounts(self) -> None:
        """Put in the profile's mounts, with their real sources."""
        for mount in self._profile.mounts:
            if mount.source is None:
                is_kept = self._profile.persist_home and mount.path == self._home
                self._mounts[mount.path] = msgspec.structs.replace(mount, persist=is_kept or mount.persist)
            elif self._is_top_link(mount):
                self._links[mount.path] = os.readlink(mount.path)
            else:
                self._add_backed(mount, mount.source)

    def _is_top_link(self, mount: Mount) -> bool:
        """True for `/bin` and its like where the host has a link that another mount of the profile serves."""
        if mount.source != mount.path or mount.path.count("/") != 1 or not os.path.islink(mount.path):
            return False
        target = os.path.normpath(os.path.join("/", os.readlink(mount.path)))
        return any(_is_below(target, other.path) for other in self._profile.mounts if other.path != mount.path)

    def _add_backed(self, mount: Mount, source: str) -> None:
        real = real_path(source)
        kind = _kind(real)
        if kind in ("directory", "file"):
            self._mounts[mount.path] = msgspec.structs.replace(mount, source=real)
        elif mount.optional:
            if kind is not None:
                self._notes.append(f"{source} is not shown: {kind}")
        else:
            raise HostError(
                f"the profile {self._profile.name!r} shows {source}, but there is {kind or 'no such thing'}",
                hint="correct its mount, or set `optional = true`",
            )

    def add_home_files(self) -> None:
        """Show the listed files of the real home read-only in the private one."""
        for name in self._profile.home_files:
            path = os.path.join(self._home, name)
            found = trace(path)
            if found is None or _kind(found.real) not in ("directory", "file"):
                continue
            if self._is_secret(path) or self._is_secret(found.real):
                self._notes.append(f"{path} is not shown: it is secret, or leads to a secret")
            else:
                self._mounts.setdefault(path, Mount(path, found.real, MountMode.RO, PRIVATE))

    def add_git_directories(self) -> None:
        """Show the git directory of a worktree or submodule, and guard directories of hooks by any name."""
        workspace = self._mounts.get(self._workspace)
        if workspace is None:
            return
        for directory in linked_git_directories(self._workspace):
            if self._is_secret(directory):
                self._notes.append(f"{directory} is not shown: it is secret")
            elif self._source_of(directory) != directory:
                self._mounts[directory] = msgspec.structs.replace(workspace, path=directory, source=directory)
                self._notes.append(f"{directory} is shown: the workspace's .git file and it name each other")
        for directory in hook_directories(self._workspace, self._home):
            self._rules.append(PathRule(glob_quoted(directory) + "/**", WATCHED))
        for file in included_files(self._workspace, self._home):
            self._rules.append(PathRule(glob_quoted(file), WATCHED))

    def keep_own_code(self, own: OwnPlaces) -> None:
        """Show what this product itself runs from read-only, wherever it lies in a writable tree."""
        for tree in list(self._mounts.values()):
            for mount in own.read_only_in(tree):
                self._mounts[mount.path] = mount
                self._notes.append(f"{mount.path} is read-only: gmcp-sandbox runs from it")

    def hide(self, place: str) -> None:
        """Show a host directory nowhere, whatever tree it lies in."""
        for tree in list(self._mounts.values()):
            if tree.source is not None and place.startswith(tree.source.rstrip("/") + "/"):
                path = tree.path + place[len(tree.source) :]
                self._mounts[path] = Mount(path, None, MountMode.HIDDEN, OUTSIDE)

    def add_toolchains(self, environ: Mapping[str, str]) -> None:
        """Show interpreters and prefixes behind PATH."""
        tools = Toolchains(self._home, self._workspace, self._source_of, self._is_secret)
        tools.discover(environ)
        for mount in tools.mounts():
            self._mounts.setdefault(mount.path, mount)
        for place, target in tools.links.items():
            if place not in self._mounts:
                self._links.setdefault(place, target)
        self._notes += tools.notes

    def _source_of(self, path: str) -> str | None:
        """Return the host path of what the view shows at a path so far."""
        at = self._through_links(path)
        while at not in self._mounts:
            if at == "/":
                return None
            at = os.path.dirname(at)
        mount = self._mounts[at]
        return None if mount.source is None else mount.source + self._through_links(path)[len(at) :]

    def _through_links(self, path: str) -> str:
        for place, target in self._links.items():
            if _is_below(path, place):
                return os.path.normpath(os.path.join(os.path.dirname(place), target)) + path[len(place) :]
        return path

    def _is_secret(self, path: str) -> bool:
        return self._labels.of(path).rank >= SECRET.rank


def _kind(path: str) -> str | None:
    """Return what lies at a real path, in a word; None when nothing does or it may not be looked at."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "something that is neither directory nor file"


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")
