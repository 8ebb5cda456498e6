"""Find the toolchains behind PATH and the virtual environments of the workspace, and what of the host shows them.

Guarantees:
- Trees are shown read-only. None is `/`, a home directory, an ancestor of one, or labelled secret.
- What the agent could have written (links and `pyvenv.cfg` in the workspace) is a hint: followed only to an interpreter
  that is known from outside, behind PATH or by its place and owner.
- Links that lead to a tree stand in the view where they stand on the host, whole chains of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping

from gmcp_sandbox.calls.labels import SYSTEM
from gmcp_sandbox.monitor.interpreters import path_entries
from gmcp_sandbox.monitor.layouts import is_interpreter_prefix, is_shared, tree_of
from gmcp_sandbox.monitor.links import Trace, real_path, trace
from gmcp_sandbox.policy.profile import Caching, Mount, MountMode

_MOST_HOPS = 4
_MOST_ENTRIES = 4096
_HINTED = ("JAVA_HOME", "GOROOT", "CONDA_PREFIX")
_VENVS = (".venv", "venv", "env", ".env")


class Toolchains:
    """Collects trees and links for one view.

    Args:
        home, workspace: Absolute, as the view shows them.
        source_of: The host path that the view already shows at a sandbox path, or None.
        is_secret: Whether path rules label a path secret.
    """

    def __init__(
        self, home: str, workspace: str, source_of: Callable[[str], str | None], is_secret: Callable[[str], bool]
    ) -> None:
        self._home = home
        self._workspace = real_path(workspace)
        self._source_of = source_of
        self._is_secret = is_secret
        self.trees: dict[str, None] = {}
        self.links: dict[str, str] = {}
        self.notes: list[str] = []
        self._looked_into: set[str] = set()

    def mounts(self) -> list[Mount]:
        """Return the mounts for all trees found, none inside another."""
        tops = [
            tree
            for tree in self.trees
            if not any(tree.startswith(other + "/") for other in self.trees if other != tree)
        ]
        return [
            Mount(tree, tree, MountMode.RO, SYSTEM, executable=True, optional=True, caching=Caching.SYSTEM)
            for tree in tops
        ]

    def discover(self, environ: Mapping[str, str]) -> None:
        """Look behind PATH, at the variables that name toolchains, and at virtual environments."""
        for entry in path_entries(environ):
            self._add_directory(entry)
        for name in _HINTED:
            prefix = environ.get(name, "")
            if prefix.startswith("/") and os.path.isdir(os.path.join(prefix, "bin")):
                self._add_directory(os.path.join(os.path.normpath(prefix), "bin"))
        self._add_rust(environ)
        for place in self._environments(environ):
            self._add_environment(place)

    def _add_directory(self, directory: str) -> None:
        """Show a directory of programs, its toolchain, and what its links lead to."""
        found = trace(directory)
        if found is None or not os.path.isdir(found.real) or self._is_hint(found):
            return
        self._add_tree(tree_of(found.real, self._home), found.links)
        if found.real in self._looked_into:  # /bin is a link to /usr/bin on most hosts, and both are on the PATH
            return
        self._looked_into.add(found.real)
        for target in _outward_links(found.real):
            self._add_program(target)

    def _add_program(self, path: str) -> None:
        """Show what a link in a directory of programs leads to."""
        if self._leads_into_view(path):
            return
        found = trace(path)
        if found is None or self._is_shown(found.real) or self._is_hint(found):
            return
        if not os.path.isfile(found.real):
            return
        directory = os.path.dirname(found.real)
        tree = tree_of(directory, self._home)
        self._add_tree(found.real if tree == directory else tree, found.links)
        if tree != directory:
            self._add_base(tree)

    def _leads_into_view(self, path: str) -> bool:
        """True when a chain of links, read as written, ends in a tree that the view has anyway.

        It spares the exact walk for most of /usr/bin. Where a directory on the way is itself a link out of the view,
        the program behind it stays out.
        """
        for _ in range(_MOST_HOPS):
            try:
                path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
            except OSError:
                break
        return self._is_shown(path)

    def _add_tree(self, tree: str, links: tuple[tuple[str, str], ...] = ()) -> None:
        if self._is_shown(tree):
            self._add_links(links)
        elif is_shared(tree, self._home) or self._is_secret(tree) or self._is_inside_workspace(tree):
            self.notes.append(f"{tree} is on the PATH and not shown: it is more than a toolchain")
        else:
            self.trees[tree] = None
            self._add_links(links)
            self._add_base(tree)

    def _add_links(self, links: tuple[tuple[str, str], ...]) -> None:
        for place, target in links:
            if not self._is_shown(place) and not is_shared(place, self._home):
                self.links[place] = target

    def _is_shown(self, path: str) -> bool:
        """True when the view, with the trees so far, has this very host object at this path."""
        if any(path == tree or path.startswith(tree + "/") for tree in self.trees):
            return True
        return self._source_of(path) == path

    def _is_hint(self, found: Trace) -> bool:
        """True when the agent could have written what is found, or a link that leads there."""
        return any(self._is_inside_workspace(place) for place in (found.real, *(link for link, _target in found.links)))

    def _is_inside_workspace(self, path: str) -> bool:
        return path == self._workspace or path.startswith(self._workspace + "/")

    def _add_rust(self, environ: Mapping[str, str]) -> None:
        """rustup's proxies in ~/.cargo/bin run what lies in RUSTUP_HOME."""
        if not any(tree.endswith("/.cargo/bin") for tree in self.trees):
            return
        found = trace(os.path.join(environ.get("RUSTUP_HOME") or os.path.join(self._home, ".rustup"), "toolchains"))
        if found is not None and os.path.isdir(found.real):
            self._add_tree(os.path.dirname(found.real), found.links)

    # --- virtual environments

    def _environments(self, environ: Mapping[str, str]) -> Iterator[str]:
        """Yield directories that hold a `pyvenv.cfg`: the active one, those behind PATH, those of the workspace."""
        candidates = [environ.get("VIRTUAL_ENV", "")]
        candidates += [os.path.dirname(entry) for entry in path_entries(environ) if entry.endswith("/bin")]
        candidates += [os.path.join(self._workspace, name) for name in _VENVS]
        for candidate in dict.fromkeys(candidates):
            if candidate.startswith("/") and os.path.isfile(os.path.join(candidate, "pyvenv.cfg")):
                yield os.path.normpath(candidate)

    def _add_environment(self, place: str) -> None:
        """Show an environment, or, where the agent could have written it or a link that leads there, what is known."""
        found = trace(place)
        if found is None:
            return
        if self._is_hint(found):
            for path in _pointers(place):
                self._follow_hint(path)
        else:
            self._add_directory(os.path.join(place, "bin"))

    def _add_base(self, tree: str) -> None:
        """Show the base interpreter of a virtual environment that lies outside of what the agent can write."""
        if not os.path.isfile(os.path.join(tree, "pyvenv.cfg")):
            return
        for path in _pointers(tree):
            found = trace(path)
            if found is None or self._is_hint(found):
                continue
            directory = found.real if os.path.isdir(found.real) else os.path.dirname(found.real)
            base = tree_of(directory, self._home)
            if base != tree:
                self._add_tree(base, found.links)

    def _follow_hint(self, path: str) -> None:
        """Show the interpreter that a file in the workspace points to, if it is known from outside."""
        found = trace(path)
        if found is None:
            return
        directory = found.real if os.path.isdir(found.real) else os.path.dirname(found.real)
        outside = tuple(link for link in found.links if not self._is_inside_workspace(link[0]))
        if self._is_shown(directory):
            self._add_links(outside)
            return
        prefix = os.path.dirname(directory)
        if os.path.basename(directory) == "bin" and is_interpreter_prefix(prefix) and self._is_trusted(prefix):
            self._add_tree(prefix, outside)
        else:
            self.notes.append(f"{path} points to {directory}, which is not known from outside the workspace: not shown")

    def _is_trusted(self, prefix: str) -> bool:
        """True when the caller or root owns it and nobody else can write there."""
        facts = os.stat(prefix)
        return facts.st_uid in (0, os.getuid()) and not facts.st_mode & stat.S_IWOTH


def _outward_links(directory: str) -> Iterator[str]:
    """Yield the links in a directory that may lead out of it."""
    try:
        with os.scandir(directory) as entries:
            for count, entry in enumerate(entries):
                if count >= _MOST_ENTRIES:
                    return
                if entry.is_symlink() and "/" in os.readlink(entry.path):
                    yield entry.path
    except OSError:
        return


def _pointers(place: str) -> list[str]:
    """Return the paths by which a virtual environment names its base interpreter."""
    pointers = [os.path.join(place, "bin", name) for name in ("python3", "python")]
    for line in _configuration(os.path.join(place, "pyvenv.cfg")):
        key, _, value = line.partition("=")
        if key.strip().lower() == "home" and value.strip().startswith("/"):
            pointers.append(os.path.normpath(value.strip()))
    return pointers


def _configuration(path: str) -> list[str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            return os.fsdecode(file.read(1 << 16)).splitlines()
    except OSError:
        return []
